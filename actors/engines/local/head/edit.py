"""The edit itself: from the files of a request to the pictures of its outcome."""

# Shares of a face's height and of pixels stand where they are used.
# ruff: noqa: PLR2004

from pathlib import Path

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Plane, Points, Rgb, Rgb8, as_rgb, as_rgb8
from actors.engines.local.head.alignment import fitted
from actors.engines.local.head.clearing import cleared
from actors.engines.local.head.cutting import Head, head_of
from actors.engines.local.head.faces import Person, judge_together, the_person
from actors.engines.local.head.figures import figure_path
from actors.engines.local.head.frame import frame
from actors.engines.local.head.joining import as_sharp_as, joined, lit, placed
from actors.engines.local.head.portrait import Portrait, portrait
from actors.engines.local.head.skin import (
    Shifts,
    Skin,
    Tone,
    face_tone,
    limb_skin,
    neck_skin,
    retoned,
    shifts,
    skin_shift,
)
from actors.engines.local.perception.matte import Box, Effort
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.pictures.writing import Made, Outcome
from actors.engines.local.raster import lab
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from schema.models.edits import LONG_EDGE, HeadSwapConfig, Quality, Size

PLAN = {
    "Opening the photos": 0,
    "Finding the faces": 4,
    "Cutting out the head": 12,
    "Looking at the figure": 34,
    "Fitting the head": 56,
    "Matching the skin": 62,
    "Taking the old head away": 68,
    "Putting the head on": 88,
    "Saving the pictures": 94,
}
"""Every step, with the percentage at its start."""

_EFFORTS = {
    Quality.STANDARD: Effort(mirror_all=False, whole=640, head=512),
    Quality.HIGH: Effort(mirror_all=True, whole=896, head=640),
    Quality.ULTRA: Effort(mirror_all=True, whole=1280, head=896),
}
_STRENGTH = 0.75
"""`blend_strength` when nothing is asked."""
_SEEN = 0.2
"""A change in L*a*b* below which nothing is to be seen."""
_SOURCE_EDGE = 2048
"""Long edge in pixels at which the source is looked at: only its head is used."""
_SPARE = 1.3
"""The head is worked on at this much more than the size it will have."""
_FAR = 22
"""A change in lightness that shadows and highlights of the old skin show through."""
_SOFT = 1.6
"""A head enlarged this much looks soft."""


class Swap(Struct, frozen=True):
    """What came of it, and how.

    `image` is the canvas with the new head. `box` is the part of the canvas that was worked on; in its pixels: `aim`
    (468, 2) where the landmarks were to go, `head` the new head's alpha, `made` what was filled in, `throat` where neck
    shows (h, w, 0 to 1).
    """

    image: Rgb8
    box: Box
    aim: Points
    head: Plane
    made: Plane
    throat: Plane
    warnings: list[str]


def swap_head(
    source: Path, reference: Path | None, config: HeadSwapConfig, max_pixels: int, runtimes: Runtimes, step: Steps
) -> Made:
    """Put the head of the person in `source` on the figure in `reference`, or on a figure that comes with Darkroom.

    Raises:
        EngineError: a file can't be read, the configuration doesn't fit, or the photos don't suit each other.
        ModelMissingError: a model isn't installed.
        StoppedError: `step` said so.
    """
    step("Opening the photos")
    chosen = reference if reference is not None else figure_path(config.figure_preset)
    edge = LONG_EDGE[config.size or Size.MEDIUM]
    photo = open_picture(source, role="source", max_pixels=max_pixels, long_edge=_SOURCE_EDGE)
    canvas = open_picture(chosen, role="reference", max_pixels=max_pixels, long_edge=edge)
    made = swapped(photo, canvas, config, runtimes, step)
    return Made(Outcome(made.image), photo, made.warnings)


def swapped(photo: Picture, canvas: Picture, config: HeadSwapConfig, runtimes: Runtimes, step: Steps) -> Swap:
    """The figure of `canvas` with the head of `photo`. Raises what `swap_head` does, but for files."""
    effort = _EFFORTS.get(config.quality or Quality.STANDARD, _EFFORTS[Quality.STANDARD])
    step("Finding the faces")
    person, figure = the_person(photo, "source", runtimes), the_person(canvas, "reference", runtimes)
    judge_together(person, figure)
    step("Cutting out the head")
    scale = min(1.0, _SPARE * frame(figure.face.points).height / frame(person.face.points).height)
    ours = portrait(photo, person.face, person.pose, person.found, scale=scale, effort=effort, runtimes=runtimes)
    head = head_of(ours)
    step("Looking at the figure")
    theirs = portrait(canvas, figure.face, figure.pose, figure.found, scale=1.0, effort=effort, runtimes=runtimes)
    old_head = head_of(theirs)
    step("Fitting the head")
    fit = fitted(ours.face.solid, theirs.face.solid, head_size=head.size, figure_size=old_head.size)
    fresh = placed(ours, head, fit, theirs.alpha.shape)
    step("Matching the skin")
    image = as_rgb(theirs.image)
    values = lab(image)
    tone = face_tone(values, theirs.face.points)
    strength = _STRENGTH if config.blend_strength is None else config.blend_strength
    change = shifts(face_tone(lab(as_rgb(ours.image)), ours.face.points), tone, strength)
    skin = neck_skin(image, values, tone, theirs.alpha, theirs.frame, old_head.share)
    body = _in_tone(image, values, skin, tone, change)
    colours = lit(fresh, change)
    if config.preserve_details is False:
        colours = as_sharp_as(colours, fresh, image, theirs.frame)
    step("Taking the old head away")
    bare = cleared(theirs, old_head, body, skin.share, fit.aim)
    step("Putting the head on")
    throat = np.maximum(skin.share, bare.neck)
    part = joined(colours, fresh, bare.image, throat)
    whole = _limbs_in_tone(canvas, figure, tone, change)
    return Swap(
        image=_inserted(theirs, whole, part),
        box=theirs.box,
        aim=fit.aim,
        head=fresh.alpha,
        made=bare.made,
        throat=throat,
        warnings=_warnings(ours, fit.scale, head, change),
    )


def _in_tone(image: Rgb, values: Rgb, skin: Skin, tone: Tone, change: Shifts) -> Rgb:
    """`image` with `skin` in the tone it is to have."""
    if skin.mean is None or not np.abs(change.body).max() > _SEEN:
        return image
    moved = retoned(values, skin_shift(skin.mean, tone, change.body), skin.share, skin.mean)
    return np.where(skin.share[..., None] > 0, moved, image)


def _limbs_in_tone(canvas: Picture, figure: Person, tone: Tone, change: Shifts) -> Rgb:
    """The whole canvas with the skin of arms and legs in the new tone."""
    image = as_rgb(canvas.image)
    if figure.pose is None:
        return image
    values = lab(image)
    return _in_tone(image, values, limb_skin(image, values, tone, canvas.alpha, figure.pose), tone, change)


def _inserted(theirs: Portrait, whole: Rgb, part: Rgb) -> Rgb8:
    """`whole` with `part` in its place, wherever that is another than it was."""
    box = theirs.box
    here = slice(box.top, box.bottom), slice(box.left, box.right)
    changed: Plane = np.abs(part - as_rgb(theirs.image)).max(axis=2)
    share = np.clip(changed * 255 - 0.5, 0, 1)[..., None]
    result = as_rgb8(whole)
    result[here] = as_rgb8(part * share + whole[here] * (1 - share))
    return result


def _warnings(ours: Portrait, scale: float, head: Head, change: Shifts) -> list[str]:
    told: list[str] = []
    if scale * ours.scale > _SOFT:
        told.append("The head in the source photo is much smaller than the figure's, so it looks soft.")
    if ours.box.top == 0 and bool((ours.alpha[0] * head.share[0] > 0.5).any()):
        told.append("The top of the head is cut off in the source photo.")
    if abs(float(change.body[0])) > _FAR:
        told.append("Head and figure have very different skin tones, so the figure's skin may look uneven.")
    return told
