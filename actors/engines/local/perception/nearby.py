"""Whose a part of a picture is, by what a network knew of it before it decided."""

from collections.abc import Sequence

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb8, as_rgb
from actors.engines.local.likeness import told_apart
from actors.engines.local.perception.guided import upsampled_alpha
from actors.engines.local.raster import lab, resized, resized_linear, shrunk

_MOST_HAVE, _ALL_DENY = 0.85, 0.15
"""What most networks are so sure of is people's; what none gives as much as that is others'."""


def alike(image: Rgb8, features: Sequence[Floats], votes: Sequence[Plane]) -> Plane:
    """How like people's the `features` (n, rows, columns) and colours of `image` (h, w, 3) are, 0 to 1.

    Learnt from this picture alone, from what most of its `votes` (h, w) have and all deny; their mean without either.
    """
    height, width = sorted(one.shape[1:] for one in features)[-2:][0]  # the finest tell little, and take long
    said = [np.clip(resized(vote, width, height), 0, 1) for vote in votes]
    theirs, others = shrunk(np.median(said, axis=0) > _MOST_HAVE, 1), shrunk(np.max(said, axis=0) < _ALL_DENY, 1)
    if min(theirs.sum(), others.sum()) < width:  # less than a line of pixels
        return np.asarray(np.mean(votes, axis=0))
    small, finer = (as_rgb(resized(image, scale * width, scale * height)) for scale in (1, 4))
    found = told_apart([*features, lab(small).transpose(2, 0, 1)], theirs, others)
    return resized_linear(upsampled_alpha(small, found, finer, radius=2, epsilon=1e-3), *image.shape[1::-1])
