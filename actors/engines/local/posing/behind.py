"""The body behind arms: as it would be seen if none hung before it.

Its side is seen above and below where an arm covers it: in between it is a straight line. What the arm hides is a
mirror's image of what is beside it, row by row, so that hems and seams go on straight.
"""

from typing import Any

import numpy as np
from msgspec import Struct
from scipy.ndimage import gaussian_filter1d, grey_opening, maximum_filter1d, minimum_filter1d

from actors.engines.local.arrays import Floats, Mask, Rgb
from actors.engines.local.posing.colours import outwards
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.skeleton import ARMS, BODY, BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.raster import components, extent, gaussian, grown, shrunk

_HALF = 0.5
_SHADE = 0.03
"""So near to an arm the body is in its shade, in torso lengths."""
_HAND = 0.14
"""Below an elbow the body's side is looked at over so many torso lengths."""
_LEVEL = 0.05
"""Where the side is seen above and below, so many torso lengths of it are looked at."""
_ARMPIT = 0.35
"""So far down an upper arm it may be sewn to the chest."""
_SHORT, _CURVE = 0.25, 0.5
"""What juts out is rounded by an arc that reaches so far up and down, of this radius, in torso lengths: corners are a
sleeve's, or wall in the narrow end of a gap."""
_GAP, _FEWEST = 2, 3
"""A gap between body and arm is wider than the first, in pixels; fewer pixels than the second tell nothing."""
_THREAD = 2
"""Half of what holds nothing together, in pixels."""
_FADE = 0.015
"""What is made fades into what is seen over so many torso lengths."""


class _Side(Struct, frozen=True):
    """One side of the body, row by row (h,), in pictures whose rows run outwards.

    `seen`: the last pixel of the body before an arm; `end`: the last of it at all, where the arm doesn't cover that;
    `covered`: whether it does; `beside`: whether an arm lies at the body or before it; `arm`: where that ends.
    """

    seen: Doubles
    end: Doubles
    covered: Mask
    beside: Mask
    arm: Doubles


def without_arms(colours: Rgb, shares: Floats, figure: Doubles) -> tuple[Rgb, Floats]:
    """`colours` (h, w, 3) and `shares` (layers, h, w) with torso and legs as if no arms covered them.

    `figure` (38, 2) are the joints.
    """
    colours, shares = colours.copy(), shares.copy()
    for arm in ARMS:
        placed, way = figure, 1
        if outwards(arm, figure)[0] < 0:
            placed, way = (shares.shape[2] - 1, 0) - figure * (1, -1), -1
        _uncover(colours[:, ::way], shares[:, :, ::way], arm, placed)
    return colours, shares


def _uncover(colours: Rgb, shares: Floats, arm: Layer, figure: Doubles) -> None:
    """Do that where `arm` is, in pictures whose rows run outwards."""
    unit, upper = torso_length(figure), BONES[CHAINS[arm][0]]
    body = np.zeros(shares.shape[1:], np.bool_)
    for layer in BODY:
        body |= shares[layer] > _HALF
    whole = _whole(body)
    side = _side(body & whole, shares[arm] > _HALF, round(_SHADE * unit))
    # Above the armpit arm and body are sewn together.
    low = round(float(figure[upper.start][1] + _ARMPIT * (figure[upper.end] - figure[upper.start])[1]))
    rows: Indices = low + np.flatnonzero(side.beside[max(low, 0) :]) if low > 0 else np.flatnonzero(side.beside)
    if not len(rows):
        return
    ends = side.end.copy()
    there: Indices = max(low, 0) + np.flatnonzero(side.arm[max(low, 0) :] >= 0)
    for layer in BODY:
        shares[layer][there] *= whole[there]
    for first, last in runs(side.covered):
        if max(first, low) < last:
            ends[max(first, low) : last] = _line(side, max(first, low), last, unit)
    # A hand's outline has jumps, which a mirror that followed it would show.
    near = gaussian_filter1d(minimum_filter1d(side.seen, 1 + round(_SHADE * unit)), _GAP)
    body_ends = np.where(side.seen < 0, shares.shape[2], side.seen)
    calm = gaussian_filter1d(minimum_filter1d(body_ends, 1 + round(_HAND * unit)), _HAND / 4 * unit)
    axis = np.where(np.arange(len(near)) < figure[upper.end][1], near, calm)
    axis -= _SHADE * unit
    x: Doubles = np.arange(shares.shape[2], dtype=np.float64)
    made = np.zeros(shares.shape[1:], np.float32)
    made[rows] = (x > axis[rows, None]) & (x <= side.arm[rows, None] + _SHADE * unit)
    box = extent(made, air=round(4 * _FADE * unit) + 1)
    if box is not None:
        share = gaussian(made[box], _FADE * unit)[..., None]
        colours[box] += (_mirrored(colours, axis, box) - colours[box]) * share
    place: Indices = np.clip(axis[rows], 0, len(x) - 1).astype(np.int64)
    owner = np.argmax([shares[layer][rows, place] for layer in BODY], axis=0)
    # Further in nothing is hidden.
    first = max(0, int(min(side.seen[rows].min() - _SHADE * unit, ends[rows].min() - 1)))
    inside = np.clip(ends[rows, None] - x[first:] + _HALF, 0, 1)
    hidden = inside * (x[first:] > side.seen[rows, None] - _SHADE * unit)
    for number, layer in enumerate(BODY):
        mine = shares[layer][:, first:]
        theirs = np.where(side.covered[rows, None], np.minimum(mine[rows], inside), mine[rows])
        mine[rows] = np.maximum(theirs, hidden * (owner == number)[:, None])


def _mirrored(colours: Rgb, axis: Doubles, box: tuple[slice, slice]) -> Rgb:
    """What is in `box` of `colours` (h, w, 3), beyond `axis` (h,) in each row as a mirror there would show it."""
    width = colours.shape[1]
    x: Doubles = np.arange(width, dtype=np.float64)[box[1]]
    turn = axis[box[0], None]
    source = np.clip(np.where(x > turn, 2 * turn - x, x), 0, width - 1)
    low: Indices = np.minimum(source, width - 2).astype(np.int64)
    part = (source - low).astype(np.float32)[..., None]
    row: Indices = np.arange(len(axis), dtype=np.int64)[box[0], None]
    return colours[row, low] * (1 - part) + colours[row, low + 1] * part


def _whole(body: Mask) -> Mask:
    """Where `body` (h, w) hangs together by more than threads.

    Scraps are left over where arm and wall were told apart.
    """
    pieces, stats = components(shrunk(body, _THREAD))
    return grown(pieces == 1 + int(np.argmax(stats[1:, 4])), 2 * _THREAD) if len(stats) > 1 else body


def _side(body: Mask, arm: Mask, shade: int) -> _Side:
    """What is seen of the side of `body` (h, w) that `arm` (h, w) hangs at, and is in its shade."""
    x: Indices = np.arange(body.shape[1], dtype=np.int64)
    first: Indices = np.where(arm.any(axis=1), np.argmax(arm, axis=1), len(x))
    last = _last(arm)
    seen = _last(body & (x < first[:, None]))
    beyond: Mask = np.sum(body & (x > last[:, None]), axis=1) >= _FEWEST
    beyond &= last >= 0
    at: Mask = (last >= 0) & (seen >= 0) & (first - seen <= _GAP + 1)
    shaded: Mask = maximum_filter1d(at.view(np.uint8), 2 * shade + 1).view(np.bool_) & (seen >= 0)
    last = np.where(last < 0, maximum_filter1d(last, 2 * shade + 1), last)
    return _Side(seen, np.where(beyond, _last(body), seen), shaded & ~beyond, shaded, last)


def _last(mask: Mask) -> Doubles:
    """The last pixel in each row of `mask` (h, w), -1 where there is none."""
    found: Doubles = mask.shape[1] - 1.0 - np.argmax(mask[:, ::-1], axis=1)
    return np.where(mask.any(axis=1), found, -1.0)


def runs(covered: Mask) -> list[tuple[int, int]]:
    """The first and the end of each row of rows that are `covered` (h,)."""
    change = np.flatnonzero(np.diff(np.pad(covered, 1).astype(np.int8)))
    return [(int(first), int(end)) for first, end in zip(change[::2], change[1::2], strict=True)]


def _line(side: _Side, first: int, last: int, unit: float) -> Doubles:
    """Where the body ends in rows `first` to `last`, which an arm covers."""
    seen = side.seen[first:last]
    above, below = (_end(side, way, unit) for way in (range(first - 1, -1, -1), range(last, len(side.end))))
    if below is None:
        return seen
    top = float(np.median(seen[:_FEWEST])) if above is None else above
    line = np.minimum(np.interp(np.arange(first, last), [first, last], [top, below]), side.arm[first:last])
    return line + _rounded(np.maximum(seen - line, 0), unit)


def _rounded(jut: Doubles, unit: float) -> Doubles:
    """What `jut`s out (n,), without corners: as far as a parabola fits into it from inside."""
    reach = max(_FEWEST, round(_SHORT * unit))
    arc: Any = np.arange(-reach, reach + 1) ** 2 / (-2 * _CURVE * unit)
    return grey_opening(np.pad(jut, reach), structure=arc)[reach:-reach]


def _end(side: _Side, way: range, unit: float) -> float | None:
    """Where the body ends in the first rows of `way`; None if an arm covers it there, too."""
    rows: Indices = np.array(way[: max(_FEWEST, round(_LEVEL * unit))], np.int64)
    hidden = np.flatnonzero(side.covered[rows] | (side.end[rows] < 0))
    rows = rows[: hidden[0]] if len(hidden) else rows
    return float(np.median(side.end[rows])) if len(rows) >= _FEWEST else None
