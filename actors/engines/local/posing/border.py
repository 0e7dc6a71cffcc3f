"""The border between two parts of a picture that costs least.

Source: Boykov, Jolly, "Interactive Graph Cuts for Optimal Boundary & Region Segmentation" (2001).
"""

from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from actors.engines.local.arrays import Mask
from actors.engines.local.posing.mesh import Indices, neighbours
from actors.engines.local.posing.skeleton import Doubles

_WHOLE = 1000
"""The cut is made in whole numbers."""


def least_border(where: Mask, first: Doubles, second: Doubles, colours: Doubles, apart: float) -> Mask:
    """Which pixels of `where` (h, w) are the first part's; the others of it are the second's.

    `first` and `second` (h, w) are what it costs to give a pixel to that part. To part neighbours of one colour costs
    `apart`, and less the more `colours` (h, w, channels) differ; by 1 is an edge.
    """
    count = int(where.sum())
    number = np.cumsum(where.ravel(), dtype=np.int64) - 1
    flat = colours.reshape(where.size, -1)
    source, sink = count, count + 1
    own: Indices = np.arange(count, dtype=np.int64)
    starts = [np.full(count, source), own]
    ends = [own, np.full(count, sink)]
    costs = [second[where], first[where]]
    for here, there, away in neighbours(where):
        one, other = number[here], number[there]
        step = ((flat[here] - flat[there]) ** 2).sum(axis=-1)
        cost = apart * np.exp(-step / 2) / away
        starts += [one, other]
        ends += [other, one]
        costs += [cost, cost]
    size = count + 2
    whole = np.rint(_WHOLE * np.concatenate(costs)).astype(np.int32)
    graph: Any = coo_array((whole, (np.concatenate(starts), np.concatenate(ends))), shape=(size, size)).tocsr()
    rest: Any = graph - maximum_flow(graph, source, sink).flow
    rest.eliminate_zeros()
    reached = np.zeros(size, np.bool_)
    reached[breadth_first_order(rest, source, return_predecessors=False)] = True
    result = np.zeros(where.shape, np.bool_)
    result[where] = reached[:count]
    return result
