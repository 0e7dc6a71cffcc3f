"""The neck: the figure's own where it is seen, and the head's own up to the new jaw; they pass over into each other."""

import numpy as np

from actors.engines.local.arrays import Floats, Mask, Plane, Points, Rgb
from actors.engines.local.filling.smooth import grain, smooth_fill
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import face_tone, retoned
from actors.engines.local.raster import extent, gaussian, lab, rgb, smoothly
from actors.engines.local.shapes import distance_to, narrowed, widened

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
_ALIKE = np.array([30, 12, 12], np.float32)
"""What of the head's photo is so far from that tone is no neck."""
_BAND, _PASS, _SOFT = 0.08, 0.25, 0.02
"""So much beside what is made tells what it has to meet, so far they pass over into each other, so soft is the edge."""


def one_neck(head: Placed, own: Rgb, aim: Points, body: Rgb, skin: Plane, made: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with the neck of the `head`, whose landmarks are `aim`.

    Of its neck `skin` (h, w, 0 to 1) is the figure's, and only toned; what is `made` (h, w, 0 to 1) is the head's, from
    its photo in its new tone, `own` (h, w, 3), as far as it is bare there. The neck takes so much of the tone as is
    `taken` (0 to 1).
    """
    place = head.frame
    throat = np.clip(skin + made, 0, 1)
    here = extent(throat > 0, air=8)
    if here is None:
        return body
    across, down = (plane[here] for plane in place.coordinates(throat.shape))
    alpha, cover, skin, made = head.alpha[here], head.neck[here], skin[here] * (1 - made[here]), made[here]
    least = _ENOUGH * place.height**2
    near = (np.abs(across) < 0.35) & (down < place.chin + 0.35) & (alpha < 0.5)
    shown = narrowed(cover > 0.5, _EDGE * place.height) & (alpha < 0.5)
    above = near & shown & (down < place.chin + _LOW)
    fresh = lab(own)
    goal = _SHADE * face_tone(fresh, aim).mean
    if above.sum() > least:
        goal = np.clip(np.median(fresh[here][above], axis=0), goal - _DARKER, goal + _DARKER)
    # Neither a beard nor a collar goes on below the head.
    away = np.linalg.norm((gaussian(fresh[here], _EDGE * place.height) - goal) / _ALIKE, axis=2)
    shown &= away < 1
    result = body[here].copy()
    kept = near & (skin > 0.7)
    if kept.sum() > least:
        values = lab(result)
        mean = np.median(values[kept], axis=0)
        share = skin * (1 - smoothly((down - place.chin - _FROM) / _OVER))
        toned = retoned(values, (goal - mean) * np.float32(taken), share, mean)
        result = np.where(skin[..., None] > 0, toned, result)
    if made.any():
        result = _with_made(result, own[here], goal, alpha, skin, made, shown, place.height)
    whole = body.copy()
    whole[here] = result
    return whole


def _with_made(
    image: Rgb, own: Rgb, goal: Floats, alpha: Plane, skin: Plane, made: Plane, shown: Mask, unit: float
) -> Rgb:
    """`image` with what is `made`: no step at the jaw, where it is the photo's `own`, nor where it meets the `skin`."""
    shade = 1 - _SHADOW * np.clip(2 * gaussian(alpha, _BELOW * unit), 0, 1)
    plain = rgb(np.broadcast_to(goal.astype(np.float32), image.shape)) * shade[..., None]
    if not shown.any():
        new = plain + grain(own, alpha > 0.9, max(0.7, 0.003 * unit))
    else:
        # Beside what is shown it goes on as it is there.
        beside = plain + smooth_fill(own - plain, shown.astype(np.float32))
        beside += grain(own, shown, max(0.7, 0.003 * unit))
        new = beside + gaussian(shown.astype(np.float32), _EDGE * unit)[..., None] * (own - beside)
    hole = made > 0.5
    near = widened(hole, _BAND * unit) & narrowed(skin > 0.7, _EDGE * unit) & (made < 0.1)
    if near.any():
        # They differ by so much; nothing is added at the jaw, and ever more of it down to where the skin is left alone.
        gap = smooth_fill((image - new) * near[..., None], near.astype(np.float32))
        gap = gaussian(gap, _SOFT * unit)
        above, below = distance_to(alpha > 0.5), _PASS * unit + distance_to(near) - distance_to(hole)
        share = smoothly(above / np.maximum(above + np.maximum(below, 0), 1e-3))[..., None]
        new = new + share * gap
        image = image - (1 - share) * gap * (skin * (below > 0))[..., None]
    soft = np.clip(2 * gaussian(made, max(0.8, _SOFT * unit)), 0, 1) * np.clip(3 * skin - 0.6, 0, 1)
    return np.clip(image + np.maximum(made, soft)[..., None] * (new - image), 0, 1)
