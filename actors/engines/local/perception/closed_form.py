"""Alpha in the uncertain band around a subject, from the colours themselves.

Source: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (2008): within each 3 x 3 window
alpha is a linear function of colour, which makes the energy a quadratic form, alpha' L alpha. The known pixels are put
in as constants, so only the band is solved for, by conjugate gradients (Hestenes and Stiefel, 1952), starting from the
coarse matte. That matte also has a small say of its own: it decides where colours can't, and quickens the solution.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb

_EPSILON = 1e-6
"""Regularises a window's covariance: colours closer than its root are the same."""
_DARK, _GRAIN = 0.2, 2e-4
"""Below the first compression leaves blocks of colours that differ, the darker the more: in black by the second's root.
"""
_TOLERANCE = 0.036
"""Relative residual times steps."""
_CHUNK = 16_384
"""Windows worked on at a time; bounds the memory."""
_WINDOW = tuple((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1))
_REACH = 5
"""Pixels that share a window with a pixel lie in a square of this side around it."""

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


def closed_form_alpha(
    image: Rgb, coarse: Plane, known: Mask, *, say: float = 0.001, steps: int = 120, grainy: bool = False
) -> Plane:
    """Alpha (h, w): `coarse` where `known`, elsewhere what the colours of `image` say, but for its grain if `grainy`.

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
    bands = _laplacian_bands(image, unknown, _GRAIN if grainy else 0.0)
    flat = coarse.astype(np.float32).ravel()
    here = np.flatnonzero(unknown)
    neighbours = here[:, None] + _neighbour_offsets(image.shape[1])
    inside = (neighbours >= 0) & (neighbours < flat.size)
    neighbours[~inside] = 0
    order = np.full(flat.size, -1, np.int32)
    order[here] = np.arange(count, dtype=np.int32)
    columns = order[neighbours]
    inside &= columns < 0  # what is known is a constant
    right = np.float32(say) * flat[here] - np.where(inside, bands * flat[neighbours], 0).sum(axis=1)
    del neighbours, inside
    bands[columns < 0] = 0
    bands[:, _REACH * _REACH // 2] += np.float32(say)
    rows = np.arange(count + 1, dtype=np.int32) * np.int32(_REACH * _REACH)
    matrix = csr_array((bands.ravel(), np.maximum(columns, 0, out=columns).ravel(), rows), shape=(count, count))
    diagonal = bands[:, _REACH * _REACH // 2]
    solution = _conjugate_gradients(matrix, diagonal, right, flat[here], _TOLERANCE / steps, steps)
    result = coarse.astype(np.float32)
    result[unknown] = np.clip(solution, 0, 1)
    for side, free in (
        (result, ~known),
        (result[::-1], ~known[::-1]),
        (result.T, ~known.T),
        (result.T[::-1], ~known.T[::-1]),
    ):
        side[0] = np.where(free[0], side[1], side[0])  # the border, as what is next to it
    return result


def _conjugate_gradients(
    matrix: csr_array, diagonal: Floats, right: Floats, start: Floats, tolerance: float, steps: int
) -> Floats:
    """The solution of matrix x = right, from `start`, by conjugate gradients with Jacobi's preconditioner.

    It stops when the residual is less than `tolerance` times `right`, or after so many `steps`. SciPy's own takes the
    products of vectors from BLAS, whose threads cost more here than they bring and round by their number.
    """
    solution = start.copy()
    residual = right - matrix @ solution
    inverse = 1 / diagonal
    direction, before = np.zeros_like(solution), 1.0
    enough = tolerance * tolerance * _product(right, right)
    for _ in range(steps):
        if _product(residual, residual) <= enough:
            break
        scaled = inverse * residual
        now = _product(residual, scaled)
        direction *= np.float32(now / before)
        direction += scaled
        before = now
        image = matrix @ direction
        length = np.float32(now / _product(direction, image))
        solution += length * direction
        image *= length
        residual -= image
    return solution


def _product(first: Floats, second: Floats) -> float:
    return float(np.einsum("i,i", first, second, dtype=np.float64))


def _neighbour_offsets(width: int) -> Indices:
    half = _REACH // 2
    return np.array([row * width + column for row in range(-half, half + 1) for column in range(-half, half + 1)])


def _laplacian_bands(image: Rgb, unknown: Mask, grain: float) -> Floats:
    """The rows of the matting Laplacian that belong to unknown pixels: (n, 25), one entry per pixel in reach."""
    height, width = unknown.shape
    order = np.full(height * width, -1, np.int32)
    order[np.flatnonzero(unknown)] = np.arange(int(unknown.sum()), dtype=np.int32)
    bands = np.zeros((int(unknown.sum()), _REACH, _REACH), np.float32)
    window = np.array([row * width + column for row, column in _WINDOW])
    centres = np.flatnonzero(_touching(unknown))
    colours = image.reshape(-1, 3)
    for start in range(0, len(centres), _CHUNK):
        pixels = centres[start : start + _CHUNK, None] + window
        shares = _window_terms(colours[pixels].astype(np.float64), grain).astype(np.float32)
        rows = order[pixels]
        for first, (row, column) in enumerate(_WINDOW):
            mine = np.flatnonzero(rows[:, first] >= 0)
            # In a fixed place of the window each pixel occurs once, so plain indexing adds them all.
            own = shares[mine, first].reshape(-1, 3, 3)
            bands[rows[mine, first], 1 - row : 4 - row, 1 - column : 4 - column] += own
    return bands.reshape(-1, _REACH * _REACH)


def _touching(unknown: Mask) -> Mask:
    """The centres of the windows, inside the picture, that hold an unknown pixel."""
    height, width = unknown.shape
    result = np.zeros_like(unknown)
    for row, column in _WINDOW:
        result[1:-1, 1:-1] |= unknown[1 + row : height - 1 + row, 1 + column : width - 1 + column]
    return result


def _window_terms(colours: Doubles, grain: float) -> Doubles:
    """Each window's (n, 9, 3) own part (n, 9, 9) of the matting Laplacian; equation 12 of the source."""
    difference = colours - colours.mean(axis=1, keepdims=True)
    covariance = np.matmul(difference.transpose(0, 2, 1), difference) / 9
    covariance[:, range(3), range(3)] += _EPSILON / 9
    if grain:
        darkness = np.clip(1 - colours.mean(axis=(1, 2)) / _DARK, 0, 1)
        covariance[:, range(3), range(3)] += grain / 9 * darkness[:, None]
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
