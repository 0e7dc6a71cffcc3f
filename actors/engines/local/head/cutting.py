"""Cutting a head off: which part of a person is face, ears, hair and what sits on it, and which is neck and clothes.

No model here knows hair from clothes, so colours decide: what is above the eyes is the head's, what is below the jaw
and
in the middle of the chest is not, and GrabCut divides the rest. The outline against the background is the matte's.
"""

# Shares of a face's height and steps of L*a*b* stand where they are used.
# ruff: noqa: PLR2004

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Mask, Plane
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.head.shapes import (
    BACK,
    FRONT,
    PERHAPS_BACK,
    PERHAPS_FRONT,
    distance_to,
    narrowed,
    polygon,
    two_parted,
    widened,
)
from actors.engines.local.perception.landmarks import JAW, OVAL
from actors.engines.local.raster import components, gaussian, resized, resized_linear

_UNIT = 80
"""Height of the face in pixels at which the division is made."""
_JAW_ENDS = 0, 12


class Head(Struct, frozen=True):
    """A head's share of its portrait.

    `share` (h, w) 0 to 1 divides the person, whatever their matte: 1 is head, 0 is neck, body, hands. `oval` (h, w)
    is the
    face. In heights of the face: `top` is how far the head's highest point is from its eyes (negative), `low` the
    lowest,
    so well below the chin it has long hair; `size` is the mean of its height to the chin and its width, hair and all.
    """

    share: Plane
    oval: Plane
    top: float
    low: float
    size: float


def head_of(portrait: Portrait) -> Head:
    """Where the head is in `portrait`."""
    height, width = portrait.alpha.shape
    scale = min(1.0, _UNIT / portrait.frame.height)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    image = resized(portrait.image, *size)
    alpha = np.clip(resized(portrait.alpha, *size), 0, 1)
    points = portrait.face.points * np.array([size[0] / width, size[1] / height], np.float32)
    place = frame(points)
    across, down = place.coordinates(alpha.shape)
    oval = polygon(alpha.shape, points[list(OVAL)]) > 0.5
    neck = _neck(alpha.shape, points, place)
    person = alpha > 0.5
    known = _known(across, down, person, oval, neck, place)
    front = two_parted(image, known, rounds=3)
    ears = person & (np.abs(across) < 0.72) & (down > -0.25) & (down < place.chin - 0.25)
    head = _one_piece((front & person & ~neck & (known != BACK)) | ears | oval, oval, down, place)
    top, low_end = (float(v) for v in np.percentile(down[head], [0.3, 99.7]))
    beside = np.percentile(across[head & (down < place.chin)], [1, 99])
    around = (place.chin - top + 1.25 * float(beside[1] - beside[0])) / 2
    # What isn't the person's belongs to whatever of them is nearer, so that single hairs come along.
    body = person & ~head
    low = np.clip(0.5 + (distance_to(body) - distance_to(head)) / 3, 0, 1)
    share = gaussian(resized_linear(low.astype(np.float32), width, height), max(0.5, 0.4 / scale))
    full_oval = polygon(portrait.alpha.shape, portrait.face.points[list(OVAL)])
    full_neck = _neck(portrait.alpha.shape, portrait.face.points, portrait.frame).astype(np.float32)
    share = np.maximum(share * (1 - gaussian(full_neck, max(0.5, 0.008 * portrait.frame.height))), full_oval)
    return Head(share, full_oval, top, low_end, around)


def _neck(shape: tuple[int, ...], points: "Plane", place: Frame) -> Mask:
    """The space under the jaw, which is never hair's nor face's."""
    jaw = points[list(JAW)]
    drop = place.down * place.height * 0.9
    inwards = place.across * place.height * 0.05
    first, last = jaw[_JAW_ENDS[0]], jaw[_JAW_ENDS[1]]
    area = polygon(shape, np.concatenate([jaw, [last + drop - inwards], [first + drop + inwards]]))
    return (area > 0.5) & (polygon(shape, points[list(OVAL)]) < 0.5)


def _known(
    across: Plane, down: Plane, person: Mask, oval: Mask, neck: Mask, place: Frame
) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """What is known before colours are asked."""
    aside = np.abs(across)
    known = np.full(person.shape, PERHAPS_BACK, np.uint8)
    known[person & (down < place.chin + 0.1) & (aside < 1.0)] = PERHAPS_FRONT
    known[person & (down < -0.05) & (aside < 0.9)] = FRONT
    known[~person | neck | oval] = BACK
    known[(down > place.chin) & (aside < 0.3)] = BACK
    known[(down > place.chin + 1.7) | ((aside > 1.15) & (down > 0.25)) | (aside > 1.6)] = BACK
    return known


def _one_piece(head: Mask, oval: Mask, down: Plane, place: Frame) -> Mask:
    """`head` without specks and without what hangs on by a thread."""
    head = widened(narrowed(head, 2), 2) | oval
    head = narrowed(widened(head, 3), 3)
    labels, _ = components(head)
    middle = np.bincount(labels[oval & head]).argmax() if (oval & head).any() else 0
    return (labels == middle) & (down < place.chin + 1.8)
