"""The wall that shows between the body and an arm that hangs, where the matte took it for the person.

It is as the wall beyond the arm is in light or shade, and an edge parts it from the body, all the way down.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from actors.engines.local.arrays import Mask, Rgb
from actors.engines.local.likeness import unlikeness
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
_SIDE, _ALONG = 3, 2.0
"""An edge has so many pixels on both sides; colours are means over so many up and down."""
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
    places = start[:, None] + np.arange(round(_WIDEST * unit) + _SIDE)
    theirs = np.pad(body, ((0, 0), (0, places.shape[1])))[rows[:, None], places]
    colours = gaussian_filter1d(weighed(image)[:, ::side], _ALONG, axis=0)
    strip = colours[rows[:, None], np.minimum(places, mine.shape[1] - 1)]
    samples = wall[:: -(-len(wall) // _SAMPLES)]
    shades = weighed(np.concatenate([samples * np.float32(shade) for shade in _SHADES])[None])[0]
    ends = _way(_gain(strip, theirs, shades))
    for row, first, width in zip(rows, start, ends, strict=True):
        result[:, ::side][row, first : first + width] = True
    return result


def _gain(strip: Doubles, theirs: Mask, shades: Doubles) -> Doubles:
    """What speaks for the wall being so wide (rows, widths): that it looks like it, up to an edge. 0 for no wall.

    `strip` (rows, n, 3) are the colours from the arm on, `theirs` (rows, n) those of the body, `shades` the wall's.
    """
    sums = np.cumsum(np.pad(strip, ((0, 0), (1, 0), (0, 0))), axis=1)
    width: Indices = np.arange(2, strip.shape[1] - _SIDE + 1, dtype=np.int64)
    # The pixel at the arm has some of both in it.
    seen = np.minimum(width - 1, _SIDE)
    here = (sums[:, width] - sums[:, width - seen]) / seen[:, None]
    beyond = (sums[:, width + _SIDE] - sums[:, width]) / _SIDE
    edge = np.sqrt(((beyond - here) ** 2).sum(axis=-1))
    apart = np.cumsum(unlikeness(strip.reshape(-1, 3), shades).reshape(strip.shape[:2]), axis=1)
    unlike = (apart[:, width - 1] - apart[:, :1]) / (width - 1)
    gain = np.minimum(edge, 2 * _STEP) - _STEP - 2 * np.maximum(unlike - _PLAIN, 0)
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
