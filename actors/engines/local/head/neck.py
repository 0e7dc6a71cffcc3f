"""The neck: the head's own as far as its photo shows it, the figure's below and beside, in one tone.

A head with its own throat has the light and the folds that belong to its jaw, and nothing of the old one is near the
face. Where the two necks meet they pass over into each other, and the new one's tone, unchanged at the jaw, comes to
that of what it meets by a shift that is as smooth as can be (a membrane: Perez et al., "Poisson Image Editing", 2003).
"""

import numpy as np

from actors.engines.local.arrays import Plane, Points, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import face_tone, retoned
from actors.engines.local.raster import extent, gaussian, lab, rgb, smoothly
from actors.engines.local.shapes import distance_to, narrowed

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone is known."""
_SHADE = np.array([0.9, 0.95, 0.95], np.float32)
"""A neck's L*a*b* over those of its face, in most photos."""
_DARKER = np.array([8, 3, 3], np.float32)
"""It may differ from that by so much: what little a collar leaves to see is as dark as its shadow."""
_SHADOW, _BELOW = 0.25, 0.1
"""The chin's shadow takes so much of the light away, and is so soft, in heights of the face."""
_FROM, _OVER = 0.1, 0.7
"""The shift is whole down to so far below the chin, and gone so much further, in heights of the face."""
_EDGE, _MEETS = 0.015, 0.12
"""So much of the head's own neck is left out at its edge, likewise, and so far the two pass over into each other."""
_LOW, _LOWEST = 0.06, 0.14
"""So far below the chin the figure's own neck begins to come through, and is alone so much further, likewise."""


def one_neck(head: Placed, own: Rgb, aim: Points, body: Rgb, throat: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with its `throat` (h, w, 0 to 1) as that of the `head`, whose landmarks are `aim`.

    `own` (h, w, 3) is the head's photo in the head's new tone. What stays of the body's throat takes so much of that
    tone as is `taken` (0 to 1).
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
    given = narrowed(cover > 0.5, _EDGE * place.height)
    fresh = lab(own[here])
    shown = seen & given & (down < place.chin + _LOW)
    goal = _SHADE * face_tone(lab(own), aim).mean
    if shown.sum() > least:
        goal = np.clip(np.median(fresh[shown], axis=0), goal - _DARKER, goal + _DARKER)
    shade = np.clip(2 * gaussian(alpha, _BELOW * place.height), 0, 1)
    values = lab(body[here] * (1 - _SHADOW * throat * shade)[..., None])
    mean = np.median(values[seen], axis=0)
    share = throat * (1 - smoothly((down - place.chin - _FROM) / _OVER))
    toned = retoned(values, (goal - mean) * np.float32(taken), share, mean)
    # The head's own, but for what it hasn't or what lies so low that the figure's own shows.
    bare = (throat > 0.5) & (alpha < 0.5) & ~given
    weight = smoothly(distance_to(bare) / (_MEETS * place.height)) * given * throat
    weight *= 1 - smoothly((down - place.chin - _LOW) / _LOWEST)
    meets = given & (throat > 0.5) & (weight > 0.02) & (weight < 0.7) & (alpha < 0.05)
    jaw = alpha > 0.5
    step = gaussian(lab(toned) - fresh, max(1.0, 0.02 * place.height))
    shift = smooth_fill(np.where(jaw[..., None], 0, step).astype(np.float32), (meets | jaw).astype(np.float32))
    toned += weight[..., None] * (rgb(fresh + shift) - toned)
    result = body.copy()
    result[here] = np.where(throat[..., None] > 0, toned, body[here])
    return result
