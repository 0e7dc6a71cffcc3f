"""Filling holes: smoothly, and with the patterns around them."""

from typing import Any

import numpy as np
import patchmatch
from numpy.typing import NDArray

from actors.engines.local.arrays import Mask, Plane, Rgb, as_rgb, as_rgb8
from actors.engines.local.raster import gaussian, grown, resized, resized_linear

_SEED = 1
_PATCH = 3
_AIR = 0.25
"""Patterns are looked for this far around what is to be filled, relative to its size."""
_LEAST = 0.02
"""With a smaller share of usable pixels there are no patterns to carry on."""


def smoothly_filled(image: Rgb, known: Plane) -> Rgb:
    """`image` (h, w, 3) with colours carried on to where the weight `known` (h, w) is 0.

    Source: Gortler et al., "The Lumigraph" (1996), push-pull: means on coarser and coarser grids, then back.
    """
    return _pulled(image * known[..., None], known, image, known)


def _pulled(weighted: Rgb, weight: Plane, image: Rgb, known: Plane) -> Rgb:
    height, width = weight.shape
    if min(height, width) <= 2:  # noqa: PLR2004 - nothing coarser
        mean = weighted.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        coarse = np.broadcast_to(mean, (height, width, 3)).astype(np.float32)
    else:
        size = max(1, (width + 1) // 2), max(1, (height + 1) // 2)
        small, small_weight = resized(weighted, *size), resized(weight, *size)
        colours = small / np.maximum(small_weight, np.float32(1e-6))[..., None]
        full = np.minimum(small_weight * 2, 1)
        coarse = resized_linear(_pulled(colours * full[..., None], full, colours, full), width, height)
    share = known[..., None]
    return (image * share + coarse * (1 - share)).astype(np.float32)


def pattern_filled(image: Rgb, hole: Mask, usable: Mask, side: int) -> Rgb:
    """`image` (h, w, 3) with `hole` (h, w) filled with the patterns of the `usable` pixels around.

    Source: Barnes et al., "PatchMatch" (2009), in the form of Wexler et al., "Space-Time Completion of Video" (2007),
    from the PyPatchMatch package, at a long edge of `side` pixels. The same bytes every time.
    """
    height, width = hole.shape
    scale = min(1.0, side / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    gaps = resized(hole.astype(np.float32), *size) > 0
    useless = ~gaps & (resized(usable.astype(np.float32), *size) < 0.999)  # noqa: PLR2004 - not quite usable
    if not gaps.any() or (gaps | useless).mean() > 1 - _LEAST:
        return image
    patchmatch.set_random_seed(_SEED)
    small: Any = patchmatch.inpaint(
        as_rgb8(resized(image, *size)), gaps.astype(np.uint8), global_mask=useless.astype(np.uint8), patch_size=_PATCH
    )
    made = resized(as_rgb(np.asarray(small)), width, height)
    share = np.maximum(gaussian(grown(hole, 1).astype(np.float32), 1.5), hole)[..., None]
    return np.clip(image + (made - image) * share, 0, 1).astype(np.float32)


def background_filled(image: Rgb, hole: Mask, unseen: Mask, side: int) -> Rgb:
    """`image` (h, w, 3) with `hole` (h, w) filled from what is around; `unseen` is covered later, so it isn't.

    Only the part of the picture around the hole is looked at, with as many pixels as a square of `side` has.
    """
    gaps = hole & ~unseen
    if not gaps.any():
        return image
    rows, columns = np.nonzero(gaps)
    box = _around(rows), _around(columns)
    height, width = gaps[box].shape
    edge = round(side * (max(height, width) / min(height, width)) ** 0.5)
    result = image.copy()
    result[box] = pattern_filled(image[box], gaps[box], ~hole[box], edge)
    return result


def _around(places: NDArray[np.int64]) -> slice:
    """From the least of `places` to the greatest, with some more on both sides."""
    first, last = int(places.min()), int(places.max())
    air = round(_AIR * (last - first + 1))
    return slice(max(0, first - air), last + 1 + air)
