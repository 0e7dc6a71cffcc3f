"""The neck: the figure's own or what was made to be it, in the tone of the head's and in its chin's shadow."""

import numpy as np

from actors.engines.local.arrays import Plane, Points, Rgb
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import face_tone, retoned
from actors.engines.local.raster import extent, gaussian, lab, smoothly
from actors.engines.local.shapes import narrowed

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone is known."""
_SHADE = np.array([0.9, 0.95, 0.95], np.float32)
"""A neck's L*a*b* over those of its face, in most photos."""
_DARKER = np.array([8, 3, 3], np.float32)
"""It may differ from that by so much: what little a collar leaves to see is as dark as its shadow."""
_SHADOW, _BELOW = 0.25, 0.1
"""The chin's shadow takes so much of the light away, and is so soft, in heights of the face."""
_FROM, _OVER = 0.1, 0.7
"""The change is whole down to so far below the chin, and gone so much further, in heights of the face."""
_EDGE, _LOW = 0.015, 0.06
"""Its tone is told without so much of its edge, likewise, and no lower than that below the chin."""


def one_neck(head: Placed, own: Rgb, aim: Points, body: Rgb, throat: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with its `throat` (h, w, 0 to 1) as that of the `head`, whose landmarks are `aim`.

    `own` (h, w, 3) is the head's photo in its new tone, of which the throat takes so much as is `taken` (0 to 1).
    """
    place = head.frame
    here = extent(throat > 0, air=8)
    if here is None:
        return body
    across, down = (plane[here] for plane in place.coordinates(throat.shape))
    alpha, cover, throat = head.alpha[here], head.neck[here], throat[here]
    least = _ENOUGH * place.height**2
    seen = (np.abs(across) < 0.3) & (down < place.chin + 0.35) & (alpha < 0.5) & (throat > 0.7)
    if seen.sum() < least:
        return body
    shown = seen & narrowed(cover > 0.5, _EDGE * place.height) & (down < place.chin + _LOW)
    fresh = lab(own)
    goal = _SHADE * face_tone(fresh, aim).mean
    if shown.sum() > least:
        goal = np.clip(np.median(fresh[here][shown], axis=0), goal - _DARKER, goal + _DARKER)
    shade = np.clip(2 * gaussian(alpha, _BELOW * place.height), 0, 1)
    values = lab(body[here] * (1 - _SHADOW * throat * shade)[..., None])
    mean = np.median(values[seen], axis=0)
    share = throat * (1 - smoothly((down - place.chin - _FROM) / _OVER))
    toned = retoned(values, (goal - mean) * np.float32(taken), share, mean)
    result = body.copy()
    result[here] = np.where(throat[..., None] > 0, toned, body[here])
    return result
