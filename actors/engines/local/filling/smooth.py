"""Filling a hole smoothly, and the grain that a smooth fill lacks."""

# ruff: noqa: PLR2004 - shares of a pixel stand where they are used

import numpy as np

from actors.engines.local.arrays import Floats, Plane
from actors.engines.local.raster import gaussian, resized, resized_linear


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
