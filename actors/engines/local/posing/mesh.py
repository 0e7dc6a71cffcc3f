"""The figure as sheets of triangles: one sheet per layer, sewn together where the body is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from actors.engines.local.arrays import Mask
from actors.engines.local.posing.skeleton import Doubles, Layer

Indices = NDArray[np.int64]


class Seam(Struct, frozen=True):
    """Two sheets are one wherever both are inside `zone` (h, w)."""

    first: Layer
    second: Layer
    zone: Mask


class Mesh(Struct, frozen=True):
    """The sheets.

    `vertices` (n, 2) at rest in pixels; `triangles` (m, 3) by vertex; `layer_of` (m,) the sheet of each triangle;
    `members` (n, number of layers): which sheets a vertex is part of (several where they are sewn together).
    """

    vertices: Doubles
    triangles: Indices
    layer_of: Indices
    members: Mask


def neighbours(where: Mask) -> Iterator[tuple[Indices, Indices, float]]:
    """The pairs of pixels of `where` (h, w) that touch, also by a corner: their places in a row, and how far apart."""
    height, width = where.shape
    place: Indices = np.arange(height * width, dtype=np.int64).reshape(height, width)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - down), slice(max(0, -right), width - max(0, right)))
        there = (slice(down, height), slice(max(0, right), width + min(0, right)))
        both = where[here] & where[there]
        yield place[here][both], place[there][both], float(np.hypot(down, right))


def sewn_mesh(masks: Mapping[Layer, Mask], seams: Sequence[Seam], step: int) -> Mesh:
    """Squares of `step` pixels, halved, that cover each layer's mask (h, w), with the sheets sewn at `seams`."""
    height, width = next(iter(masks.values())).shape
    rows, columns = -(-height // step), -(-width // step)
    count = (rows + 1) * (columns + 1)
    corners: Indices = np.arange(count, dtype=np.int64).reshape(rows + 1, columns + 1)
    quads: list[Indices] = []
    sheets: list[Indices] = []
    present = np.zeros((len(Layer), count), np.bool_)
    for layer, mask in masks.items():
        cells = _cells(mask, step, rows, columns)
        row, column = np.nonzero(cells)
        quad: Indices = np.stack(
            [corners[row, column], corners[row, column + 1], corners[row + 1, column + 1], corners[row + 1, column]],
            axis=1,
        )
        # Diagonals alternate, so that no direction is stiffer than another.
        turned = ((row + column) % 2 == 1)[:, None]
        quad = np.where(turned, np.roll(quad, 1, axis=1), quad)
        present[layer, quad] = True
        quads.append(quad + int(layer) * count)
        sheets.append(np.full(2 * len(quad), int(layer)))
    whole = np.concatenate(quads)
    triangles = np.stack([whole[:, [0, 1, 2]], whole[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    names = _sewn(present, seams, corners, step)
    used, triangles = np.unique(names[triangles], return_inverse=True)
    _, first = np.unique(names, return_index=True)
    node = first[used] % count
    vertices = np.stack([node % (columns + 1), node // (columns + 1)], axis=1).astype(np.float64) * step
    members = np.zeros((len(used), len(Layer)), np.bool_)
    sheet, place = np.nonzero(present)
    members[np.searchsorted(used, names[sheet * count + place]), sheet] = True
    return Mesh(vertices, triangles.reshape(-1, 3), np.concatenate(sheets), members)


def _cells(mask: Mask, step: int, rows: int, columns: int) -> Mask:
    """Which squares hold a pixel of `mask`."""
    padded = np.zeros((rows * step, columns * step), np.bool_)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    result: Any = padded.reshape(rows, step, columns, step).any(axis=(1, 3))
    return result


def _sewn(present: Mask, seams: Sequence[Seam], corners: Indices, step: int) -> Indices:
    """For each corner of each sheet the name of its vertex: the same for all that are sewn together."""
    sheets, count = present.shape
    starts: list[Indices] = []
    ends: list[Indices] = []
    for seam in seams:
        height, width = seam.zone.shape
        rows = np.minimum(np.arange(len(corners), dtype=np.int64) * step, height - 1)
        columns = np.minimum(np.arange(count // len(corners), dtype=np.int64) * step, width - 1)
        shared = present[seam.first] & present[seam.second] & seam.zone[np.ix_(rows, columns)].ravel()
        place = np.flatnonzero(shared)
        starts.append(place + int(seam.first) * count)
        ends.append(place + int(seam.second) * count)
    size = sheets * count
    if not starts:
        return np.arange(size, dtype=np.int64)
    start, end = np.concatenate(starts), np.concatenate(ends)
    graph: Any = coo_array((np.ones(len(start), np.int8), (start, end)), shape=(size, size))
    found: Any = connected_components(graph, directed=False)[1]
    return found.astype(np.int64)
