"""Whose colours a pixel has: the background's or the subject's.

Source of the idea: the colour models of Boykov, Jolly, "Interactive Graph Cuts" (2001): a histogram of each side.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter  # pyright: ignore[reportUnknownVariableType] - its stubs are partial

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.raster import lab

_BINS = 12
_WIDTH = np.array([100 / _BINS, 120 / _BINS, 120 / _BINS], np.float32)
_LOWEST = np.array([0, -60, -60], np.float32)
"""The width of a bin and the lowest value told apart, in L*a*b*."""
_LEAST = 1e-4
"""A share of colours that neither side need have shown to be believed."""


def background_likeness(image: Rgb, front: Mask, back: Mask) -> Plane:
    """How much likelier the colours of `image` are in `back` than in `front`, (h, w), as a natural logarithm.

    0: either as likely; above: the background's; below: the subject's. Both masks are samples, not the whole.
    """
    bins: NDArray[np.int64] = np.clip((lab(image) - _LOWEST) / _WIDTH, 0, _BINS - 1).astype(np.int64)
    index: NDArray[np.int64] = (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]
    ratio = np.log((_shares(index[back]) + _LEAST) / (_shares(index[front]) + _LEAST))
    return ratio.astype(np.float32)[index]


def _shares(index: NDArray[np.int64]) -> Floats:
    """The share of each bin, smoothed over its neighbours, (bins ** 3,)."""
    counts = np.bincount(index, minlength=_BINS**3).astype(np.float64)
    smooth = gaussian_filter(counts.reshape(_BINS, _BINS, _BINS), 0.8).ravel()
    return smooth / max(smooth.sum(), 1)
