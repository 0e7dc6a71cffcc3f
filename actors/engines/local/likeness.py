"""Which of two things a colour speaks for: how often it occurs in each of them, or how far it is from them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from actors.engines.local.arrays import Floats, Mask, Plane

_CELLS = 24
"""Colours are counted in so many steps of each of lightness and the two of hue."""
_LAB_START, _LAB_CELLS = np.array([0, 60, 60], np.float32), np.array([0.24, 0.2, 0.2], np.float32)
_SPREAD, _RARE = 0.8, 2e-5

Cells: TypeAlias = NDArray[np.int64]


def cells(values: Floats) -> Cells:
    """The number (h, w) of each L*a*b* colour (h, w, 3) among the `_CELLS` ** 3 that are told apart."""
    result = np.zeros(values.shape[:-1], np.int64)
    for channel, (start, step) in enumerate(zip(_LAB_START, _LAB_CELLS, strict=True)):
        places = values[..., channel] + start
        places *= step
        np.clip(places, 0, _CELLS - 1, out=places)
        result *= _CELLS
        result += places.astype(np.int32)
    return result


def likeness(colours: Cells, first: Mask, second: Mask) -> Plane:
    """How much more often each pixel's colour occurs in `first` than in `second`: (h, w), 0 to 1."""

    def often(where: Mask) -> Floats:
        counts = np.bincount(colours[where], minlength=_CELLS**3).reshape(_CELLS, _CELLS, _CELLS).astype(np.float32)
        return np.asarray(gaussian_filter(counts / max(float(counts.sum()), 1), _SPREAD), np.float32)

    one, other = often(first), often(second)
    share = np.where(one + other > _RARE, one / np.maximum(one + other, 1e-9), 0)
    return share.ravel()[colours].astype(np.float32)


def unlikeness(
    wanted: NDArray[np.floating],
    samples: NDArray[np.floating],
    *,
    nearest: int = 6,
    most: int = 600,
    about: float = 0.2,
) -> NDArray[np.float64]:
    """How far each of `wanted` (n, features) is from the `nearest` of `samples` (m, features), in the mean.

    Of more than the `most` samples, evenly chosen ones are asked; by so much, `about`, the nearest may be missed.
    """
    enough = samples[:: -(-len(samples) // most)]
    away: Any = cKDTree(enough).query(wanted, k=nearest, eps=about)[0]
    return away.mean(axis=1)
