"""The crown of a head that the border of its photo cuts: rounded off where little of it is missing."""

import cv2
import numpy as np
from msgspec import structs

from actors.engines.local.head.cutting import Head
from actors.engines.local.head.frame import frame
from actors.engines.local.head.portrait import Portrait

_BROAD = 0.85
"""A border as broad as this share of the head cuts more of it off than a few strands of hair."""
_HIGH = 0.35
"""So much, in heights of the face, is added at most."""


def crowned(portrait: Portrait, head: Head) -> tuple[Portrait, Head]:
    """Both with a crown, if the picture's upper border cuts a head off that is an ellipse in its broadest part.

    The hair goes on as its own mirror image. Too much missing, or none: as they were.
    """
    cut = (portrait.alpha * head.share > 0.5)[: max(1, int(portrait.frame.place(0, 0)[1]))]
    breadths = cut.sum(axis=1)
    if not breadths[0] or breadths[0] > _BROAD * breadths.max():
        return portrait, head
    ends = np.flatnonzero(cut[0])
    slope = float(np.sqrt(1 - (breadths[0] / breadths.max()) ** 2))
    high = int(breadths.argmax() * (1 / slope - 1))
    if not 1 <= high <= _HIGH * portrait.frame.height:
        return portrait, head
    x = (np.arange(cut.shape[1], dtype=np.float32) - ends.mean()) * np.float32(2 / (np.ptp(ends) + 1))
    reach = high * np.sqrt(np.clip(1 - x**2, 0, 1))
    dome = np.clip(reach[None] - np.arange(high, 0, -1)[:, None] + 0.5, 0, 1).astype(np.float32)
    down = np.array([0, high], np.float32)
    moved = structs.replace(portrait.face, points=portrait.face.points + down)
    image = cv2.copyMakeBorder(portrait.image, high, 0, 0, 0, cv2.BORDER_REFLECT)
    alpha = np.concatenate([dome, portrait.alpha])
    whole = structs.replace(portrait, image=image, alpha=alpha, face=moved, frame=frame(moved.points))
    blank = np.zeros_like(dome)
    return whole, structs.replace(
        head, share=np.concatenate([blank + 1, head.share]), oval=np.concatenate([blank, head.oval])
    )
