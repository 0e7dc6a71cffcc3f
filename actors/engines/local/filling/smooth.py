"""Filling a hole smoothly, and taking the step from a fill's edge."""

# Shares of a pixel stand where they are used.
# ruff: noqa: PLR2004

import numpy as np

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.raster import gaussian, greatest, grown, resized, resized_linear


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


def levelled(filled: Rgb, hole: Mask, beside: Mask, reach: float, limit: float = 1.0) -> Rgb:
    """`filled` (h, w, 3) with the inside of `hole` brought to the level of what lies `beside` it: no step at that seam.

    The difference between means within `reach` pixels on either side is spread smoothly over the hole, as far as it is
    below `limit` (0 to 1): a larger one comes from things that lie there.
    """
    height, width = hole.shape
    reduce = max(1, min(int(reach / 2), height // 16, width // 16))  # such a difference has no detail
    size = max(1, width // reduce), max(1, height // reduce)
    reach /= reduce

    def near(side: Mask, other: Mask) -> Plane:
        small = resized(side.astype(np.float32), *size)
        return small * grown(resized(other.astype(np.float32), *size) > 0, round(2 * reach))

    small = resized(filled, *size)
    outer, inner = near(beside, hole), near(hole, beside)
    outer_weight, inner_weight = gaussian(outer, reach), gaussian(inner, reach)
    trust = np.clip(np.minimum(outer_weight, inner_weight) / 0.1, 0, 1)
    step = gaussian(small * outer[..., None], reach) / np.maximum(outer_weight, 1e-3)[..., None]
    step -= gaussian(small * inner[..., None], reach) / np.maximum(inner_weight, 1e-3)[..., None]
    if limit < 1:
        trust *= np.clip(2 - greatest(np.abs(step)) / np.float32(limit), 0, 1)
    if trust.max() < 1:
        return filled
    spread = resized_linear(smooth_fill(step, trust), width, height)
    return np.clip(filled + spread * hole[..., None], 0, 1).astype(np.float32)


def grain(image: Rgb, where: Mask, sigma: float) -> Plane:
    """Noise (h, w, 1) as strong as the finest detail of `image` (h, w, 3) is `where` (h, w) says."""
    light = np.ascontiguousarray(image.mean(axis=2))
    detail = (light - gaussian(light, sigma))[where]
    strength = 1.48 * float(np.median(np.abs(detail))) if len(detail) else 0.0
    noise = gaussian(np.random.default_rng(5).standard_normal(light.shape).astype(np.float32), 0.5 * sigma)
    return (noise * np.float32(min(strength, 0.02) / max(float(noise.std()), 1e-6)))[..., None]
