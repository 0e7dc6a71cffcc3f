"""Shapes, drawn or grown: OpenCV operations, typed. What growing costs doesn't rise with the reach."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from actors.engines.local.arrays import Mask, Plane, Points
from actors.engines.local.raster import extent

_FRACTION_BITS = 4


def polygon(shape: tuple[int, ...], corners: Points) -> Plane:
    """The inside of a polygon, (h, w) 0 to 1, its edge smooth."""
    plane = np.zeros(shape[:2], np.uint8)
    fixed = np.round(corners * (1 << _FRACTION_BITS)).astype(np.int32)
    cv2.fillPoly(plane, [fixed], 255, lineType=cv2.LINE_AA, shift=_FRACTION_BITS)
    return plane.astype(np.float32) / 255


def strokes(shape: tuple[int, ...], lines: Sequence[tuple[Points, Points, float]]) -> Mask:
    """Round-ended lines: each from a point to another, so many pixels wide."""
    plane = np.zeros(shape[:2], np.uint8)
    limit = 4 * max(shape[:2])
    for start, end, width in lines:
        first, last = (tuple(int(v) for v in np.clip(point, -limit, limit)) for point in (start, end))
        cv2.line(plane, first, last, 1, max(1, min(int(width), 32_000)))
    return plane.view(np.bool_)


def distance_to(mask: Mask) -> Plane:
    """How many pixels it is from each pixel to the nearest of `mask`; very far if it is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    result: Any = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 5)
    return result


def widened(mask: Mask, reach: float) -> Mask:
    """`mask` grown by `reach` pixels in every direction; the cost doesn't rise with `reach`."""
    result = np.zeros_like(mask)
    around = extent(mask, air=int(reach) + 1)  # nothing is as far as that
    if around is not None:
        result[around] = distance_to(np.ascontiguousarray(mask[around])) <= reach
    return result


def narrowed(mask: Mask, reach: float) -> Mask:
    """`mask` shrunk by `reach` pixels from every edge but the picture's; the cost doesn't rise with `reach`."""
    result = np.zeros_like(mask)
    around = extent(mask, air=1)
    if around is not None:
        result[around] = distance_to(np.ascontiguousarray(~mask[around])) > reach
    return result


def opened(mask: Mask, reach: float) -> Mask:
    """`mask` without what is less than twice `reach` pixels broad."""
    return widened(narrowed(mask, reach), reach)


def closed(mask: Mask, reach: float) -> Mask:
    """`mask` with its gaps of less than twice `reach` pixels."""
    return narrowed(widened(mask, reach), reach)
