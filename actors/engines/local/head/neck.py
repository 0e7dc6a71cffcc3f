"""The neck: the figure's own, in the tone of the new head at the jaw and in its own where the chest begins.

Nothing of another photo is laid on it: one shift of L*a*b* for all of it, that fades out downwards, can make no seam.
"""

import numpy as np

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import retoned
from actors.engines.local.raster import gaussian, lab, smoothly

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone is known."""
_SHADE = np.array([0.88, 0.95, 0.95], np.float32)
"""A neck's L*a*b* over those of its face, in most photos."""
_MOST = np.array([12, 5, 6], np.float32)
"""So far from that a neck can be; what differs more is none."""
_SHADOW, _BELOW = 0.25, 0.09
"""The chin's shadow takes so much of the light away, and is so soft, in heights of the face."""
_FROM, _OVER = 0.1, 0.7
"""The shift is whole down to so far below the chin, and gone so much further, in heights of the face."""


def one_neck(colours: Rgb, head: Placed, face: Floats, body: Rgb, throat: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with its `throat` (h, w, 0 to 1) in the tone that the neck of the head with these `colours` has.

    It takes so much of it as is `taken` (0 to 1). That tone is near to the `face`'s (3,), whatever is seen below it: it
    may be cloth.
    """
    place = head.frame
    across, down = place.coordinates(throat.shape)
    near = (np.abs(across) < 0.3) & (down < place.chin + 0.35) & (head.alpha < 0.5)
    seen, own = near & (throat > 0.7), near & (head.neck > 0.7)
    least = _ENOUGH * place.height**2
    if seen.sum() < least:
        return body
    shade = np.clip(2 * gaussian(head.alpha, _BELOW * place.height), 0, 1)
    body = body * (1 - _SHADOW * throat * shade)[..., None]
    wanted = _SHADE * face
    if own.sum() >= least:
        wanted = np.clip(_median(colours, own), wanted - _MOST, wanted + _MOST)
    mean = _median(body, seen)
    share = throat * (1 - smoothly((down - place.chin - _FROM) / _OVER))
    toned = retoned(lab(body), (wanted - mean) * np.float32(taken), share, mean)
    return np.where(share[..., None] > 0, toned, body)


def _median(image: Rgb, where: Mask) -> Floats:
    """The L*a*b* (3,) that `image` has `where` (h, w)."""
    return np.asarray(np.median(lab(image[where][None])[0], axis=0), np.float32)
