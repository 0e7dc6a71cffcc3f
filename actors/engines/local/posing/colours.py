"""Telling an arm from the cloth beside it by their colours.

What an arm looks like is seen where it borders on the background, what the body looks like beyond the arm's reach. In
between each pixel goes to whom it is more like, near to where it is. Source of the idea: the nearest samples in colour
and place, as in Chen, Li, Tang, "KNN Matting" (2013).
"""

from typing import Any

import numpy as np
from msgspec import Struct
from scipy.ndimage import distance_transform_edt

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.likeness import unlikeness
from actors.engines.local.posing.border import least_border
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.shapes import distance_to_line, like_nearest
from actors.engines.local.posing.skeleton import ARMS, BODY, BONES, CHAINS, NECK, PELVIS, Doubles, Layer, torso_length
from actors.engines.local.raster import components, extent, grown, lab

_REACH = 2.6
"""What is so near to an arm's bones, in thicknesses of a bone, may be the arm's or the body's."""
_BEYOND, _AROUND = 1.6, 5.2
"""The body's colours are taken from farther away than the first, and nearer than the second."""
_ROOT = 0.25
"""This share of the upper arm is as much the shoulder's."""
_OUTER = 0.5
"""The nearest background is on an arm's outer side if the way there deviates by less than 60 degrees (its cosine)."""
_RIM, _THINNEST = 0.045, 3.0
"""So near to the background there is only arm: in torso lengths, and pixels at least."""
_LIGHT, _PLACE = 0.7, 30.0
"""Lightness counts so much of colour; a torso length away is as unlike as so many L*a*b* units."""
_THICKEST = 1.3
"""An arm is at most so many times as thick as its bones."""
_FEWEST = 12
"""An arm with fewer samples isn't looked at."""
_CLEAR = 10.0
"""Who is so much more like the one than the other is clearly that, in L*a*b* units."""
_STAYS = 0.3
"""What speaks for a pixel staying with whom it is, against being clear."""
_EDGE, _APART = 6.0, 0.6
"""Neighbours in one colour stay together for so much, against being clear; so many L*a*b* units are an edge."""
_CERTAIN = 1e3


class _Zone(Struct, frozen=True):
    """Where an arm and the body meet.

    `open` (h, w): what may be either's; `arm` and `body` (h, w): samples of what they look like.
    """

    open: Mask
    arm: Mask
    body: Mask


def told_by_colour(image: Rgb, labels: Indices, figure: Doubles) -> Indices:
    """`labels` (h, w), -1 outside, of `image` (h, w, 3), with arms ending where their colours do.

    `figure` (38, 2) is in the same pixels.
    """
    unit = torso_length(figure)
    result = labels.copy()
    for arm in ARMS:
        away, root = _from_bones(labels.shape, arm, figure)
        box = extent(away < _AROUND)
        if box is None:
            continue
        near = result[box]
        zone = _zone(near, arm, away[box], root[box], figure)
        if min(int(zone.arm.sum()), int(zone.body.sum())) >= _FEWEST:
            result[box] = _divided(image[box], near, zone, arm, unit)
    return result


def _from_bones(shape: tuple[int, ...], arm: Layer, figure: Doubles) -> tuple[Plane, Mask]:
    """How far each pixel is from the arm's nearest bone, in thicknesses of that, and which are the shoulder's."""
    unit = torso_length(figure)
    upper = BONES[CHAINS[arm][0]]
    turn = figure[upper.start] + _ROOT * (figure[upper.end] - figure[upper.start])
    shoulder = distance_to_line(figure[upper.start], turn, shape) / np.float32(upper.half * unit)
    lines = [(turn, upper), *((figure[BONES[index].start], BONES[index]) for index in CHAINS[arm][1:])]
    rest = np.minimum.reduce(
        [distance_to_line(start, figure[bone.end], shape) / np.float32(bone.half * unit) for start, bone in lines]
    )
    return np.minimum(shoulder, rest), shoulder <= rest


def outwards(arm: Layer, figure: Doubles) -> Doubles:
    """The direction (2,) from the body to the outer side of an arm."""
    start, end = figure[BONES[CHAINS[arm][0]].start], figure[BONES[CHAINS[arm][-1]].end]
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
    normal = np.array([-along[1], along[0]])
    middle = (figure[NECK] + figure[PELVIS]) / 2
    return normal if (start - middle) @ normal > 0 else -normal


def weighed(image: Rgb) -> Doubles:
    """L*a*b* colours (h, w, 3), in which light and shade count less."""
    return lab(image).astype(np.float64) * (_LIGHT, 1.0, 1.0)


def _to_background(inside: Mask) -> tuple[Doubles, Doubles]:
    """The distance (h, w) from each pixel to the nearest one outside, and the way there (h, w, 2): x, y."""
    found: Any = distance_transform_edt(inside, return_indices=True)
    depth, nearest = found
    return depth, np.moveaxis(nearest - np.indices(inside.shape), 0, -1)[..., ::-1]


def _zone(labels: Indices, arm: Layer, away: Plane, root: Mask, figure: Doubles) -> _Zone:
    unit, out = torso_length(figure), outwards(arm, figure)
    mine, body = labels == arm, np.isin(labels, BODY)
    depth, end = _to_background(labels >= 0)
    # On its inner side, and where a sleeve or a hem ends, the background may as well be what cloth borders on.
    rim = (depth > 1) & (depth < max(_RIM * unit, _THINNEST)) & (end @ out > _OUTER * depth)
    return _Zone(
        (mine | body) & ~root & (away < _REACH),
        mine & rim & ~root & (away < _THICKEST),
        body & (depth > 1) & (away > _BEYOND) & (away < _AROUND),
    )


def _divided(image: Rgb, labels: Indices, zone: _Zone, arm: Layer, unit: float) -> Indices:
    """`labels` with what is open given to the arm or to the body."""
    colours = weighed(image)
    place = np.moveaxis(np.indices(labels.shape), 0, -1) * (_PLACE / unit)
    features: Doubles = np.concatenate([colours, place], axis=-1, dtype=np.float64)
    wanted: Doubles = features[zone.open]
    likes_body = np.zeros(labels.shape)
    likes_body[zone.open] = unlikeness(wanted, features[zone.arm]) - unlikeness(wanted, features[zone.body])
    likes_body = np.clip(likes_body / _CLEAR, -1, 1)
    mine, body = labels == arm, np.isin(labels, BODY)
    fixed = grown(zone.open, 1) & (mine | body) & ~zone.open
    as_arm = np.where(fixed & body, _CERTAIN, np.maximum(likes_body, 0) + _STAYS * body)
    as_body = np.where(fixed & mine, _CERTAIN, np.maximum(-likes_body, 0) + _STAYS * mine)
    now = mine & ~zone.open | zone.open & least_border(zone.open | fixed, as_arm, as_body, colours / _EDGE, _APART)
    pieces, stats = components(now)
    now &= pieces == 1 + int(np.argmax(stats[1:, 4])) if len(stats) > 1 else False
    return np.where(now, arm, np.where(mine | body, like_nearest(labels, body & ~now), labels))
