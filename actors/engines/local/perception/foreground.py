"""The colours of a subject free of what was behind it, and of what was behind free of it.

Source: Germer et al., "Fast Multi-Level Foreground Estimation" (2020), here with all pixels of a level updated at once;
its result at a reduced size is brought to the full one by the last step of Forte, "Approximate Fast Foreground Colour
Estimation" (2021), which puts back whatever the two colours, mixed by alpha, don't explain.
"""

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.raster import resized, resized_linear

_REGULAR = 1e-5
"""The least pull between neighbours."""
_SMALL_SIDE = 32
_SMALL_ROUNDS, _BIG_ROUNDS = 12, 3


def separated(image: Rgb, alpha: Plane, *, work_side: int) -> tuple[Rgb, Rgb]:
    """Foreground and background colours (h, w, 3) with image = alpha * foreground + (1 - alpha) * background, about.

    They are solved for at a long edge of `work_side` pixels. The background is smooth inside the subject, where it is a
    guess; so is the foreground outside of it.
    """
    height, width = alpha.shape
    scale = min(1.0, work_side / max(height, width))
    small = max(1, round(width * scale)), max(1, round(height * scale))
    foreground, background = _multi_level(resized(image, *small), np.clip(resized(alpha, *small), 0, 1))
    foreground, background = resized_linear(foreground, width, height), resized_linear(background, width, height)
    share = alpha[..., None]
    unexplained = image - share * foreground
    unexplained -= (1 - share) * background
    foreground += share * unexplained
    return np.clip(foreground, 0, 1, out=foreground), background


def _multi_level(image: Rgb, alpha: Plane) -> tuple[Rgb, Rgb]:
    height, width = alpha.shape
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    foreground = np.broadcast_to(_mean(image, alpha), (1, 1, 3)).astype(np.float32)
    background = np.broadcast_to(_mean(image, 1 - alpha), (1, 1, 3)).astype(np.float32)
    for level in range(1, levels + 1):
        size = round(width ** (level / levels)), round(height ** (level / levels))
        foreground, background = resized_linear(foreground, *size), resized_linear(background, *size)
        rounds = _SMALL_ROUNDS if max(size) <= _SMALL_SIDE else _BIG_ROUNDS
        foreground, background = _smoothed(
            foreground, background, resized(image, *size), np.clip(resized(alpha, *size), 0, 1), rounds
        )
    return foreground, background


def _mean(image: Rgb, weight: Plane) -> Floats:
    return np.tensordot(weight, image, 2) / (weight.sum() + np.float32(1e-6))


def _smoothed(foreground: Rgb, background: Rgb, image: Rgb, alpha: Plane, rounds: int) -> tuple[Rgb, Rgb]:
    """Some rounds of: each pixel takes the two colours that explain it best and agree with its neighbours'."""
    down = _REGULAR + np.abs(np.diff(alpha, axis=0))[..., None]
    right = _REGULAR + np.abs(np.diff(alpha, axis=1))[..., None]
    pull = np.zeros((*alpha.shape, 1), np.float32)
    pull[1:] += down
    pull[:-1] += down
    pull[:, 1:] += right
    pull[:, :-1] += right
    front = alpha[..., None]
    back = 1 - front
    # The inverse of [[front² + pull, front back], [front back, back² + pull]].
    scale = 1 / (pull * (front * front + back * back + pull))
    own_front, own_back, shared = (back * back + pull) * scale, (front * front + pull) * scale, -front * back * scale
    for _ in range(rounds):
        wanted_front = _pulled(foreground, down, right)
        wanted_front += front * image
        wanted_back = _pulled(background, down, right)
        wanted_back += back * image
        foreground = own_front * wanted_front
        foreground += shared * wanted_back
        np.clip(foreground, 0, 1, out=foreground)
        wanted_front *= shared
        wanted_back *= own_back
        background = np.add(wanted_front, wanted_back, out=wanted_back)
        np.clip(background, 0, 1, out=background)
    return foreground, background


def _pulled(colours: Rgb, down: Floats, right: Floats) -> Rgb:
    """The sum of the four neighbours' colours, each by the pull between the two."""
    result = np.zeros_like(colours)
    result[1:] += down * colours[:-1]
    result[:-1] += down * colours[1:]
    result[:, 1:] += right * colours[:, :-1]
    result[:, :-1] += right * colours[:, 1:]
    return result
