"""The neck: the head's own down to where the figure's skin or collar takes over, and no step between the two.

Source of the idea: Perez, Gangnet and Blake, "Poisson Image Editing" (2003): where two pictures meet their difference
is spread over one of them, so that none is left at the seam.
"""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.shapes import distance_to
from actors.engines.local.raster import gaussian, smoothly

_ENOUGH = 0.01
"""So much of the head's own neck, in squares of the face's height, says what tone the rest is to have."""
_SHADE = np.float32(0.86)
"""Without it the neck is taken to be so much darker than the lower edge of the face."""


def one_neck(colours: Rgb, head: Placed, body: Rgb, throat: Plane) -> tuple[Rgb, Plane]:
    """`body` (h, w, 3) with the head's own neck, of these `colours`, where `throat` (h, w) says that neck shows.

    And how far the neck is the head's own there, (h, w) 0 to 1.
    """
    place = head.frame
    unit = place.height
    across, down = place.coordinates(throat.shape)
    own = (head.neck > 0.6) & (throat > 0.5)
    if own.sum() >= _ENOUGH * unit**2:
        inside = distance_to(~(own | (head.alpha > 0.5))) / np.float32(0.07 * unit)
        kept = smoothly(inside) * (1 - smoothly((down - place.chin - 0.15) / 0.4)) * head.neck * throat
        reach = max(1.0, 0.05 * unit)
        near = gaussian(own.astype(np.float32), reach)
        difference = gaussian((colours - body) * own[..., None], reach) / np.maximum(near, 1e-3)[..., None]
        spread = smooth_fill(difference, np.clip(near * 3 - 0.5, 0, 1) * own)
    else:
        lower = (head.oval > 0.9) & (throat > 0.5) & (down > place.chin - 0.16) & (np.abs(across) < 0.35)
        if lower.sum() < _ENOUGH * unit**2:
            return body, np.zeros_like(throat)
        kept = np.zeros_like(throat)
        spread = (colours[lower] * _SHADE - body[lower]).mean(axis=0)
    # Folds and strands of the old neck go, its grain and its light stay.
    grain, broad = max(0.6, 0.003 * unit), max(1.0, 0.06 * unit)
    seen = np.maximum(gaussian(throat, broad), 1e-3)[..., None]
    even = gaussian(body * throat[..., None], broad) / seen + (body - gaussian(body, grain)) / 2
    body = body + (even - body) * (throat * (1 - smoothly((down - place.chin - 0.1) / 0.4)))[..., None]
    levelled = body + spread * (throat * (1 - smoothly((down - place.chin - 0.25) / 0.6)))[..., None]
    return np.clip(levelled + kept[..., None] * (colours - levelled), 0, 1).astype(np.float32), kept
