"""Filling a hole smoothly, with the texture that a smooth fill lacks."""

# ruff: noqa: PLR2004 - shares of a pixel stand where they are used

import numpy as np

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.filling.grain import noise, texture_of
from actors.engines.local.raster import gaussian, greatest, mean_near, resized, resized_linear
from actors.engines.local.shapes import widened

_FINEST, _BESIDE, _LOUD, _LEAST = 0.7, 0.05, 1.2, 25
"""Texture is what is in octaves from so many pixels on, as it is so far around, relative to the height; as loud as what
a blur of so many pixels takes away there, in that many of a hundred places: in the others there are edges."""
_EVEN, _REACH = 0.008, 12.0
"""What differs by no more than that from the mean around it is even, and by twice as much it isn't; measured in a
picture in which that is so many pixels around."""


def smooth_fill(image: Floats, known: Plane) -> Floats:
    """`image` (h, w, c) with smooth values where `known` (h, w, 0 to 1) is low, from those near where it is high.

    Source: Gortler et al., "The Lumigraph" (1996), push-pull: means on coarser and coarser grids, then back.
    """
    height, width = known.shape
    if min(height, width) < 2:  # nothing coarser
        total = float(known.sum())
        mean = (image * known[..., None]).sum(axis=(0, 1)) / max(total, 1e-6)
        return np.where(known[..., None] > 0.5, image, mean).astype(np.float32)
    size = (width + 1) // 2, (height + 1) // 2
    weight = resized(known, *size)
    small = resized(image * known[..., None], *size) / np.maximum(weight, 1e-6)[..., None]
    coarse = gaussian(resized_linear(smooth_fill(small, np.minimum(weight * 2, 1)), width, height), 0.8)
    result: Floats = coarse + known[..., None] * (image - coarse)
    return result


def even_fill(image: Rgb, hole: Mask, sources: Mask) -> Rgb:
    """`image` (h, w, 3) with the `hole` (h, w) filled smoothly from the `sources` (h, w), and with their texture.

    Same input, same result.
    """
    beside = sources & widened(hole, _BESIDE * len(image))
    fine, coarse = noise(hole.shape, texture_of(image, beside, _FINEST), _FINEST)
    texture = fine + coarse
    if beside.any():
        wanted, have = (_loudness(part, where) for part, where in ((image, beside), (texture, hole)))
        texture *= np.float32(wanted / max(have, 1e-6))
    filled = smooth_fill(image - texture, sources.astype(np.float32)) + texture
    return np.where(hole[..., None], filled, image).astype(np.float32)


def _loudness(image: Rgb, where: Mask) -> float:
    return float(np.percentile(np.abs(image - gaussian(image, _LOUD))[where], _LEAST))


def evenness(image: Rgb, known: Mask, reach: float) -> Plane:
    """How far what is behind somebody in `image` (h, w, 3) is even, as a wall is, by what is `known` (h, w) of it.

    It is looked at within `reach` pixels. Returns (h, w), 0 to 1.
    """
    height, width = known.shape
    reduce = min(1.0, _REACH / reach)
    size = max(8, round(width * reduce)), max(8, round(height * reduce))
    small, sure = resized(image, *size), resized(known.astype(np.float32), *size) > 0.99
    rough = np.abs(small - mean_near(small, sure, reduce * reach))
    level = greatest(smooth_fill(mean_near(rough, sure, reduce * reach), sure.astype(np.float32)))
    return resized_linear(np.clip(2 - level / np.float32(_EVEN), 0, 1).astype(np.float32), width, height)
