"""Drawing a bent mesh with the picture that lies on it."""

import numpy as np

from actors.engines.local.arrays import Floats
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.skeleton import Doubles

NOWHERE = -1e4
"""What a map holds where no triangle is: far outside any picture."""


def source_map(placed: Doubles, rest: Doubles, triangles: Indices, width: int, height: int) -> Floats:
    """For each pixel (h, w, 2) the point of the picture at rest that has come there; later triangles lie on top.

    Triangles are drawn line by line, all at once.
    """
    corners, origins = placed[triangles], rest[triangles]
    top, bottom = corners[..., 1].min(axis=1), corners[..., 1].max(axis=1)
    first = np.clip(np.ceil(top - 1e-6), 0, height).astype(np.int64)
    last = np.clip(np.floor(bottom + 1e-6), -1, height - 1).astype(np.int64)
    lines = np.maximum(last - first + 1, 0)
    triangle = np.repeat(np.arange(len(triangles)), lines)
    row = first[triangle] + _counted(lines)
    left, right = _crossings(corners[triangle], row.astype(np.float64))
    start = np.clip(np.ceil(left - 1e-6), 0, width).astype(np.int64)
    stop = np.clip(np.floor(right + 1e-6), -1, width - 1).astype(np.int64)
    lengths = np.maximum(stop - start + 1, 0)
    span = np.repeat(np.arange(len(row)), lengths)
    column = start[span] + _counted(lengths)
    matrix = _affine(corners, origins)[triangle]
    begin = matrix[:, :, 1] * row[:, None] + matrix[:, :, 2]
    result = np.full((height, width, 2), NOWHERE, np.float32)
    # Of several triangles on one pixel the last assignment stays: numpy assigns in order.
    result[row[span], column] = begin[span] + matrix[span, :, 0] * column[:, None]
    return result


def _counted(lengths: Indices) -> Indices:
    """0, 1, 2 ... for each of `lengths`, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _crossings(corners: Doubles, row: Doubles) -> tuple[Doubles, Doubles]:
    """Where the horizontal line at `row` (n,) enters and leaves each triangle (n, 3, 2)."""
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        ax, ay, bx, by = corners[:, a, 0], corners[:, a, 1], corners[:, b, 0], corners[:, b, 1]
        low, high = np.minimum(ay, by), np.maximum(ay, by)
        crosses = (row >= low - 1e-6) & (row <= high + 1e-6)
        flat = high - low < 1e-9  # noqa: PLR2004 - a horizontal side
        share = np.clip((row - ay) / np.where(flat, 1.0, by - ay), 0, 1)
        x = ax + share * (bx - ax)
        left = np.where(crosses, np.minimum(left, np.where(flat, np.minimum(ax, bx), x)), left)
        right = np.where(crosses, np.maximum(right, np.where(flat, np.maximum(ax, bx), x)), right)
    found = np.isfinite(left)
    return np.where(found, left, 0.0), np.where(found, right, -1.0)


def _affine(corners: Doubles, origins: Doubles) -> Doubles:
    """The maps (m, 2, 3) that take each triangle's `corners` to its `origins`; flat triangles map to one point."""
    sides = corners[:, 1:] - corners[:, :1]
    determinant = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    flat = np.abs(determinant) < 1e-6  # noqa: PLR2004 - no area to speak of
    inverse = np.stack([sides[:, 1, 1], -sides[:, 0, 1], -sides[:, 1, 0], sides[:, 0, 0]], axis=-1).reshape(-1, 2, 2)
    inverse /= np.where(flat, np.inf, determinant)[:, None, None]
    linear = (inverse @ (origins[:, 1:] - origins[:, :1])).transpose(0, 2, 1)
    shift = origins[:, 0] - np.einsum("nij,nj->ni", linear, corners[:, 0])
    return np.concatenate([linear, shift[..., None]], axis=-1)
