"""The detail that a hole lacks which was filled in a reduced picture.

Each small piece of what was made takes the detail of the piece beside the hole that it is most like. Source of the
idea: Freeman, Jones, Pasztor, "Example-Based Super-Resolution" (2002).
"""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from actors.engines.local.arrays import Floats, Mask, Rgb
from actors.engines.local.raster import grown, resized, resized_linear, shrunk

_HALF = 2
"""Pieces reach so many reduced pixels to all sides, and are so far from each other."""
_TELLING, _SAMPLE = 10, 2000
"""So many numbers tell pieces apart, learnt from so many pieces."""
_NOISE = 0.004
"""What varies less is even."""
_FEWEST = 64
"""Fewer pieces beside a hole have no detail to speak of."""


def detailed(small: Rgb, image: Rgb, hole: Mask, gaps: Mask, useless: Mask) -> Rgb:
    """`image` (h, w, 3) with `hole` (h, w) as it was made in the reduced picture `small`, and detail.

    `gaps` are the hole in the reduced picture, `useless` is what is neither hole nor source there.
    """
    (height, width), (low, narrow) = hole.shape, gaps.shape
    made = resized(small, width, height)
    whole = shrunk(np.pad(~gaps & ~useless, 1), 2 * _HALF)[1:-1, 1:-1]
    sources = np.argwhere(whole)
    rows, columns = np.nonzero(grown(hole, 2))
    if len(sources) < _FEWEST or not len(rows):
        return made
    # A grid of pieces, whose first has its middle at the picture's corner; of each pixel four have a share.
    across = narrow // _HALF + 2
    y, x = (
        np.maximum((place + 0.5) * (few / many) - 0.5, 0) / _HALF
        for place, few, many in ((rows, low, height), (columns, narrow, width))
    )
    top, left = y.astype(np.int64), x.astype(np.int64)
    corners = [(top + down) * across + left + right for down, right in product((0, 1), repeat=2)]
    asked, places = np.unique(np.concatenate(corners), return_inverse=True)
    pieces = np.stack([asked // across, asked % across], axis=1) * _HALF
    nearest, strength = _alike(small, sources, pieces)
    # By whole pixels: between them detail is lost.
    moves = np.rint((sources[nearest] - pieces) * (height / low, width / narrow)).astype(np.int64)
    detail = image - resized_linear(resized(image, narrow, low), width, height)
    for (down, right), piece in zip(product((0, 1), repeat=2), places.reshape(4, -1), strict=True):
        share = np.abs(1 - down - y + top) * np.abs(1 - right - x + left) * strength[piece]
        there = np.clip(np.stack([rows, columns], axis=1) + moves[piece], 0, (height - 1, width - 1))
        made[rows, columns] += detail[tuple(there.T)] * share[:, None].astype(np.float32)
    return made


def _alike(
    picture: Rgb, sources: NDArray[np.int64], pieces: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """For each of `pieces` of `picture` which of `sources` is most like it, and how strong its detail may be.

    Both are given by their middles' rows and columns. A piece that is less varied than its source has less detail.
    """
    padded = np.pad(picture, ((_HALF, 2 * _HALF), (_HALF, 2 * _HALF), (0, 0)), mode="edge")
    steps = list(product(range(2 * _HALF + 1), repeat=2))
    known, asked = (
        np.concatenate([padded[at[:, 0] + down, at[:, 1] + right] for down, right in steps], axis=1)
        for at in (sources, pieces)
    )
    middle = known.mean(axis=0)
    varied = np.cov((known - middle)[:: -(-len(known) // _SAMPLE)].T)
    telling = np.linalg.eigh(varied)[1][:, -_TELLING:].astype(np.float32)
    found: Any = cKDTree((known - middle) @ telling).query((asked - middle) @ telling, eps=1)[1]
    return found, np.minimum(1, (_varied(asked) + _NOISE) / (_varied(known[found]) + _NOISE))


def _varied(pieces: Floats) -> Floats:
    """How far the colours in each of `pieces` (n, colours of 3) are from their mean."""
    return pieces.reshape(len(pieces), -1, 3).std(axis=1).mean(axis=1)
