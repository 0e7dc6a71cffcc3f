"""The wall that shows between the body and an arm that hangs, where the matte took it for the person.

It is as the wall beyond the arm is in light or shade, less as the body is, and an edge parts it from the body, all the
way down. Cloth may be of the wall's colour, and shading seem an edge: what ends below as wide as it is, with the body
under it, is wall only as far as what is beyond the edge is unlike the wall.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from actors.engines.local.arrays import Mask, Rgb
from actors.engines.local.likeness import unlikeness
from actors.engines.local.posing.behind import runs
from actors.engines.local.posing.colours import outwards, weighed
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.shapes import near_limb
from actors.engines.local.posing.skeleton import BODY, BONES, CHAINS, NECK, PELVIS, Doubles, Layer, torso_length

_WIDEST, _BESIDE = 0.16, 0.3
"""It is up to so wide, and the wall is looked at so far from the arm's bones, in torso lengths."""
_SHADES = (1.03, 0.96, 0.9, 0.84, 0.78, 0.72, 0.66)
"""It may be so much lighter or darker than the wall."""
_STEP, _PLAIN = 4.0, 4.0
"""In L*a*b* units: weaker edges are none, what is more unlike the wall isn't it."""
_HANGS, _ARMPIT = 0.8, 0.35
"""The cosine of the angle to the spine up to which an arm hangs; so far down the upper arm it may touch the chest."""
_SAMPLES, _FEWEST = 150, 12
_CLOTH, _PLACE, _LIKER = 0.4, 30.0, 0.5
"""The body's own colours are looked at up to so far from the arm, in torso lengths; a torso length up or down is as
unlike as so many L*a*b* units. What is wall is more unlike them than the wall by the third (measured: by 1.0 at least;
by -0.1 in a hand's shade on a thigh)."""
_SIDE, _ALONG = 3, 2.0
"""An edge has so many pixels on both sides; colours are means over so many up and down."""
_HALF = 0.5
_TURN, _ASIDE, _BEGIN, _NEVER = 2, 0.5, 20.0, 100.0
"""From row to row the edge goes up to so many pixels aside, each for the second; to begin or end costs the third."""


def between(image: Rgb, labels: Indices, arm: Layer, figure: Doubles) -> Mask:
    """The pixels of the body in `labels` (h, w), -1 outside of the figure, that are wall between it and `arm`.

    `image` (h, w, 3) and `figure` (38, 2) are in the same pixels.
    """
    result = np.zeros(labels.shape, np.bool_)
    unit, upper, hand = torso_length(figure), BONES[CHAINS[arm][0]], BONES[CHAINS[arm][-1]]
    shoulder, along, spine = figure[upper.start], figure[hand.end] - figure[upper.start], figure[PELVIS] - figure[NECK]
    wall = image[near_limb(arm, figure, _BESIDE * unit, labels.shape) & (labels < 0)]
    if len(wall) < _FEWEST or along @ spine < _HANGS * np.hypot(*along) * np.hypot(*spine):
        return result
    # In this picture, which may be a mirror's, the body is to the right of the arm.
    side = -1 if outwards(arm, figure)[0] > 0 else 1
    mine, body = (labels == arm)[:, ::side], np.isin(labels, BODY)[:, ::side]
    low = shoulder[1] + _ARMPIT * (figure[upper.end] - shoulder)[1]
    rows = np.flatnonzero(mine.any(axis=1) & (np.arange(len(mine)) > low))
    if not len(rows):
        return result
    start = mine.shape[1] - np.argmax(mine[rows, ::-1], axis=1)
    widest = round(_WIDEST * unit) + _SIDE
    places = start[:, None] + np.arange(max(widest, round(_CLOTH * unit)))
    theirs = np.pad(body, ((0, 0), (0, places.shape[1])))[rows[:, None], places]
    colours = gaussian_filter1d(weighed(image)[:, ::side], _ALONG, axis=0)
    around = colours[rows[:, None], np.minimum(places, mine.shape[1] - 1)]
    samples = wall[:: -(-len(wall) // _SAMPLES)]
    shades = weighed(np.concatenate([samples * np.float32(shade) for shade in _SHADES])[None])[0]
    strip, free = around[:, :widest], theirs[:, :widest]
    unlike = unlikeness(strip.reshape(-1, 3), shades).reshape(free.shape)
    ends = _way(_gain(strip, free, unlike))
    under = np.pad(body, ((0, 1), (0, 0)))[rows + 1]
    wide = [(first, last) for first, last in runs(ends > 0) if _open(ends[:last], under[last - 1, start[last - 1] :])]
    if wide:
        clear = _way(_gain(strip, free, unlike, clear=True))
        for first, last in wide:
            ends[first:last] = clear[first:last]
    likes = _own(around, theirs, widest, _PLACE / unit) - unlike
    for first, last in runs(ends > 0):
        # The pixel at the arm has some of both in it.
        inside = (np.arange(widest) > 0) & (np.arange(widest) < ends[first:last, None])
        if inside.any() and likes[first:last][inside].mean() < _LIKER:
            ends[first:last] = 0
    for row, first, width in zip(rows, start, ends, strict=True):
        result[:, ::side][row, first : first + width] = True
    return result


def _open(ends: Indices, under: Mask) -> bool:
    """Whether the wall that is so wide in rows, `ends` (n,), is so to its end, where the body is `under` it (w,).

    Between arm and body it gets narrow, or goes on below.
    """
    return int(ends[-1]) > 2 * _TURN and float(under[: ends[-1]].mean()) > _HALF


def _own(around: Doubles, theirs: Mask, widest: int, place: float) -> Doubles:
    """How unlike the body (rows, `widest`) what begins at the arm is: the body beyond that, near to its height.

    `around` (rows, n, 3) are the colours, `theirs` (rows, n) those of the body; `place` is how unlike the next row is.
    """
    height = np.broadcast_to(np.arange(len(around))[:, None, None] * place, (*theirs.shape, 1))
    looks = np.concatenate([around, height], axis=-1)
    cloth = looks[:, widest:][theirs[:, widest:]]
    if len(cloth) < _FEWEST:
        return np.full((len(around), widest), np.inf)
    return unlikeness(looks[:, :widest].reshape(-1, 4), cloth).reshape(-1, widest)


def _gain(strip: Doubles, theirs: Mask, unlike: Doubles, *, clear: bool = False) -> Doubles:
    """What speaks for the wall being so wide (rows, widths): that it looks like it, up to an edge. 0 for no wall.

    `strip` (rows, n, 3) are the colours from the arm on, `theirs` (rows, n) those of the body, `unlike` (rows, n) how
    far they are from the wall's; `clear` edges are only those to what is unlike it.
    """
    sums = np.cumsum(np.pad(strip, ((0, 0), (1, 0), (0, 0))), axis=1)
    width: Indices = np.arange(2, strip.shape[1] - _SIDE + 1, dtype=np.int64)
    # The pixel at the arm has some of both in it.
    seen = np.minimum(width - 1, _SIDE)
    here = (sums[:, width] - sums[:, width - seen]) / seen[:, None]
    beyond = (sums[:, width + _SIDE] - sums[:, width]) / _SIDE
    edge = np.sqrt(((beyond - here) ** 2).sum(axis=-1))
    apart = np.cumsum(unlike, axis=1)
    if clear:
        edge = np.minimum(edge, (apart[:, width + _SIDE - 1] - apart[:, width - 1]) / _SIDE)
    mean = (apart[:, width - 1] - apart[:, :1]) / (width - 1)
    gain = np.minimum(edge, 2 * _STEP) - _STEP - 2 * np.maximum(mean - _PLAIN, 0)
    whole = np.cumprod(theirs, axis=1)[:, width + _SIDE - 1] > 0
    result = np.full((len(strip), int(width[-1]) + 1), -_NEVER)
    result[:, 0] = 0
    result[:, width] = np.where(whole, gain, -_NEVER)
    return result


def _way(gain: Doubles) -> Indices:
    """The width in each row that gains most in all (dynamic programming), 0 where there is no wall."""
    total, rows = gain[0], len(gain)
    widths: Indices = np.arange(gain.shape[1], dtype=np.int64)
    came = np.zeros(gain.shape, np.int64)
    for row in range(1, rows):
        padded = np.pad(total, _TURN, constant_values=-np.inf)
        turns: Indices = np.arange(-_TURN, _TURN + 1, dtype=np.int64)
        ways = padded[widths[:, None] + turns + _TURN] - _ASIDE * np.abs(turns)
        came[row], best = widths + np.argmax(ways, axis=1) - _TURN, ways.max(axis=1)
        begun = best < total[0] - _BEGIN
        came[row, begun], best[begun] = 0, total[0] - _BEGIN
        last = int(np.argmax(total))
        if best[0] < total[last] - _BEGIN:
            came[row, 0], best[0] = last, total[last] - _BEGIN
        total = best + gain[row]
    result = np.zeros(rows, np.int64)
    result[-1] = np.argmax(total)
    for row in range(rows - 1, 0, -1):
        result[row - 1] = came[row, result[row]]
    return result
