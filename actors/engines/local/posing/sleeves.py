"""Which arms are bare where they hang on the body: no cloth goes up with them."""

from collections.abc import Collection

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Mask
from actors.engines.local.posing.hands import face_colour, in_skin_steps
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.parts import Division
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.posing.targets import Target
from actors.engines.local.raster import grown, shrunk

_FROM, _TO = 0.25, 0.6
"""Short sleeves reach over this part of the upper arm."""
_MIDDLE = 0.5
"""The arm's colour is seen in its middle, by this share of its thickness."""
_BESIDE = 0.5
"""The cloth that hangs beside is no farther, in torso lengths."""
_ARMPIT = 0.2
"""So near to the upper part of an arm it may have taken cloth, in torso lengths."""
_SKIN, _CLOTH = 1.0, 1.2
"""A bare arm is less unlike the face than the first, and more unlike the cloth than the second."""
_UP = np.radians(25.0)
"""Up to this turn cloth and skin stretch without showing it."""


class _Colours(Struct, frozen=True):
    """The colours (3,) in the middle of an upper arm and of the cloth beside it."""

    arm: Doubles
    cloth: Doubles


def bare_arms(division: Division, figure: Doubles) -> frozenset[Layer]:
    """The arms of `figure` (38, 2), which was divided, that have no sleeve."""
    colours, small = in_skin_steps(division.image), figure * division.scale
    skin = face_colour(colours, division.labels, small)
    bare: set[Layer] = set()
    for arm in ARMS:
        seen = _seen(colours, division.labels, arm, small)
        if skin is None or seen is None:
            continue
        if _apart(seen.arm, skin) < _SKIN and _apart(seen.arm, seen.cloth) > _CLOTH:
            bare.add(arm)
    return frozenset(bare)


def going_up(arms: Collection[Layer], target: Target) -> frozenset[Layer]:
    """Those of `arms` that turn so far that what is between them and the body would be seen to stretch."""
    return frozenset(arm for arm in arms if abs(target.motions[CHAINS[arm][0]].angle) > _UP)


def without_cloth(division: Division, bare: Collection[Layer], figure: Doubles) -> Indices:
    """The division's labels (h, w) with the cloth that `bare` upper arms have taken given to the torso."""
    colours, small = in_skin_steps(division.image), figure * division.scale
    labels = division.labels.copy()
    for arm in bare:
        seen = _seen(colours, labels, arm, small)
        if seen is not None:
            cloth = ((colours - seen.cloth) ** 2).sum(axis=-1) < ((colours - seen.arm) ** 2).sum(axis=-1)
            cloth &= (labels == arm) & _around(arm, small, 0.0, _TO, _ARMPIT, labels)
            # Pixels in a line are the arm's own edge, with some background in them.
            labels[grown(shrunk(cloth, 1), 1) & cloth] = Layer.TORSO
    return labels


def _seen(colours: Doubles, labels: Indices, arm: Layer, figure: Doubles) -> _Colours | None:
    """What an upper arm and the cloth beside it look like in `colours` (h, w, 3)."""
    half = BONES[CHAINS[arm][0]].half
    middle = _around(arm, figure, _FROM, _TO, _MIDDLE * half, labels) & (labels == arm)
    cloth = _around(arm, figure, _FROM, _TO, _BESIDE, labels) & (labels == Layer.TORSO)
    if not middle.any() or not cloth.any():
        return None
    return _Colours(np.median(colours[middle], axis=0), np.median(colours[cloth], axis=0))


def _around(arm: Layer, figure: Doubles, first: float, last: float, reach: float, labels: Indices) -> Mask:
    """The pixels (h, w) within `reach` torso lengths of an upper arm, from one share of its length to another."""
    bone = BONES[CHAINS[arm][0]]
    along = figure[bone.end] - figure[bone.start]
    start = figure[bone.start]
    return near(start + first * along, start + last * along, reach * torso_length(figure), labels.shape)


def _apart(first: Doubles, second: Doubles) -> float:
    return float(np.sqrt(((first - second) ** 2).sum()))
