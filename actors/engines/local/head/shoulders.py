"""Where shoulders are below hair: by the pose, and as high as what is seen of them."""

import numpy as np

from actors.engines.local.arrays import Mask, Points
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.perception.pose import LEFT_SHOULDER, RIGHT_SHOULDER
from actors.engines.local.shapes import polygon

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
