"""A person's matte: from what stands out, over what belongs to a person, to single hairs."""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb8, as_rgb
from actors.engines.local.perception.belonging import decided, ending, of_people, without_loose
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.guided import solved_alpha, upsampled_alpha
from actors.engines.local.perception.nearby import alike
from actors.engines.local.perception.people import Sight, people
from actors.engines.local.perception.pose import LEFT_SHOULDER, NOSE, RIGHT_SHOULDER, Pose
from actors.engines.local.perception.saliency import subject
from actors.engines.local.perception.selfie import selfies_among
from actors.engines.local.raster import extent, gaussian, grown, resized, resized_linear, shrunk
from actors.engines.local.runtimes import Runtimes


class Effort(Struct, frozen=True):
    """How much work a matte may take.

    `closer`: look at the enlarged head too; `whole` and `head`: long edge in pixels at which the band around the
    person, and around the head, is solved. Without `whole` nothing is solved but hair, and that only where the
    network's own edge isn't sharp: colours fray cloth, skin and shoes before what is like them.
    """

    closer: bool
    head: int
    whole: int | None = None


Part = TypeVar("Part", bound=NDArray[Any])


class Box(Struct, frozen=True):
    """A part of a picture, in whole pixels; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def of(self, image: Part) -> Part:
        """The part itself, of any array (h, w, ...)."""
        part: Any = np.ascontiguousarray(image[self.top : self.bottom, self.left : self.right])
        return part

    def into(self, plane: Plane, part: Plane) -> Plane:
        """`plane` (h, w) with `part` in this place."""
        result = plane.copy()
        result[self.top : self.bottom, self.left : self.right] = part
        return result


_SURE_FRONT, _SURE_BACK = 0.9, 0.1
_INNER, _OUTER = 7 / 1024, 12 / 1024
"""The uncertain band reaches so far into and out of the coarse matte, as shares of the long edge."""
_HEAD_INNER, _HEAD_OUTER = 6 / 512, 12 / 512
"""The same for the enlarged head: hair reaches further, relative to what the coarse matte sees."""
_WINDOW = 3 / 512
"""Within so much around a pixel, as a share of the long edge, alpha is linear in colour."""
_CHEST, _CHIN = 1.4, 0.4
"""How far below the nose a part of the picture ends that holds the shoulders, too, or hair alone: in their breadths."""
_BROAD = 2.5 / 1024
"""What is half transparent further than so from either side, as a share of the long edge, is no sharp edge."""
_FADES = 0.012
"""So far from the picture's border, as a share of its long edge, the network isn't sure of anything."""
_GLANCES, _MORE = 1, 3
"""Looks at a whole picture that tell where its people are, and more of them that tell their outline."""
_REACH = 0.35
"""So far around people, as a share of them, things are looked for that are theirs."""
_AGREE = 0.9
"""A closer look counts if it agrees with the first in this share of its pixels."""


def coarse_matte(
    image: Rgb8,
    person: Pose | None,
    faces: Sequence[Detection],
    effort: Effort,
    runtimes: Runtimes,
    step: Callable[[str], None],
) -> tuple[Plane, float]:
    """The person's matte (h, w) as the networks see it: right as a whole, soft and blurred at the edge.

    With it comes how much of it they couldn't decide on: nothing, for whoever brought a model, which is trusted. `step`
    is told what comes next, and may raise to stop.
    """
    step("Finding the outline")
    seen, salient, box, features = _seen(image, runtimes, step)
    runtimes.rest()
    rough = selfies_among(salient, image, runtimes)
    like = None
    if trusted := runtimes.matte is not None:
        seen = _near_edge(seen, salient)
    elif features and effort.whole is None:
        votes = [box.of(plane) for plane in (seen, salient, rough)]
        like = box.into((salient + rough) / 2, alike(box.of(image), features, votes))
    theirs = _to_the_border(of_people(image, salient, seen, rough, person, trusted=trusted))
    alpha, doubt = decided(theirs, salient, rough, like)
    hair = head_box(image, person, faces, below=_CHIN) if effort.whole is None else None
    if hair is not None:
        alpha = _put(alpha, hair.of(decided(theirs, salient, rough, hair_of=image)[0]), hair)
    alpha = without_loose(alpha, seen, salient)
    head = head_box(image, person, faces) if effort.closer else None
    if head is not None and _is_closer(head, image):
        step("Looking closer at the head")
        part, old = people(head.of(image), runtimes), head.of(alpha)
        alpha = _put(alpha, _near_edge(old, part), head) if _agree(old, part) else alpha
    return alpha, 0.0 if trusted else doubt


def _seen(image: Rgb8, runtimes: Runtimes, step: Callable[[str], None]) -> tuple[Plane, Plane, Box, list[Floats]]:
    """Where people are (h, w), and what stands out around them: looked at closely where they are but a part of it.

    With it come the part that was looked at, and the features of that.
    """
    sight = Sight(image, runtimes)
    glance = sight.after(_GLANCES)
    step("Looking closer at the person")
    body = _body_box(glance)
    if body is None or not _is_closer(body, image):
        all_of_it = Box(0, 0, image.shape[1], image.shape[0])
        return sight.after(_MORE), subject(image, runtimes), all_of_it, sight.features
    close = Sight(body.of(image), runtimes)
    part = close.after(_MORE)
    runtimes.rest()
    seen = _put(glance, part, body) if _agree(body.of(glance), part) else sight.after(_MORE)
    around = _body_box(glance, _REACH) or body  # whole with what they hold or sit on
    looked_at = around.into(np.zeros_like(seen), np.ones((around.height, around.width), np.float32)) > 0
    salient = ending(subject(around.of(image), runtimes), around.of(seen), around.of(~shrunk(looked_at, 2)))
    return seen, around.into(np.zeros_like(seen), salient), body, close.features


def refined_matte(
    image: Rgb8,
    coarse: Plane,
    person: Pose | None,
    faces: Sequence[Detection],
    effort: Effort,
    step: Callable[[str], None],
) -> Plane:
    """`coarse` with its edge, hair above all, taken from the picture's own colours. (h, w), 0 to 1."""
    body = _body_box(coarse)
    if body is None:
        return coarse
    step("Cutting out the edge")
    if effort.whole is None:
        alpha, sharp, below = coarse, _is_sharp(coarse), _CHIN
    else:
        # The rest of the picture has no edge; left out, it takes neither time nor what the edge can be solved at.
        solved = _solved(body.of(image), body.of(coarse), effort.whole, _INNER, _OUTER)
        alpha, sharp, below = body.into(np.zeros_like(coarse), solved), None, _CHEST
    head = head_box(image, person, faces, below=below)
    if head is not None and (sharp is not None or _is_closer(head, image)):
        step("Cutting out the hair")
        known = None if sharp is None else head.of(sharp)
        part = _solved(head.of(image), head.of(coarse), effort.head, _HEAD_INNER, _HEAD_OUTER, known)
        alpha = _put(alpha, part, head)
    return np.clip((alpha - 0.02) / 0.96, 0, 1)


def head_box(image: Rgb8, person: Pose | None, faces: Sequence[Detection], *, below: float = _CHEST) -> Box | None:
    """The head with its hair, down to `below` breadths of the shoulders under the nose; None if nobody's is known."""
    if person is not None:
        middle = (person.points[LEFT_SHOULDER] + person.points[RIGHT_SHOULDER]) / 2
        unit = max(person.shoulders, 1.6 * float(np.hypot(*(middle - person.points[NOSE]))))
        centre = person.points[NOSE]
    elif faces:
        face = max(faces, key=lambda face: face.height)
        unit = 1.8 * face.height
        centre = face.middle
    else:
        return None
    return _box(
        image.shape, centre[0] - 1.3 * unit, centre[1] - 1.2 * unit, centre[0] + 1.3 * unit, centre[1] + below * unit
    )


def _box(shape: tuple[int, ...], left: float, top: float, right: float, bottom: float) -> Box | None:
    height, width = shape[:2]
    box = Box(int(max(0, left)), int(max(0, top)), int(min(width, right)), int(min(height, bottom)))
    return box if min(box.width, box.height) >= 32 else None  # less has nothing to show


def _is_closer(box: Box, image: Rgb8) -> bool:
    """Whether the part fills the network's small input so much better that a look at it tells more."""
    height, width = image.shape[:2]
    return box.width < 0.7 * width or box.height < 0.7 * height


def _agree(old: Plane, new: Plane) -> bool:
    return float(((new > 0.5) == (old > 0.5)).mean()) >= _AGREE


def _near_edge(old: Plane, new: Plane) -> Plane:
    """`new` near the edge of `old`, else `old`: a closer look tells more of the edge, but less of what is what.

    Where the two differ by more than an edge's place, as in a hand that the closer look takes for background, the first
    is right.
    """
    size = max(old.shape)
    reach, least = max(2, round(0.03 * size)), max(2, round(0.006 * size))
    band = grown(old > _SURE_BACK, reach) & ~shrunk(old > _SURE_FRONT, reach)
    differs = grown(shrunk(np.abs(new - old) > 0.35, least), 2 * least)
    weight = gaussian(band.astype(np.float32), reach / 3) * (1 - gaussian(differs.astype(np.float32), least))
    return old + weight * (new - old)


def _to_the_border(alpha: Plane) -> Plane:
    """`alpha` with what reaches the picture's border as dense there as just inside: the network fades it out."""
    result = alpha.copy()
    depth = max(2, round(_FADES * max(alpha.shape)))
    for side in (result, result[::-1], result.T, result.T[::-1]):
        rim = side[:depth]
        rim[:] = np.where(rim > 0.5, np.maximum(rim, side[depth]), rim)  # less may be the haze over hair
    return result


def _body_box(alpha: Plane, reach: float = 0.12) -> Box | None:
    """The box around everything found, with some air: a share of its longer side."""
    around = extent(alpha > 0.5)
    if around is None:
        return None
    rows, columns = around
    air = reach * max(rows.stop - rows.start, columns.stop - columns.start)
    return _box(alpha.shape, columns.start - air, rows.start - air, columns.stop + air, rows.stop + air)


def _put(alpha: Plane, part: Plane, box: Box) -> Plane:
    """`alpha` with `part` in its place, faded in from its sides, if the two agree; else as it was."""
    old = box.of(alpha)
    if not _agree(old, part):
        return alpha
    height, width = alpha.shape
    down = _ramp(box.height, 0.25, fade_start=box.top > 0, fade_end=box.bottom < height)
    across = _ramp(box.width, 0.15, fade_start=box.left > 0, fade_end=box.right < width)
    return box.into(alpha, old + np.minimum(down[:, None], across[None, :]) * (part - old))


def _ramp(length: int, share: float, *, fade_start: bool, fade_end: bool) -> Plane:
    """Weights that rise from 0 to 1 over `share` of the length at the ends that fade."""
    full, rise = np.ones(length, np.float32), np.arange(length, dtype=np.float32) / (share * length)
    return np.minimum.reduce([full, rise if fade_start else full, rise[::-1] if fade_end else full])


def _solved(image: Rgb8, coarse: Plane, side: int, inner: float, outer: float, sharp: Mask | None = None) -> Plane:
    """The band around `coarse` solved at a long edge of `side` and brought back to full size, but for the `sharp`."""
    height, width = coarse.shape
    scale = min(1.0, side / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small_image, small_coarse = as_rgb(resized(image, *size)), np.clip(resized(coarse, *size), 0, 1)
    front, back = _known(small_coarse, inner, outer)
    prepared = np.where(front, np.float32(1), np.where(back, np.float32(0), small_coarse))
    known = front | back
    if sharp is not None:
        known |= resized_linear(sharp.astype(np.float32), *size) > 0.5
    radius = max(2, round(_WINDOW * max(size)))
    alpha = solved_alpha(small_image, prepared, known, radius=radius)
    if scale < 1:
        alpha = upsampled_alpha(small_image, alpha, as_rgb(image), radius=3, epsilon=1e-5)
        certain_front = resized_linear(front.astype(np.float32), width, height)
        certain_back = resized_linear(back.astype(np.float32), width, height)
        alpha = np.where(certain_front >= 1, np.float32(1), np.where(certain_back >= 1, np.float32(0), alpha))
    if sharp is not None:
        alpha += gaussian(sharp.astype(np.float32), 2.0) * (coarse - alpha)
    return alpha


def _is_sharp(coarse: Plane) -> Mask:
    """Where no half transparent part is much broader than the edge of something in focus."""
    size = max(coarse.shape)
    least = max(1, round(_BROAD * size))
    soft = (coarse > _SURE_BACK) & (coarse < _SURE_FRONT)
    return ~grown(shrunk(soft, least), least + round(_OUTER * size))


def _known(coarse: Plane, inner: float, outer: float) -> tuple[Mask, Mask]:
    """Where the subject and where the background is certain."""
    long_edge = max(coarse.shape)
    front = shrunk(coarse > _SURE_FRONT, max(2, round(inner * long_edge)))
    back = ~grown(coarse > _SURE_BACK, max(3, round(outer * long_edge)))
    return front, back
