"""What is fine in a picture, as noise: how strong and how coloured it is in each octave, and more of the same."""

import numpy as np

from actors.engines.local.arrays import Floats, Mask, Rgb
from actors.engines.local.raster import gaussian, mean_near, resized

_OCTAVES, _MOST, _SEED = 5, 0.035, 5
"""Noise has so many octaves, each at most so strong."""
GRAIN = 2
"""That many of them, the finest ones, are a photo's grain."""


def texture_of(image: Rgb, where: Mask, finest: float) -> list[Floats]:
    """How the colours of `image` (h, w, 3) vary `where` (h, w), octave by octave from blurs of `finest` pixels on.

    Returns what makes them of white noise: (3, 3) each.
    """
    result, sigma = list[Floats](), finest
    while where.any() and len(result) < _OCTAVES:
        coarser = mean_near(image, where, sigma)
        detail = (image - coarser)[where]
        away = np.linalg.norm(detail, axis=1)
        detail = detail[away <= 3 * np.median(away)]  # creases and moles are no noise
        spread = np.linalg.cholesky(detail.T @ detail / len(detail) + 1e-8 * np.eye(3)).astype(np.float32)
        result.append(spread * min(1, _MOST / float(np.linalg.norm(spread))))
        image, where = coarser[::2, ::2], where[::2, ::2]
    return result


def noise(size: tuple[int, ...], texture: list[Floats], finest: float) -> tuple[Rgb, Rgb]:
    """Noise of such a `texture`: its grain, and its other octaves, each of that `size` (h, w). Always the same."""
    fine, coarse = np.zeros((*size, 3), np.float32), np.zeros((*size, 3), np.float32)
    random = np.random.default_rng(_SEED)
    for octave, spread in enumerate(texture):
        white = random.standard_normal((*(-(-side >> octave) for side in size), 3), np.float32)
        white = gaussian(white, 0.5 * finest) - gaussian(white, 1.1 * finest)
        band = resized((white / max(float(white.std()), 1e-6)) @ spread.T, size[1], size[0])
        (fine if octave < GRAIN else coarse)[:] += band
    return fine, coarse
