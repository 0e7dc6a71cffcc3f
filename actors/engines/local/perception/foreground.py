"""The colours of a subject free of what was behind it, and of what was behind free of it.

Source: Forte, "Approximate Fast Foreground Colour Estimation" (2021): each is the mean of its own near by, from far and
then from near, and gets back whatever the two, mixed by alpha, don't explain.
"""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.raster import mean_near, resized, resized_linear

_FAR, _NEAR = 1 / 16, 1 / 200
"""How far away own colours are looked for at first and then, as shares of the long edge."""
_LEAST = 1e-3
"""What isn't a subject's is so little its own: where nothing else is near, its colour is what is there."""


def separated(image: Rgb, alpha: Plane, *, work_side: int) -> tuple[Rgb, Rgb]:
    """Foreground and background colours (h, w, 3) with image = alpha * foreground + (1 - alpha) * background, about.

    They are solved for at a long edge of `work_side` pixels. The background is smooth inside the subject, where it is a
    guess; so is the foreground outside of it.
    """
    height, width = alpha.shape
    scale = min(1.0, work_side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small, share = resized(image, *size), np.clip(resized(alpha, *size), 0, 1)
    foreground: Rgb = small
    background = small
    for reach in (_FAR, _NEAR):
        sigma = reach * max(size)
        foreground = mean_near(foreground, share + _LEAST, sigma)
        background = mean_near(background, 1 + _LEAST - share, sigma)
        unexplained = _unexplained(small, share, foreground, background)
        foreground = np.clip(foreground + share[..., None] * unexplained, 0, 1)
        background = np.clip(background + (1 - share[..., None]) * unexplained, 0, 1)
    foreground, background = resized_linear(foreground, width, height), resized_linear(background, width, height)
    foreground += alpha[..., None] * _unexplained(image, alpha, foreground, background)
    return np.clip(foreground, 0, 1, out=foreground), background


def _unexplained(image: Rgb, alpha: Plane, foreground: Rgb, background: Rgb) -> Rgb:
    share = alpha[..., None]
    result = image - share * foreground
    result -= (1 - share) * background
    return result
