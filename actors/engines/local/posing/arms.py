"""How thick arms are seen to be, and what between limbs is none of them."""

from collections.abc import Mapping

import numpy as np

from actors.engines.local.arrays import Mask, Plane
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.shapes import near, near_limb
from actors.engines.local.posing.skeleton import BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.raster import grown, shrunk

_LOOK = 0.45
"""An arm isn't seen farther from its bone, in torso lengths."""
_BETWEEN_JOINTS = (0.1, 0.9)
"""This part of a forearm is no elbow and no hand."""
_UNSURE, _BESIDE = (0.3, 0.65), 0.3
"""Wide areas of alpha between these are background, if they are so near to a limb, in torso lengths."""


def forearm_thickness(labels: Indices, arm: Layer, figure: Doubles) -> float:
    """How thick the forearm of `arm` is seen to be, in torso lengths.

    `labels` (h, w) and `figure` (38, 2) are in the same pixels.
    """
    bone = BONES[CHAINS[arm][1]]
    along = figure[bone.end] - figure[bone.start]
    rows, columns = np.nonzero(
        (labels == arm) & near(figure[bone.start], figure[bone.end], _LOOK * torso_length(figure), labels.shape)
    )
    share = (np.stack([columns, rows], axis=1) - figure[bone.start]) @ along / max(float(along @ along), 1e-6)
    first, last = _BETWEEN_JOINTS
    seen = float(((share > first) & (share < last)).sum())
    return seen / ((last - first) * max(float(np.hypot(*along)), 1.0)) / torso_length(figure)


def gaps(alpha: Plane, seeds: Mapping[Layer, Mask], figure: Doubles) -> Mask:
    """The background between limbs and body that the matte `alpha` (h, w) is unsure of.

    It is wider than an edge, and certainly no part: none of `seeds` (h, w). `figure` (38, 2) is in the same pixels.
    """
    low, high = _UNSURE
    unsure = (alpha > low) & (alpha < high)
    wide = grown(shrunk(unsure, 1), 1) & unsure
    if not wide.any():
        return wide
    unit = torso_length(figure)
    beside = [near_limb(limb, figure, _BESIDE * unit, alpha.shape) for limb in CHAINS]
    return wide & np.any(beside, axis=0) & ~np.any(list(seeds.values()), axis=0)
