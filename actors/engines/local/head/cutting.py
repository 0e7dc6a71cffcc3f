"""Cutting a head off: which part of a person is face, ears, hair and what sits on it, and which is neck and clothes.

No model here knows hair from clothes, so colours decide: what is above the eyes is the head's, what is below the jaw
and in the middle of the chest is not, and the rest is divided by how much more often each colour occurs in the one than
in the other. The outline against the background is the matte's.
"""

import numpy as np
from msgspec import structs

from actors.engines.local.arrays import Floats, Mask, Plane, Points, Rgb, as_rgb
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.likeness import Cells, cells, likeness
from actors.engines.local.perception.guided import upsampled_alpha
from actors.engines.local.perception.landmarks import JAW, LEFT_CHEEK, OVAL, RIGHT_CHEEK
from actors.engines.local.perception.pose import LEFT_SHOULDER, RIGHT_SHOULDER
from actors.engines.local.raster import gaussian, lab, mean_near, resized, resized_linear, touching
from actors.engines.local.shapes import closed, distance_to, narrowed, opened, polygon, widened

_UNIT = 80
"""Height of the face in pixels at which the division is made."""
_THROAT = 0.28
"""So far to each side what is under the jaw is neck and nothing else, in heights of the face."""
_NAPE = 0.8
"""So far the neck shows behind the jaw, in heights of the face, for each by which one cheek is nearer."""
_STRAND, _LONG = 0.07, 0.3
"""Hair that hangs is at least so broad beside the face, and long if it reaches so far below the eyes."""
_NARROW, _NECK = 0.25, 0.75
"""A neck is narrowest no further than that below the chin and above the shoulders, in heights of the face."""
_EAR, _SURELY = 0.12, 1.0
"""Where less than an ear is beside a neck there is none but it; above, so far aside all is the head's own, likewise."""
_HAIR = 0.6
"""Such a likeness to the hair above makes what is below more of it."""
_RIM, _BESIDE, _CLOTH, _BEARD = 0.06, 0.15, 0.7, 0.15
"""So far in and out of the face's edge clothes may be, likewise, where so much of what is around is, in colours that
are as likely theirs; a beard's are so far below the eyes."""
_LAPEL, _COLLAR = 2, 0.25
"""Half the least breadth of clothes, in pixels of the division; so far below the chin, likewise, some are."""
_SAME = 14.0
"""A difference in L*a*b* within which two sides of a border may be one thing."""


class Head(Portrait, frozen=True):
    """A portrait, and what of it is head.

    `share` (h, w) 0 to 1 divides the person, whatever their matte: 1 is head, 0 is neck, body, hands. `oval` (h, w)
    is the face.
    """

    share: Plane
    oval: Plane


def head_of(portrait: Portrait) -> Head:
    """Where the head is in `portrait`."""
    height, width = portrait.alpha.shape
    scale = min(1.0, _UNIT / portrait.frame.height)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    guide = as_rgb(resized(portrait.image, *size))
    values = lab(guide)
    colours = cells(values)
    alpha = np.clip(resized(portrait.alpha, *size), 0, 1)
    points = portrait.face.points * np.array([size[0] / width, size[1] / height], np.float32)
    place = frame(points)
    across, down = place.coordinates(alpha.shape)
    oval = polygon(alpha.shape, points[list(OVAL)]) > 0.5
    left, right = portrait.face.depth[[LEFT_CHEEK, RIGHT_CHEEK]] / portrait.frame.height
    neck = _neck(alpha.shape, points, place, float(right - left))
    person = alpha > 0.5
    hair = _hair(guide, colours, person, oval, neck, place)
    # The face's colours, in whatever light.
    skin = np.linalg.norm((values - np.median(values[oval], axis=0)) * [0.5, 1, 1], axis=2) < _SAME
    throat = neck & ((np.abs(across) < _THROAT) | skin)
    # Where background parts hair and shoulders, the matte has told already what is the head's.
    sides = portrait.face.points[:0] if portrait.pose is None else portrait.pose.points[[LEFT_SHOULDER, RIGHT_SHOULDER]]
    low = float(portrait.frame.of(sides)[:, 1].max(initial=place.chin + _NARROW))
    over, under = _parted(person & ~neck & ~oval, across, down, place.height, (low - _NECK, low), _EAR, -1)
    ears = person & (np.abs(across) < 0.72) & (down > -0.25) & (down < np.where(over, place.chin - 0.25, _LONG - 0.05))
    hair = (hair | (person & over & ~neck & ~skin & (np.abs(across) < _SURELY))) & ~under
    # Without specks and what hangs on by a thread.
    head = opened((hair & ~throat) | (ears & ~under) | oval, 2) | oval
    head = touching(closed(head, 3), oval) & (down < place.chin + 1.8)
    # Below the end of the hair there is a collar, a lapel, a shoulder.
    head &= oval | ~_parted(head & ~oval, across, down, place.height, (_LONG, np.inf), _STRAND, 0)[1]
    head |= _going_on(colours, head, person, oval) & ~throat & ~skin & (down > _LONG) & ~under
    clothes = opened(person & ~head & ~throat & ~skin, _LAPEL)
    clothes = touching(clothes, clothes & (down > place.chin + _COLLAR))
    worn = _worn(values, colours, oval, head, hair, clothes, down)
    head &= ~worn
    # What isn't the person's belongs to whatever of them is nearer, so that single hairs come along.
    body = person & ~head
    low = np.clip(0.5 + (distance_to(body) - distance_to(head)) / 3, 0, 1)
    share = gaussian(resized_linear(low.astype(np.float32), width, height), max(0.5, 0.4 / scale))
    full_oval = polygon(portrait.alpha.shape, portrait.face.points[list(OVAL)])
    bare = gaussian(resized_linear(throat.astype(np.float32), width, height), max(0.5, 0.008 * portrait.frame.height))
    share = np.maximum(share * (1 - bare), full_oval)
    if worn.any():
        found = upsampled_alpha(guide, worn.astype(np.float32), as_rgb(portrait.image), radius=2, epsilon=1e-3)
        share, full_oval = (part * (1 - np.clip(2 * found, 0, 1)) for part in (share, full_oval))
    return Head(**structs.asdict(portrait), share=share, oval=full_oval)


def _neck(shape: tuple[int, ...], points: Points, place: Frame, aside: float) -> Mask:
    """The space under the jaw, and behind it where the head is turned `aside`, which is never hair's nor face's."""
    jaw = points[list(JAW)]
    drop = place.down * place.height * 0.9
    inwards = place.across * place.height * 0.05
    first, last = jaw[0], jaw[-1]
    nape = _NAPE * place.height * aside * place.across
    first_low, last_low = first + drop + inwards, last + drop - inwards
    right, left = nape * (aside > 0), nape * (aside < 0)
    corners = [last + right, last_low + right, first_low + left, first + left]
    area = polygon(shape, np.concatenate([jaw, corners]))
    return (area > 0.5) & (polygon(shape, points[list(OVAL)]) < 0.5)


def _hair(guide: Rgb, colours: Cells, person: Mask, oval: Mask, neck: Mask, place: Frame) -> Mask:
    """Hair and hats: what is above the eyes, and of the rest what has the colours of that more than of the body."""
    across, down = place.coordinates(person.shape)
    aside = np.abs(across)
    above = person & (down < -0.05) & (aside < 0.9) & ~oval
    body = (neck & (aside < _THROAT)) | oval | ((down > place.chin) & (aside < _THROAT))
    body |= (down > place.chin + 1.8) | ((aside > 1.3) & (down > 0.25)) | (aside > 1.7)
    # Beside the face there is hair rather than anything else; the further below and aside, the less.
    doubt = 0.4 + 0.25 * np.clip(down - place.chin + 0.3, 0, 1) + 0.3 * np.clip(aside - 0.9, 0, 1)
    first, second = above & ~widened(oval, 2), body & person
    found = above
    for _ in range(3):
        share = likeness(colours, first, second) * person
        share = upsampled_alpha(guide, gaussian(share, 1.0), guide, radius=3, epsilon=1e-3)
        found = above | (person & ~body & (share > doubt))
        first, second = found & ~widened(oval, 2), person & ~found
    return found


def _worn(values: Floats, colours: Cells, oval: Mask, head: Mask, hair: Mask, clothes: Mask, down: Plane) -> Mask:
    """What is clothes before or beside the face's edge: like those next to it rather than the face, or hair above."""
    reach = _RIM * _UNIT
    face = narrowed(oval, reach)
    near = gaussian(clothes.astype(np.float32), reach) > _BESIDE
    to_face = np.linalg.norm(values - mean_near(values, face, reach), axis=2)
    worn = head & (down > 0) & widened(oval, reach) & ~face & near & (to_face > _SAME)
    beard, above = (likeness(colours, clothes, it) > _CLOTH for it in (face & (down > _BEARD), hair & (down < 0)))
    return worn & beard & (above | ~hair)


def _parted(
    beside: Mask, across: Plane, down: Plane, unit: float, among: tuple[float, float], least: float, which: int
) -> tuple[Mask, Mask]:
    """What is above and what below the level on either side at which less than `least` is `beside` the face, if any is.

    It is looked for `among` these, and `which` of them it is, 0 the first and -1 the last; all in heights of the face.
    """
    end = np.full(beside.shape, np.nan, np.float32)
    levels = np.round(down * unit).astype(np.int64)
    for side in (across < 0, across > 0):
        broad = np.bincount(levels[beside & side & (down > 0)], minlength=max(1, int(levels.max()) + 2))
        thin = np.flatnonzero(broad < least * unit)
        if len(ends := thin[(thin >= among[0] * unit) & (thin < among[1] * unit)]):
            end[side] = ends[which]
    return levels < end, levels >= end


def _going_on(colours: Cells, head: Mask, person: Mask, oval: Mask) -> Mask:
    """Where hair goes on that hangs together with that of `head`: ends, braids, what lies on shoulders."""
    hair = head & ~widened(oval, 2)
    more = likeness(colours, narrowed(hair, 1), (person & ~widened(head, 3)) | oval) > _HAIR
    more &= person & ~head
    more &= opened(more, 1.01)
    return more & touching(more | hair, hair)
