"""Filling a hole with the texture around it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import patchmatch
from numpy.typing import NDArray

from actors.engines.local.arrays import Mask, Rgb, as_rgb, as_rgb8
from actors.engines.local.filling.detail import detailed
from actors.engines.local.raster import gaussian, grown, resized

_SEED = 1
_PATCH = 3
_AIR = 0.25
"""Texture is looked for this far around what is to be filled, relative to its size, and some pixels further."""
_LEAST_AIR = 16
_LEAST = 0.02
"""A smaller share of usable pixels is no texture."""
_USABLE = 0.999


Painter = Callable[[Rgb, Mask], Rgb]
"""Makes a picture (h, w, 3) with something where a mask (h, w) is."""


class _Ways:
    """How holes are filled in this process, if not with the texture around them."""

    painter: Painter | None = None


def paint_with(painter: Painter | None) -> None:
    """Have holes filled by a model that was brought."""
    _Ways.painter = painter


def textured_fill(image: Rgb, hole: Mask, sources: Mask, side: int, *, detail: bool = False) -> Rgb:
    """`image` (h, w, 3) with `hole` (h, w) filled with the texture of the `sources` (h, w) near it.

    Only the part around the hole is looked at, with no more pixels than a square of `side` has. What is neither hole
    nor source stays. Without sources nothing is filled; same input, same result. With `detail` it is as sharp as around
    it, however few pixels that are.

    Source: Barnes et al., "PatchMatch" (2009), in the form of Wexler et al., "Space-Time Completion of Video" (2007),
    from the PyPatchMatch package.
    """
    if not hole.any():
        return image
    rows, columns = np.nonzero(hole)
    box = _around(rows), _around(columns)
    result = image.copy()
    result[box] = _filled(image[box], hole[box], sources[box], side, detail=detail)
    return result


def _around(places: NDArray[np.int64]) -> slice:
    """From the least of `places` to the greatest, with some more on both sides."""
    first, last = int(places.min()), int(places.max())
    air = round(_AIR * (last - first + 1)) + _LEAST_AIR
    return slice(max(0, first - air), last + 1 + air)


def _filled(image: Rgb, hole: Mask, sources: Mask, side: int, *, detail: bool) -> Rgb:
    height, width = hole.shape
    if _Ways.painter is not None:
        return _within(hole, _Ways.painter(image, hole | ~sources), image)
    scale = min(1.0, side / (height * width) ** 0.5)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    gaps = resized(hole.astype(np.float32), *size) > 0
    useless = ~gaps & (resized(sources.astype(np.float32), *size) < _USABLE)
    if (gaps | useless).mean() > 1 - _LEAST:
        return image
    patchmatch.set_random_seed(_SEED)
    small: Any = patchmatch.inpaint(
        as_rgb8(resized(image, *size)), gaps.astype(np.uint8), global_mask=useless.astype(np.uint8), patch_size=_PATCH
    )
    made = as_rgb(np.asarray(small))
    if detail and scale < 1:
        return _within(hole, detailed(made, image, hole, gaps, useless), image)
    return _within(hole, resized(made, width, height), image)


def _within(hole: Mask, made: Rgb, image: Rgb) -> Rgb:
    share = np.maximum(gaussian(grown(hole, 1).astype(np.float32), 1.5), hole)[..., None]
    return np.clip(image + (made - image) * share, 0, 1).astype(np.float32)
