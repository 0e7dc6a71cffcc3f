"""The few image operations everything else is made of: OpenCV behind typed functions.

OpenCV's own types say little (any array in, any array out), so they stay in this file.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.engines.local.arrays import Floats, Mask, Plane, Points, Rgb

Raster = TypeVar("Raster", bound=NDArray[Any])


def use_threads(threads: int) -> None:
    """Bound OpenCV's own threads."""
    cv2.setNumThreads(threads)


def resized(image: Raster, width: int, height: int) -> Raster:
    """`image` at another size: by area when it shrinks, bicubic when it grows. Float results may overshoot a little."""
    if image.shape[1] == width and image.shape[0] == height:
        return image
    shrinks = width * height < image.shape[0] * image.shape[1]
    result: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return result


def resized_linear(image: Raster, width: int, height: int) -> Raster:
    """`image` at another size, bilinear: never beyond the values it had."""
    if image.shape[1] == width and image.shape[0] == height:
        return image
    result: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return result


def gaussian(image: Floats, sigma: float) -> Floats:
    """`image` blurred by a Gaussian of `sigma` pixels.

    A wide one is taken from a reduced image: the same to the eye, at a cost that doesn't grow with `sigma`.
    """
    height, width = image.shape[:2]
    reduce = min(int(sigma / 4), height // 8, width // 8)
    if reduce < 2:  # nothing to be gained
        result: Any = cv2.GaussianBlur(image, (0, 0), sigma)
        return result
    small = resized(image, max(1, round(width / reduce)), max(1, round(height / reduce)))
    blurred: Any = cv2.GaussianBlur(small, (0, 0), sigma / reduce)
    return resized_linear(blurred, width, height)


def mean_near(image: Floats, where: NDArray[Any], sigma: float) -> Floats:
    """The mean of `image` (h, w, c) around each pixel, weighed by a Gaussian of `sigma` pixels, of what is `where`."""
    weight = where.astype(np.float32)
    result: Floats = gaussian(image * weight[..., None], sigma) / np.maximum(gaussian(weight, sigma), 1e-3)[..., None]
    return result


def summed(image: Floats) -> Plane:
    """The sum (h, w) of the three channels (h, w, 3), which takes NumPy's own sum five times as long."""
    result: Plane = image[..., 0] + image[..., 1]
    result += image[..., 2]
    return result


def greatest(image: Raster) -> Raster:
    """The greatest (h, w) of the three channels (h, w, 3); likewise."""
    result: Any = np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
    return result


def box(image: Floats, radius: int) -> Floats:
    """The mean over the square that reaches `radius` pixels to each side; mirrored at the border."""
    side = 2 * radius + 1
    result: Any = cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)
    return result


def _disc(radius: int) -> Any:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def grown(mask: Mask, radius: int) -> Mask:
    """`mask` grown by a disc of `radius` pixels."""
    around = extent(mask, air=radius)
    if radius < 1 or around is None:
        return mask
    result = np.zeros_like(mask)
    wider: Any = cv2.dilate(mask[around].view(np.uint8), _disc(radius))
    result[around] = wider.view(np.bool_)
    return result


def shrunk(mask: Mask, radius: int) -> Mask:
    """`mask` shrunk by a disc of `radius` pixels; the image's border doesn't eat into it."""
    around = extent(mask, air=1)  # what isn't in the mask eats into it
    if radius < 1 or around is None:
        return mask
    result = np.zeros_like(mask)
    narrower: Any = cv2.erode(mask[around].view(np.uint8), _disc(radius))
    result[around] = narrower.view(np.bool_)
    return result


def shrunk_values(plane: Plane, radius: int) -> Plane:
    """The least value within a disc of `radius` pixels."""
    result: Any = cv2.erode(plane, _disc(radius))
    return result


def grown_values(plane: Plane, radius: int) -> Plane:
    """The greatest value within a disc of `radius` pixels."""
    result: Any = cv2.dilate(plane, _disc(radius))
    return result


def distance(to: Mask) -> Plane:
    """How many pixels it is from each (h, w) to the nearest that is in `to` (h, w)."""
    result: Any = cv2.distanceTransform((~to).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return result


def components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The parts of `mask` that hang together (also by a corner).

    Returns labels (h, w), 0 outside the mask, and per label its box and area (n, 5): x, y, width, height, area.
    """
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    found: Any = labels
    stats: Any = boxes
    return found, stats


def touching(parts: Mask, by: Mask) -> Mask:
    """Those of the `parts` that hang together with some of `by`, as far as it lies in them."""
    labels, stats = components(parts)
    chosen = np.zeros(len(stats), np.bool_)
    chosen[labels[by]] = True
    chosen[0] = False
    return chosen[labels]


def extent(mask: NDArray[Any], air: int = 0) -> tuple[slice, slice] | None:
    """The rows and columns that hold all of `mask` (h, w) that isn't 0, and `air` pixels more; None if nothing is."""
    held: Any = mask.view(np.uint8) if mask.dtype == np.bool_ else mask != 0
    left, top, width, height = cv2.boundingRect(held.view(np.uint8))
    if not width:
        return None
    return (
        slice(max(0, top - air), min(mask.shape[0], top + height + air)),
        slice(max(0, left - air), min(mask.shape[1], left + width + air)),
    )


def tallness(mask: NDArray[Any]) -> int:
    """How many rows there are from the first to the last that isn't 0 throughout."""
    around = extent(mask)
    return around[0].stop - around[0].start if around else 0


def warped(image: Raster, matrix: Floats, width: int, height: int) -> Raster:
    """`image` moved by the affine `matrix` (2, 3), which takes its points to the result's; bilinear, 0 outside."""
    result: Any = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return result


def bent(image: Raster, places: Floats, *, smooth: bool, edge: bool = False) -> Raster:
    """The values of `image` at `places` (h, w, 2), which are x and y in its pixels; bicubic if `smooth`, else bilinear.

    Colours beyond the border are those of the border; planes (h, w) are 0 there, unless `edge` says the same of them.
    """
    border = cv2.BORDER_REPLICATE if image.ndim == 3 or edge else cv2.BORDER_CONSTANT
    how = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    result: Any = cv2.remap(image, places[..., 0], places[..., 1], how, borderMode=border)
    return result


def inverse(matrix: Floats) -> Floats:
    """The affine map (2, 3) that undoes `matrix`."""
    result: Any = cv2.invertAffineTransform(matrix)
    return result.astype(np.float32)


def moved(points: Points, matrix: Floats) -> Points:
    """`points` under the affine `matrix` (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def smoothly(values: Plane) -> Plane:
    """0 below 0, 1 above 1, without a corner between."""
    held = np.clip(values, 0, 1)
    return held * held * (3 - 2 * held)


def lab(image: Rgb) -> Floats:
    """CIE L*a*b* (D65) of an sRGB image: L 0 to 100, a and b about -127 to 127."""
    result: Any = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    return result


def rgb(image: Floats) -> Rgb:
    """The sRGB image of CIE L*a*b* values, clipped to what sRGB can show."""
    result: Any = cv2.cvtColor(image, cv2.COLOR_LAB2RGB)
    return np.clip(result, 0, 1)
