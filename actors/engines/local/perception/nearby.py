"""Whose colours a part of a picture has: those of people, or those of what is around them."""

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Rgb8, as_rgb
from actors.engines.local.likeness import unlikeness
from actors.engines.local.raster import components, lab

_AROUND = 40
"""So far around a part, in pixels, colours are compared."""
_NEAREST = 3
"""So many of the colours that are most alike are believed; one may be noise."""
_LEAST, _MOST = 20, 1500
"""Of fewer pixels nothing is said; of more, evenly chosen ones are asked."""


def likeness_nearby(image: Rgb8, parts: Mask, theirs: Mask, others: Mask) -> Plane:
    """How much more the `parts` (h, w) of a small `image` are in colours of `theirs` nearby than in those of `others`.

    1 is theirs, 0 is the others' (so is what both have), and a half what nobody can tell and what is in no part.
    """
    found = np.full(parts.shape, 0.5, np.float32)
    labels, stats = components(parts)
    if len(stats) == 1:
        return found
    colours = lab(as_rgb(image))
    for label, (left, top, across, down, _) in enumerate(stats[1:].tolist(), start=1):
        near = (
            slice(max(0, top - _AROUND), top + down + _AROUND),
            slice(max(0, left - _AROUND), left + across + _AROUND),
        )
        part, around = labels[near] == label, colours[near]
        ours, foreign = around[theirs[near] & ~part], around[others[near] & ~part]
        if min(len(ours), len(foreign)) >= _LEAST:
            to_ours, to_foreign = (
                unlikeness(around[part], known, nearest=_NEAREST, most=_MOST, about=0) for known in (ours, foreign)
            )
            found[near][part] = to_foreign / (to_ours + to_foreign + 1)
    return found
