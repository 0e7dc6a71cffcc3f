"""Where an arm ends and the body that it hangs against begins.

Cloth and skin often go on from an arm to the body without an edge. But an arm is about as thick on its inner side as on
its outer one, and the outer one is seen against the background.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import distance_transform_edt, median_filter

from actors.engines.local.arrays import Mask, Plane
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.raster import grown, shrunk

_LOOK = 0.45
"""How far from the bone the end of an arm is looked for, in torso lengths."""
_UNEVEN, _SLACK = 1.25, 0.02
"""The inner side is up to this much thicker than the outer one, and so many torso lengths."""
_THICK = 1.1
"""Where neither side is seen, a bone is this much thicker than it is by itself."""
_JOINT = 0.25
"""This share of the upper arm is as much the shoulder's."""
_EVEN_OUT = 9
"""Thickness is the median over so many pixels along the bone."""
_BETWEEN_JOINTS = (0.1, 0.9)
"""This part of a forearm is no elbow and no hand."""
_UNSURE, _BESIDE = (0.3, 0.65), 0.3
"""Wide areas of alpha between these are background, if they are so near to a limb, in torso lengths."""
_BODY = (Layer.TORSO, Layer.HEAD, Layer.LEFT_LEG, Layer.RIGHT_LEG)


def trimmed(labels: Indices, figure: Doubles) -> Indices:
    """`labels` (h, w), -1 outside, with what an arm has taken of the body beside it given back.

    `figure` (38, 2) is in the same pixels.
    """
    body = np.isin(labels, _BODY)
    if not body.any():
        return labels
    beyond = np.zeros(labels.shape, np.bool_)
    for arm in ARMS:
        beyond |= _beyond(labels, arm, figure)
    if not beyond.any():
        return labels
    nearest = distance_transform_edt(~body, return_distances=False, return_indices=True)
    return np.where(beyond, labels[tuple(nearest)], labels)


def _beyond(labels: Indices, arm: Layer, figure: Doubles) -> Mask:
    """The pixels of `arm` that are farther from its bones than it is thick."""
    unit = torso_length(figure)
    rows, columns = np.nonzero(labels == arm)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    distances: list[Doubles] = []
    reaches: list[Doubles] = []
    for order, index in enumerate(CHAINS[arm]):
        bone = BONES[index]
        start, end = figure[bone.start], figure[bone.end]
        thick = _reach(labels, arm, start, end, bone.half * unit, unit)
        along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
        offset = points - start
        place = offset @ along
        size = float(np.hypot(*(end - start)))
        inside = np.clip(place, 0, size)
        distances.append(np.hypot(*(offset - inside[:, None] * along).T))
        side = (offset @ np.array([-along[1], along[0]]) > 0).astype(np.int64)
        slot = np.minimum(inside.astype(np.int64), thick.shape[1] - 1)
        reach = thick[side, slot]
        if order == 0:
            reach = np.where(place < _JOINT * size, np.inf, reach)
        reaches.append(reach)
    nearest = np.argmin(np.stack(distances), axis=0)
    chosen = nearest, np.arange(len(points))
    far = np.stack(distances)[chosen] > np.stack(reaches)[chosen]
    result = np.zeros(labels.shape, np.bool_)
    result[rows[far], columns[far]] = True
    return result


def _reach(labels: Indices, arm: Layer, start: Doubles, end: Doubles, half: float, unit: float) -> Doubles:
    """How far an arm may reach from a bone, in pixels (2 sides, n places along it); infinite beside the background.

    Rays to both sides meet that, or the body that the arm touches.
    """
    size = max(float(np.hypot(*(end - start))), 1.0)
    along = (end - start) / size
    normal = np.array([-along[1], along[0]])
    places = start + np.arange(int(size) + 1)[:, None] * along
    steps = np.arange(max(2, round(_LOOK * unit)))
    free = np.full((2, len(places)), np.inf)
    touches = np.zeros((2, len(places)), np.bool_)
    for side, sign in enumerate((-1, 1)):
        ray = np.rint(places[:, None] + sign * steps[:, None] * normal).astype(np.int64)
        seen = _at(labels, ray)
        outside, other = seen < 0, (seen >= 0) & (seen != arm)
        first_outside = np.where(outside.any(axis=1), outside.argmax(axis=1), len(steps))
        first_other = np.where(other.any(axis=1), other.argmax(axis=1), len(steps))
        touches[side] = first_outside >= np.minimum(first_other, len(steps))
        free[side] = np.where(touches[side], np.inf, first_outside)
    thickness = free.min(axis=0)
    known = np.isfinite(thickness)
    usual = float(np.median(thickness[known])) if known.any() else _THICK * half
    thickness = median_filter(np.where(known, thickness, usual), _EVEN_OUT, mode="nearest")
    return np.where(touches, _UNEVEN * thickness + _SLACK * unit, np.inf)


def _at(labels: Indices, places: Indices) -> Indices:
    """The labels at `places` (..., 2), -1 outside of the picture."""
    height, width = labels.shape
    x, y = places[..., 0], places[..., 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return np.where(inside, labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)], -1)


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
    bones = [BONES[index] for chain in CHAINS.values() for index in chain]
    beside = [near(figure[bone.start], figure[bone.end], _BESIDE * unit, alpha.shape) for bone in bones]
    return wide & np.any(beside, axis=0) & ~np.any(list(seeds.values()), axis=0)
