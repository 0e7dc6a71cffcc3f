"""Where a figure's parts are in a picture, as far as its joints tell."""

from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from actors.engines.local.arrays import Mask, Plane
from actors.engines.local.perception.pose import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.skeleton import (
    ARMS,
    BONES,
    CHAINS,
    HEAD,
    LEGS,
    NECK,
    PELVIS,
    SOLES,
    Doubles,
    Layer,
    length,
    torso_length,
)

_CORE, _CORE_OF_HAND = 0.55, 0.85
"""A bone's core has this share of its thickness."""
_SOLE, _FRONT = 0.08, 0.25
"""A shoe has its sole so near to the line from heel to toe, in torso lengths, from this share of that on."""


def cores(figure: Doubles, shape: tuple[int, ...]) -> dict[Layer, Mask]:
    """What is certainly part of each layer, as masks (h, w), whether it is seen or not."""
    unit = torso_length(figure)
    result = {layer: np.zeros(shape[:2], np.bool_) for layer in Layer}
    for limb, chain in CHAINS.items():
        for order, index in enumerate(chain):
            bone = BONES[index]
            start, end = figure[bone.start], figure[bone.end]
            if order == 0:
                # The joint itself is as much the torso's.
                start = start + (0.35 if limb in LEGS else 0.3) * (end - start)
            share = _CORE_OF_HAND if limb in ARMS and index == chain[-1] else _CORE
            result[limb] |= near(start, end, share * bone.half * unit, shape)
    y, x = np.ogrid[: shape[0], : shape[1]]
    result[Layer.TORSO] = inside(x, y, torso_outline(figure, 0.20, -0.02))
    lifted = figure[HEAD] + 0.25 * (figure[HEAD] - figure[NECK])
    result[Layer.HEAD] = near(figure[HEAD], lifted, 0.42 * length(figure, NECK, HEAD), shape)
    return result


def torso_outline(figure: Doubles, inwards: float, wider: float) -> Doubles:
    """The corners (4, 2) of the torso: shoulders moved `inwards`, hips moved out by `wider` (shares)."""
    shoulders = figure[RIGHT_SHOULDER] - figure[LEFT_SHOULDER]
    hips = figure[RIGHT_HIP] - figure[LEFT_HIP]
    down = 0.06 * (figure[PELVIS] - figure[NECK])
    return np.array(
        [
            figure[LEFT_SHOULDER] + inwards * shoulders + down,
            figure[LEFT_HIP] - wider * hips - down,
            figure[RIGHT_HIP] + wider * hips - down,
            figure[RIGHT_SHOULDER] - inwards * shoulders + down,
        ]
    )


def near(start: Doubles, end: Doubles, radius: float, shape: tuple[int, ...]) -> Mask:
    """The pixels (h, w) within `radius` of the line between two points."""
    result = np.zeros(shape[:2], np.bool_)
    box = around(start, end, radius, shape)
    result[box] = distance_to_line(start, end, shape, box) <= radius
    return result


def near_soles(figure: Doubles, shape: tuple[int, ...]) -> Plane:
    """How near (h, w), 0 to 1, it is to the front of a shoe's sole, where no hem hangs."""
    result, reach = np.zeros(shape[:2], np.float32), _SOLE * torso_length(figure)
    for heel, toe in SOLES:
        line = figure[heel] + _FRONT * (figure[toe] - figure[heel]), figure[toe]
        box = around(*line, 2 * reach, shape)
        share = np.clip(2 - distance_to_line(*line, shape, box) / np.float32(reach), 0, 1)
        result[box] = np.maximum(result[box], share)
    return result


def around(start: Doubles, end: Doubles, radius: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The rows and columns of a picture of `shape` that hold all within `radius` pixels of the line of two points."""
    low, high = np.minimum(start, end) - radius - 1, np.maximum(start, end) + radius + 2
    (left, top), (right, bottom) = (np.clip(place, 0, shape[1::-1]).astype(int) for place in (low, high))
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def distance_to_line(
    start: Doubles, end: Doubles, shape: tuple[int, ...], box: tuple[slice, slice] | None = None
) -> Plane:
    """The distance of each pixel, or of those in `box`, from the line between two points."""
    rows, columns = box or (slice(0, shape[0]), slice(0, shape[1]))
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(start[1])
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(start[0])
    along = (end - start).astype(np.float32)
    share = np.clip((x * along[0] + y * along[1]) / max(float(along @ along), 1e-9), 0, 1)
    across, down = x - share * along[0], y - share * along[1]
    # Pixels don't overflow: hypot, which minds that, takes several times as long.
    return np.sqrt(across * across + down * down)


def distances(points: Doubles, start: Doubles, end: Doubles) -> Doubles:
    """How far `points` (..., 2) are from the line between two others."""
    along = end - start
    share = np.clip((points - start) @ along / max(float(along @ along), 1e-9), 0, 1)
    return np.hypot(*(points - start - share[..., None] * along).T)


def inside(x: Doubles, y: Doubles, corners: Doubles) -> Mask:
    """Which of the points at `x` and `y`, any two arrays that go together, are inside a convex polygon (n, 2)."""
    sides = [
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
    ]
    return np.all([side >= 0 for side in sides], axis=0) | np.all([side <= 0 for side in sides], axis=0)


def near_limb(limb: Layer, figure: Doubles, radius: float, shape: tuple[int, ...]) -> Mask:
    """The pixels (h, w) within `radius` of the bones of a limb."""
    bones = [BONES[index] for index in CHAINS[limb]]
    return np.any([near(figure[bone.start], figure[bone.end], radius, shape) for bone in bones], axis=0)


def like_nearest(labels: Indices, known: Mask) -> Indices:
    """For each pixel which of `labels` (h, w) the nearest has that is `known` (h, w)."""
    nearest: Any = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return labels[tuple(nearest)]
