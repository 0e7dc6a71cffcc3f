"""Cloth that joins what bending would part: skirts, dresses, coats."""

import numpy as np

from actors.engines.local.arrays import Rgb
from actors.engines.local.perception.pose import LEFT_HIP, RIGHT_HIP
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.skeleton import LEFT_KNEE, LIMBS, PELVIS, RIGHT_TOE, Doubles, Layer, torso_length
from actors.engines.local.posing.targets import angle_of, wrapped
from actors.engines.local.raster import lab

_BELOW = 0.30
"""So many torso lengths below the hips trousers have two legs."""
_JOINED = 0.30
"""Legs that touch without an edge between them over so many torso lengths are in one piece of cloth."""
_EDGE = 3.0
"""Between two trouser legs colours change so many times as fast as within them."""
_NEAR, _FAR = 2, 9
"""The edge is looked for so many pixels around the border, and compared with what is so far from it."""
_LEAST_CHANGE = 0.5
"""L*a*b* units from one pixel to the next: less is noise."""
_MEAN_TURN, _MOST_TURN = np.radians(12.0), np.radians(18.0)
"""Legs whose wanted direction differs by no more may as well stay as they stand."""


def legs_joined(image: Rgb, labels: Indices, figure: Doubles) -> bool:
    """Whether a skirt, dress or coat joins the legs.

    `image` (h, w, 3), `labels` (h, w) from `parts.labelled` and `figure` (38, 2) are in the same pixels.
    """
    unit = torso_length(figure)
    left, right = labels[:, :-1], labels[:, 1:]
    touching = (left == Layer.LEFT_LEG) & (right == Layer.RIGHT_LEG)
    touching |= (left == Layer.RIGHT_LEG) & (right == Layer.LEFT_LEG)
    rows, columns = np.nonzero(touching)
    below = rows > figure[PELVIS][1] + _BELOW * unit
    rows, columns = rows[below], columns[below]
    if len(rows) < _JOINED * unit:
        return False
    change = changes(image)
    width = change.shape[1]

    def around(first: int, last: int) -> Doubles:
        offsets = np.arange(first, last + 1)
        return change[rows[:, None], np.clip(columns[:, None] + offsets, 0, width - 1)]

    edge = around(-_NEAR, _NEAR + 1).max(axis=1)
    within = np.median(np.hstack([around(-_FAR, -_NEAR - 2), around(_NEAR + 3, _FAR + 1)]), axis=1)
    plain = edge < _EDGE * np.maximum(within, _LEAST_CHANGE)
    return float(plain.sum()) > _JOINED * unit


def changes(image: Rgb) -> Doubles:
    """How fast colours change in each pixel, in L*a*b* units a pixel."""
    colours = lab(image).astype(np.float64)
    down, right = np.gradient(colours, axis=(0, 1))
    return np.sqrt((down**2 + right**2).sum(axis=-1))


def legs_may_stay(source: Doubles, reference: Doubles) -> bool:
    """Whether the legs of `source` (38, 2) stand nearly as those of `reference` do."""
    turns = [
        abs(wrapped(angle_of(source[b] - source[a]) - angle_of(reference[b] - reference[a]))) for a, b in LIMBS[4:]
    ]
    return float(np.mean(turns)) <= _MEAN_TURN and max(turns) <= _MOST_TURN


def with_own_legs(source: Doubles, reference: Doubles) -> Doubles:
    """`reference` (38, 2) with the hips and legs of `source` in its own size."""
    result = reference.copy()
    lower = [LEFT_HIP, RIGHT_HIP, *range(LEFT_KNEE, RIGHT_TOE + 1)]
    result[lower] = reference[PELVIS] + (source[lower] - source[PELVIS]) * (
        torso_length(reference) / torso_length(source)
    )
    return result
