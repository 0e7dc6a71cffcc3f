"""The neck: the figure's own, in the tone of the new head at the jaw and in its own where the chest begins.

Nothing of another photo is laid on it: one shift of L*a*b* for all of it, that fades out downwards, can make no seam.
"""

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import retoned
from actors.engines.local.raster import gaussian, lab, smoothly

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone is known."""
_SHADE = np.array([0.9, 0.95, 0.95], np.float32)
"""A neck's L*a*b* over those of its face, in most photos."""
_SHADOW, _BELOW = 0.3, 0.1
"""The chin's shadow takes so much of the light away, and is so soft, in heights of the face."""
_FROM, _OVER = 0.1, 0.7
"""The shift is whole down to so far below the chin, and gone so much further, in heights of the face."""


def one_neck(head: Placed, face: Floats, body: Rgb, throat: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with its `throat` (h, w, 0 to 1) as that of the `head`, whose face has this L*a*b* (3,).

    It takes so much of that tone as is `taken` (0 to 1).
    """
    place = head.frame
    across, down = place.coordinates(throat.shape)
    seen = (np.abs(across) < 0.3) & (down < place.chin + 0.35) & (head.alpha < 0.5) & (throat > 0.7)
    if seen.sum() < _ENOUGH * place.height**2:
        return body
    shade = np.clip(2 * gaussian(head.alpha, _BELOW * place.height), 0, 1)
    values = lab(body * (1 - _SHADOW * throat * shade)[..., None])
    mean = np.median(values[seen], axis=0)
    share = throat * (1 - smoothly((down - place.chin - _FROM) / _OVER))
    toned = retoned(values, (_SHADE * face - mean) * np.float32(taken), share, mean)
    return np.where(throat[..., None] > 0, toned, body)
