"""Which of two things a colour, or whatever else is known of a pixel, speaks for.

It is told by how often it occurs in each of them, by how far it is from them, or by a line between them.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb8, as_rgb
from actors.engines.local.raster import components, lab, resized_linear

_CELLS = 24
"""Colours are counted in so many steps of each of lightness and the two of hue."""
_LAB_START, _LAB_CELLS = np.array([0, 60, 60], np.float32), np.array([0.24, 0.2, 0.2], np.float32)
_SPREAD, _RARE = 0.8, 2e-5
_AROUND = 40
"""So far around a part, in pixels, colours are compared."""
_NEAREST = 3
"""So many of the colours that are most alike are believed; one may be noise."""
_LEAST, _MOST = 20, 1500
"""Of fewer pixels nothing is said; of more, evenly chosen ones are asked."""

_LINE_STEPS, _PLAIN = 6, 1e-4
"""Newton's steps to a line between two things, and how much it is held from following single pixels."""

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


def told_apart(features: Sequence[Floats], first: Mask, second: Mask) -> Plane:
    """How likely each pixel is of `first` rather than `second` (h, w), by its `features` (n, h, w each, of any size).

    It is a logistic regression of the pixels in the two, which count as much as each other however large they are; so
    do the `features`.
    """
    height, width = first.shape
    sized = (resized_linear(np.ascontiguousarray(one.transpose(1, 2, 0)), width, height) for one in features)
    centred = [one - one.mean(axis=(0, 1)) for one in sized]
    values = np.concatenate([one / np.sqrt(one.var(axis=(0, 1)).sum() + 1e-12) for one in centred], axis=2)
    values = np.concatenate([values, np.ones((height, width, 1))], axis=2).astype(np.float32)
    known = np.concatenate([values[first], values[second]])
    many = np.array([first.sum(), second.sum()])
    label, weight = (np.repeat(np.asarray(one, np.float32), many) for one in ([1, 0], 0.5 / many))
    held, line = _PLAIN * np.eye(known.shape[1]), np.zeros(known.shape[1], np.float32)
    for _ in range(_LINE_STEPS):
        likely = 0.5 + 0.5 * np.tanh(known @ line / 2)
        slope = known.T @ (weight * (likely - label)) + held @ line
        curve = (known.T * (weight * np.maximum(likely * (1 - likely), 1e-4))) @ known + held
        line -= np.linalg.solve(curve, slope).astype(np.float32)
    return (0.5 + 0.5 * np.tanh(values @ line / 2)).astype(np.float32)


def likeness_nearby(image: Rgb8, parts: Mask, theirs: Mask, others: Mask) -> Plane:
    """How much more the `parts` (h, w) of a small `image` are in colours of `theirs` nearby than in those of `others`.

    1 is theirs, 0 is the others' (so is what both have), and a half what nobody can tell and what is in no part.
    """
    found = np.full(parts.shape, 0.5, np.float32)
    labels, stats = components(parts)
    if len(stats) == 1:
        return found
    colours = lab(as_rgb(image))
    for label, (left, top, across, down, _) in enumerate(stats[1:].tolist(), start=1):
        near = (
            slice(max(0, top - _AROUND), top + down + _AROUND),
            slice(max(0, left - _AROUND), left + across + _AROUND),
        )
        part, around = labels[near] == label, colours[near]
        ours, foreign = around[theirs[near] & ~part], around[others[near] & ~part]
        if min(len(ours), len(foreign)) >= _LEAST:
            to_ours, to_foreign = (
                unlikeness(around[part], known, nearest=_NEAREST, most=_MOST, about=0) for known in (ours, foreign)
            )
            found[near][part] = to_foreign / (to_ours + to_foreign + 1)
    return found
