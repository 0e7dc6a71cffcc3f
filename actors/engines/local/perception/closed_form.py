"""Alpha in the uncertain band around a subject, from the colours themselves.

Source: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (2008): within each 3 x 3 window
alpha is a linear function of colour, which makes the energy a quadratic form, alpha' L alpha. The known pixels are put
in as constants, so only the band is solved for, by conjugate gradients (Hestenes and Stiefel, 1952), starting from the
coarse matte. That matte also has a small say of its own: it decides where colours can't, and quickens the solution.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, cg

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb

_EPSILON = 1e-6
"""Regularises a window's covariance: colours closer than its root are the same."""
_TOLERANCE = 0.036
"""Relative residual times steps."""
_CHUNK = 16_384
"""Windows worked on at a time; bounds the memory."""
_WINDOW = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))
_REACH = 5
"""Pixels that share a window with a pixel lie in a square of this side around it."""

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


def closed_form_alpha(image: Rgb, coarse: Plane, known: Mask, *, say: float = 0.001, steps: int = 120) -> Plane:
    """Alpha (h, w): `coarse` where `known`, elsewhere what the colours of `image` say.

    `say` is the weight of `coarse` in the band; the solver stops after `steps`, or when what they still could change is
    too little to be seen: the more steps are given, the less that is.
    """
    unknown = ~known
    # A pixel at the border has no window of its own, but is part of its neighbours'.
    unknown[[0, -1], :] = False
    unknown[:, [0, -1]] = False
    count = int(unknown.sum())
    if count == 0:
        return coarse.copy()
    bands = _laplacian_bands(image, unknown)
    flat = coarse.astype(np.float64).ravel()
    here = np.flatnonzero(unknown)
    neighbours = here[:, None] + _neighbour_offsets(image.shape[1])
    inside = (neighbours >= 0) & (neighbours < flat.size)
    neighbours = np.where(inside, neighbours, 0)
    order = np.full(flat.size, -1, np.int64)
    order[here] = np.arange(count)
    columns = order[neighbours]
    constant = (columns < 0) & inside
    right = say * flat[here] - np.where(constant, bands * flat[neighbours], 0).sum(axis=1)
    bands[columns < 0] = 0
    bands[:, _REACH * _REACH // 2] += say
    matrix = csr_array(
        (bands.ravel(), np.maximum(columns, 0).ravel(), np.arange(count + 1) * _REACH * _REACH), shape=(count, count)
    )
    diagonal = bands[:, _REACH * _REACH // 2]
    jacobi = LinearOperator((count, count), matvec=lambda vector: vector / diagonal, dtype=np.float64)
    solution, _ = cg(matrix, right, x0=flat[here], rtol=_TOLERANCE / steps, maxiter=steps, M=jacobi)
    result = coarse.copy()
    result[unknown] = np.clip(solution, 0, 1)
    return result


def _neighbour_offsets(width: int) -> Indices:
    half = _REACH // 2
    return np.array([row * width + column for row in range(-half, half + 1) for column in range(-half, half + 1)])


def _laplacian_bands(image: Rgb, unknown: Mask) -> Doubles:
    """The rows of the matting Laplacian that belong to unknown pixels: (n, 25), one entry per pixel in reach."""
    height, width = unknown.shape
    order = np.full(height * width, -1, np.int64)
    order[np.flatnonzero(unknown)] = np.arange(int(unknown.sum()))
    bands = np.zeros((int(unknown.sum()), _REACH * _REACH))
    window = np.array([row * width + column for row, column in _WINDOW])
    centres = np.flatnonzero(_touching(unknown))
    colours = image.reshape(-1, 3)
    for start in range(0, len(centres), _CHUNK):
        pixels = centres[start : start + _CHUNK, None] + window
        shares = _window_terms(colours[pixels].astype(np.float64))
        rows = order[pixels]
        for first, (row, column) in enumerate(_WINDOW):
            mine = rows[:, first] >= 0
            # In a fixed place of the window each pixel occurs once, so plain indexing adds them all.
            target = rows[mine, first]
            place = [(r - row + 2) * _REACH + (c - column + 2) for r, c in _WINDOW]
            bands[target[:, None], place] += shares[mine, first]
    return bands


def _touching(unknown: Mask) -> Mask:
    """The centres of the windows, inside the picture, that hold an unknown pixel."""
    height, width = unknown.shape
    result = np.zeros_like(unknown)
    for row, column in _WINDOW:
        result[1:-1, 1:-1] |= unknown[1 + row : height - 1 + row, 1 + column : width - 1 + column]
    return result


def _window_terms(colours: Doubles) -> Doubles:
    """Each window's (n, 9, 3) own part (n, 9, 9) of the matting Laplacian; equation 12 of the source."""
    difference = colours - colours.mean(axis=1, keepdims=True)
    covariance = np.matmul(difference.transpose(0, 2, 1), difference) / 9
    covariance[:, range(3), range(3)] += _EPSILON / 9
    weighted = np.matmul(difference, _inverses(covariance))
    result = np.matmul(weighted, difference.transpose(0, 2, 1))
    result += 1
    result *= -1 / 9
    result[:, range(9), range(9)] += 1
    return result


def _inverses(matrices: Doubles) -> Doubles:
    """The inverses of symmetric (n, 3, 3), by their cofactors: much quicker than a general solver for so many."""
    a, b, c = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 0, 2]
    d, e, f = matrices[:, 1, 1], matrices[:, 1, 2], matrices[:, 2, 2]
    cofactors: list[Floats | Doubles] = [
        d * f - e * e,
        c * e - b * f,
        b * e - c * d,
        a * f - c * c,
        b * c - a * e,
        a * d - b * b,
    ]
    determinant = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    places = [0, 1, 2, 1, 3, 4, 2, 4, 5]
    return np.stack([cofactors[place] for place in places], axis=-1).reshape(-1, 3, 3) / determinant[:, None, None]
