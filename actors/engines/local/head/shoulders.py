"""Where neck and shoulders are that the old head hid: by what is seen of them, the new jaw, and the pose."""

import numpy as np
from numpy.typing import NDArray

from actors.engines.local.arrays import Floats, Mask, Plane, Points
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.perception.landmarks import JAW
from actors.engines.local.perception.pose import LEFT_SHOULDER, RIGHT_SHOULDER
from actors.engines.local.shapes import narrowed, polygon, widened

_SURE = 0.5
_HALF = 0.55, 1.25
"""Shoulders that are so broad, half of them in heights of the face, are seen from the front or nearly."""
_LINE = np.array(
    [
        *((0.35, 0.62), (0.5, 0.5), (0.6, 0.45), (0.7, 0.41), (0.8, 0.37), (0.9, 0.33), (1, 0.29), (1.1, 0.24)),
        *((1.2, 0.15), (1.27, 0.05), (1.33, -0.1), (1.33, -3)),
    ]
)
"""Their outline: how far aside from between the joints and how high above them, in halves of what is between those (by
the median of 60 to 120 shoulders of strangers)."""
_LIFTS, _OVER = np.arange(0.24, -0.24, -0.02), 3
"""So far around the line an outline is looked for, likewise, so many steps of that below background."""
_INWARDS, _AT, _BEYOND = 0.93, 0.12, 0.04
"""So far out, of half the breadth of the jaw, the neck comes from behind it; so near to the chin's level, in heights of
the face, the head's own neck is as broad as one is, with background so near beside it."""
_BESIDE, _BROADEST, _EVEN, _FLARES = ((172, 58, 132, 93), (397, 288, 361, 323)), 0.96, 0.05, 0.4
"""The outline of the face on either side, upwards from the jaw; a neck is at most so broad, as a part of where the
third is (nine in ten of 78 sides), and as broad down to so far below the chin, likewise; from there it widens so."""
_FADE, _SLOPE, _WIDENS, _ASIDE = 0.12, 0.45, 2.2, 0.7
"""A shoulder begins so far below the chin, likewise, and falls so steeply; a neck widens so fast below the chin; skin
so far aside is no neck's."""
LOOSE = 0.08
"""Half the breadth of the smallest part that a body has, likewise."""
_LEVELS, _DEEP, _NOWHERE = 40, 1, np.float32(-9)
"""The body's outline is followed on so many levels to the face's height, from so many heights below the chin."""


def torso(figure: Portrait, gone: Mask) -> Mask | None:
    """What lies under the line that the `figure`'s shoulders have, where hair that is `gone` (h, w) hid it.

    None if the pose doesn't tell.
    """
    pose = figure.pose
    if pose is None or min(pose.visible[[RIGHT_SHOULDER, LEFT_SHOULDER]]) < _SURE:
        return None
    right, left = pose.points[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    middle, across = (right + left) / 2, (left - right) / 2
    low, high = (share * figure.frame.height for share in _HALF)
    if across[0] <= 0 or not low < float(np.hypot(*across)) < high:
        return None
    up = np.array([across[1], -across[0]])
    sides = [_side(figure, gone, middle, way * across, up) for way in (-1, 1)]
    return polygon(gone.shape, np.concatenate([sides[0], sides[1][::-1]])) > 0.5


def _side(figure: Portrait, gone: Mask, middle: Points, out: Points, up: Points) -> Points:
    """The outline of one shoulder, `out` from the `middle`, from the neck to below the picture: (n, 2)."""
    line = middle + _LINE[:, :1] * out + _LINE[:, 1:] * up
    x, y = np.round(line[:-1, None] + _LIFTS[:, None] * up).astype(np.int64).transpose(2, 0, 1)
    inside = (x >= 0) & (y >= 0) & (x < gone.shape[1]) & (y < gone.shape[0])
    x, y = x.clip(0, gone.shape[1] - 1), y.clip(0, gone.shape[0] - 1)
    person = figure.alpha > 0.5
    body, free = ((part & ~gone)[y, x] & inside for part in (person, ~person))
    first = body.argmax(axis=1)
    seen = body.any(axis=1) & (first >= _OVER) & free[np.arange(len(first)), first - _OVER]
    lift = float(np.median(_LIFTS[first[seen]])) if seen.sum() > 2 else 0.0
    return (line + lift * up).astype(np.float32)


def outline(figure: Head, skin: Plane, gone: Mask, fresh: Placed) -> Plane:
    """Where the body of the `figure` may be below a `fresh` head: (h, w), 0 to 1; its `skin` (h, w) is known.

    Within its own outline, and above the ends of that straight to behind the new jaw. An end is where the outline,
    followed upwards, comes to what is `gone` (h, w). From one that is far aside, as hair on a shoulder leaves it, the
    line leads first to the neck: along the shoulder.
    """
    place, person = figure.frame, figure.alpha > 0.5
    across, down = place.coordinates(gone.shape)
    seen = (skin > 0.5) & person & ~gone & (down > place.chin - 0.1) & (down < place.chin + 0.3)
    steady = narrowed(person & ~gone, LOOSE * place.height)
    body = person & ~gone & widened(steady, 1.5 * LOOSE * place.height)
    levels = np.clip(np.round((down - place.chin) * _LEVELS), -_LEVELS, _DEEP * _LEVELS).astype(np.int64) + _LEVELS
    old, new = (place.of(points[list(JAW)]) for points in (figure.face.points, fresh.aim))
    heights = np.arange(-_LEVELS, _DEEP * _LEVELS + 1) / _LEVELS + place.chin
    # Where background is seen beside it the head's own neck tells how broad one is, and how it comes from behind.
    bottom = float(new[:, 1].max())
    bare = (fresh.neck > 0.5) & (down < bottom + _AT)
    nape, sides = np.zeros_like(bare), list[list[tuple[float, float]]]()
    faces = [place.of(fresh.aim[list(beside)]) * [way, 1] for beside, way in zip(_BESIDE, (-1, 1), strict=True)]
    broadest = _BROADEST * min(float(face[2, 0]) for face in faces)
    for way, end in ((-1, 0), (1, -1)):
        outwards = np.float32(way) * across
        parts = body, gone & person, bare, fresh.person > 0.5, fresh.alpha > 0.5
        own, lost, side, most, head = (_furthest(outwards, levels, part) for part in parts)
        lowest = int(np.flatnonzero(own > _NOWHERE).max(initial=0))
        first = int(np.flatnonzero((own <= lost)[: lowest + 1]).max(initial=-1)) + 1
        jaw, top = _INWARDS * float(way * new[end, 0]), float(new[end, 1]) - 0.04
        if len(seen_side := side[(side > 0) & (most < side + _BEYOND) & (np.abs(heights - bottom) < _AT)]):
            jaw = min(jaw, float(np.median(seen_side)))
        # Nor is there a gap between jaw and hair where it is seen.
        nape |= bare & (outwards > 0) & (outwards < head[levels])
        breadth = 0.82 * float(way * old[end, 0])
        if seen.sum() > 0.01 * place.height**2:
            breadth = min(max(float(np.percentile(outwards[seen], 98)), 0.73 * breadth), 1.34 * breadth)
        breadth = min(breadth, 1.1 * jaw)
        first = max(first, int((top + 0.1 - place.chin + 1) * _LEVELS))
        aside, level = (own[first], heights[first]) if first <= lowest else (breadth, place.chin + _DEEP)
        if not (shoulder := aside > 1.25 * breadth):  # the neck goes on straight up, to where the face hides it
            straight = float(aside - _FLARES * max(0.0, level - place.chin - _EVEN))
            jaw, face = max(jaw, min(straight, broadest)), faces[end]
            top = min(top, float(np.interp(jaw / _BROADEST, np.maximum.accumulate(face[:, 0]), face[:, 1])))
        line = [(jaw, top)]
        if shoulder:
            line.append((breadth, max(place.chin + _FADE, level - _SLOPE * (aside - breadth))))
        # A broader neck comes out from behind the jaw gradually.
        limits = jaw + _WIDENS * np.maximum(0.05, heights - place.chin)
        narrower = np.where(own < _ASIDE, np.minimum(own, limits), own)
        line += list(zip(narrower, heights, strict=True))[first : lowest + 1] or [(aside, level)]
        sides.append([(way * float(x), float(y)) for x, y in line])
    corners = [place.place(x, y) for x, y in (*sides[0], *reversed(sides[1]))]
    return np.maximum(polygon(gone.shape, np.array(corners, np.float32)), nape)


def _furthest(outwards: Plane, levels: NDArray[np.int64], part: Mask) -> Floats:
    """How far `outwards` (h, w) `part` (h, w) reaches in each of its `levels` (h, w)."""
    result = np.full((_DEEP + 1) * _LEVELS + 1, _NOWHERE, np.float32)
    np.maximum.at(result, levels[part], outwards[part])
    return result
