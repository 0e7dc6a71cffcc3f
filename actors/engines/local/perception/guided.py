"""Bringing a matte solved at a reduced size to the full one, along the picture's own edges.

Source: He, Sun, "Fast Guided Filter" (2015): alpha is a linear function of colour in each window; the coefficients are
found at the reduced size, spread, and applied to the full picture.
"""

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.raster import box, resized_linear, summed


def upsampled_alpha(small_image: Rgb, small_alpha: Plane, image: Rgb, *, radius: int, epsilon: float) -> Plane:
    """`small_alpha` at the size of `image`; `radius` in pixels of the small one, `epsilon` in colour squared."""
    height, width = image.shape[:2]
    slope, offset = _coefficients(small_image, small_alpha, radius, epsilon)
    slope, offset = resized_linear(slope, width, height), resized_linear(offset, width, height)
    slope *= image
    return np.clip(slope[..., 0] + slope[..., 1] + slope[..., 2] + offset, 0, 1)


def _coefficients(image: Rgb, alpha: Plane, radius: int, epsilon: float) -> tuple[Floats, Floats]:
    """Per pixel, the slope (h, w, 3) and offset (h, w) that tell alpha from colour, mean of all windows around it."""
    mean = box(image, radius)
    mean_alpha = box(alpha, radius)
    shared = box(image * alpha[..., None], radius) - mean * mean_alpha[..., None]
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    a, b, c, d, e, f = (
        (box(image[..., i] * image[..., j], radius) - mean[..., i] * mean[..., j]).astype(np.float64)
        + (epsilon if i == j else 0)
        for i, j in pairs
    )
    # The inverse of the symmetric covariance, by its cofactors. In single precision rounding would outweigh a flat
    # window's determinant, which could then be zero or negative.
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    middle, lower, last = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * first + b * second + c * third
    x, y, z = shared[..., 0], shared[..., 1], shared[..., 2]
    slopes = (first * x + second * y + third * z, second * x + middle * y + lower * z, third * x + lower * y + last * z)
    # A covariance can't have a smaller determinant than epsilon cubed; what falls below it is rounding.
    slope = (np.stack(slopes, axis=-1) / np.maximum(determinant, epsilon**3)[..., None]).astype(np.float32)
    offset = mean_alpha - summed(slope * mean)
    return box(slope, radius), box(offset, radius)
