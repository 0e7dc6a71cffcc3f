"""Whether a hand is seen: one in a pocket, or behind the back, has the colours of the cloth there and not of skin."""

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from actors.engines.local.arrays import Rgb
from actors.engines.local.perception.pose import LEFT_EAR, NOSE, RIGHT_EAR
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.shapes import distance_to_line, distances, near
from actors.engines.local.posing.skeleton import (
    BODY,
    BONES,
    CHAINS,
    KNUCKLES,
    LEGS,
    NECK,
    PELVIS,
    Doubles,
    Layer,
    length,
    torso_length,
)
from actors.engines.local.raster import lab

_PALM = 0.06
"""So far around its knuckles there is hand, in torso lengths."""
_BODY_NEAR, _BODY_FAR = 0.16, 0.6
"""The cloth beside a hand is looked at from the first distance to the second, in torso lengths."""
_AT_BODY = 0.4
"""A hand farther from hips and thighs than so many torso lengths is in no pocket."""
_FACE = 0.35
"""There is face so far around the nose, relative to the distance of the ears."""
_STEPS = (26.0, 9.0, 9.0)
"""By so much skin's L*a*b* changes between light and shade, or between face and hand."""
_CLOTH = 1.2
"""Farther from the face's colour, in such steps, it is no skin."""
_ALIKE, _LIKER = 0.25, 0.5
"""A pixel is cloth if cloth is nearer in colour than the first, and than this share of the way to skin."""
_HIDDEN = 0.5
"""A hand of which more is cloth isn't seen; a wrist above a pocket may be."""
_FEWEST = 6
"""Of fewer pixels nothing is told."""


def hidden_hands(image: Rgb, labels: Indices, figure: Doubles) -> list[Layer]:
    """The arms whose hands aren't seen.

    `image` (h, w, 3), `labels` (h, w) from `parts.labelled` and `figure` (38, 2) are in the same pixels.
    """
    unit = torso_length(figure)
    colours = in_skin_steps(image)
    skin = face_colour(colours, labels, figure)
    if skin is None:
        return []
    unlike_skin = np.sqrt(((colours - skin) ** 2).sum(axis=-1))
    cloth = np.isin(labels, BODY) & (unlike_skin > _CLOTH)
    hidden: list[Layer] = []
    for arm, (little, index) in KNUCKLES.items():
        away = distance_to_line(figure[little], figure[index], labels.shape) / np.float32(unit)
        hand = (away < _PALM) & (labels >= 0)
        beside = cloth & (away > _BODY_NEAR) & (away < _BODY_FAR)
        if min(hand.sum(), beside.sum()) < _FEWEST or not _at_body((figure[little] + figure[index]) / 2, figure):
            continue
        unlike_cloth: Any = cKDTree(colours[beside]).query(colours[hand])[0]
        is_cloth = unlike_cloth < np.minimum(_ALIKE, _LIKER * unlike_skin[hand])
        if is_cloth.mean() > _HIDDEN:
            hidden.append(arm)
    return hidden


def in_skin_steps(image: Rgb) -> Doubles:
    """L*a*b* colours (h, w, 3) of `image`, in units by which skin's change between light and shade."""
    return lab(image).astype(np.float64) / _STEPS


def face_colour(colours: Doubles, labels: Indices, figure: Doubles) -> Doubles | None:
    """The colour (3,) of the face among `colours` (h, w, 3); None where too little of one is seen."""
    face = near(figure[NOSE], figure[NOSE], _FACE * length(figure, LEFT_EAR, RIGHT_EAR), labels.shape)
    face &= labels == Layer.HEAD
    return np.median(colours[face], axis=0) if face.sum() >= _FEWEST else None


def _at_body(hand: Doubles, figure: Doubles) -> bool:
    """Whether a hand's place (2,) is where pockets are."""
    lines = [
        (figure[NECK], figure[PELVIS]),
        *((figure[BONES[CHAINS[leg][0]].start], figure[BONES[CHAINS[leg][0]].end]) for leg in LEGS),
    ]
    return min(float(distances(hand, *line)) for line in lines) < _AT_BODY * torso_length(figure)
