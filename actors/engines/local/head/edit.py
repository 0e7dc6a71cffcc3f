"""The edit itself: from the files of a request to the pictures of its outcome."""

from pathlib import Path

import numpy as np
from msgspec import Struct, structs

from actors.engines.local.arrays import Mask, Plane, Points, Rgb8, as_rgb, as_rgb8
from actors.engines.local.head import judging
from actors.engines.local.head.alignment import fitted
from actors.engines.local.head.clearing import cleared
from actors.engines.local.head.crown import crowned
from actors.engines.local.head.cutting import Head, head_of
from actors.engines.local.head.faces import Person, judge_together, the_person
from actors.engines.local.head.figures import figure_path
from actors.engines.local.head.frame import frame
from actors.engines.local.head.joining import as_sharp_as, in_common, lit, placed
from actors.engines.local.head.neck import one_neck
from actors.engines.local.head.portrait import around_head, portrait
from actors.engines.local.head.skin import Skin, in_tone, limb_skin, limbs, own_skin
from actors.engines.local.head.tone import SEEN, Shifts, Tone, shifts
from actors.engines.local.perception.matte import Box, Effort
from actors.engines.local.perception.people import people
from actors.engines.local.perception.pose import Pose
from actors.engines.local.pictures.inserting import inserted
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.pictures.writing import Made, Outcome
from actors.engines.local.raster import extent, resized, resized_linear
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import widened
from actors.engines.local.steps import Steps
from schema.models.edits import BLEND_STRENGTH, LONG_EDGE, HeadSwapConfig, Quality, Size

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
    Quality.HIGH: Effort(closer=True, whole=896, head=640),
    Quality.ULTRA: Effort(closer=True, whole=1280, head=896),
}
SOURCE_EDGE = 2048
"""Long edge in pixels at which the source is looked at: only its head is used."""
_SPARE = 1.3
"""The head is worked on at this much more than the size it will have."""
_LARGEST = 1_500_000
"""The figure's head and shoulders are worked on in at most so many pixels, for memory; what stays keeps all its own."""
_SOMEBODY, _SEEN = 0.5, 0.4
_OUTLINE, _ASIDE = 0.3, 0.2
"""A body is no further, in breadths of the shoulders, from its pose's silhouette, where that is so much."""
_SOFT = 1.6
"""A head enlarged this much looks soft."""
_SOFT_HEAD = "The head in the source photo is much smaller than the figure's, so it looks soft."
_MADE_CROWN = "The border of the source photo cuts the top of the head off; it was made up from the hair beside it."


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
    photo = open_picture(source, role="source", max_pixels=max_pixels, long_edge=SOURCE_EDGE)
    canvas = open_picture(chosen, role="reference", max_pixels=max_pixels, long_edge=edge)
    made = swapped(photo, canvas, config, runtimes, step)
    return Made(Outcome(made.image), photo, made.warnings)


def swapped(photo: Picture, canvas: Picture, config: HeadSwapConfig, runtimes: Runtimes, step: Steps) -> Swap:
    """The figure of `canvas` with the head of `photo`. Raises what `swap_head` does, but for files."""
    step("Finding the faces")
    person, figure = the_person(photo, "source", runtimes), the_person(canvas, "reference", runtimes)
    judge_together(person, figure)
    step("Cutting out the head")
    around, effort = around_head(canvas, figure.face), _EFFORTS.get(config.quality or Quality.STANDARD)
    reduce = min(1.0, float(np.sqrt(_LARGEST / (around.width * around.height))))
    scale = min(1.0, _SPARE * reduce * frame(figure.face.points).height / frame(person.face.points).height)
    shown = portrait(photo, person, scale=scale, effort=effort, runtimes=runtimes)
    whole = crowned(shown)
    ours = head_of(whole)
    step("Looking at the figure")
    theirs = head_of(portrait(canvas, figure, scale=reduce, effort=effort, runtimes=runtimes))
    step("Fitting the head")
    fit, own = fitted(ours.face.solid, theirs.face.solid), own_skin(ours)
    fresh = placed(ours, own.share, fit, theirs.alpha.shape)
    judging.judge_whole(fresh)
    step("Matching the skin")
    seen, skin = as_rgb(theirs.image), own_skin(theirs)
    # Before the rest takes memory of its own.
    change, toned = in_one_tone(canvas, figure, theirs, own.tone, skin, config.blend_strength, runtimes)
    near = theirs.box
    arms = as_rgb(resized(near.of(toned), seen.shape[1], seen.shape[0])) - seen
    body = np.clip(in_tone(seen, skin, change) + (1 - skin.share)[..., None] * arms, 0, 1)
    colours = lit(fresh.colours, change)
    colours = as_sharp_as(colours, fresh, seen, theirs.frame) if config.preserve_details is False else colours
    step("Taking the old head away")
    runtimes.rest()  # here and below the most memory is needed
    bare = cleared(theirs, body, skin.share, fresh)
    judging.judge_neck(fresh, bare.body)
    judging.judge_hidden(theirs, fresh, bare.body, sure=bare.sure, left=bare.left)
    throat = np.clip(bare.skin + bare.neck, 0, 1) * bare.body
    whole_photo = lit(fresh.photo, change)
    common = in_common(fresh, whole_photo, theirs, throat)
    worn = (theirs.alpha > 0.5) & (theirs.share < 0.5) & (skin.share < 0.5)
    judging.judge_collar(fresh, throat, bare.body, bare.made * (1 - common), worn)
    judging.judge_ends(fresh, bare.body, common)
    del body
    step("Putting the head on")
    runtimes.rest()
    necked = one_neck(fresh, whole_photo, bare.image, bare.skin * bare.body, bare.neck, change.taken)
    part = np.clip(necked + fresh.alpha[..., None] * (colours - necked), 0, 1)
    part += common[..., None] * (seen + (1 - throat)[..., None] * arms - part)
    made = np.maximum(bare.made, fresh.alpha)
    enlarged = fit.scale / reduce * ours.scale
    image = inserted(theirs.image, (slice(near.top, near.bottom), slice(near.left, near.right)), toned, part, made)
    aim = fit.aim * np.array([near.width / part.shape[1], near.height / part.shape[0]], np.float32)
    judging.judge_outcome(image, aim + np.array([near.left, near.top], np.float32), runtimes)
    return Swap(
        image=image,
        box=near,
        aim=aim,
        head=resized_linear(fresh.alpha, near.width, near.height),
        made=resized_linear(bare.made, near.width, near.height),
        throat=resized_linear(throat, near.width, near.height),
        warnings=[*[_SOFT_HEAD] * (enlarged > _SOFT), *[_MADE_CROWN] * (whole is not shown)],
    )


def in_one_tone(
    canvas: Picture,
    figure: Person,
    theirs: Head,
    own: Tone,
    neck: Skin,
    strength: float | None,
    runtimes: Runtimes,
) -> tuple[Shifts, Rgb8]:
    """How the head's `own` tone and the figure's come together, and the canvas with arms and legs in their new one.

    Where cloth may be taken for skin the figure stays as it is.
    """
    strength = BLEND_STRENGTH if strength is None else strength
    change, image, unsure = shifts(own, neck.tone, strength), canvas.image, judging.much_skin(neck.share, theirs)
    if figure.pose is not None and not unsure and np.abs(change.body).max() > SEEN:
        where, perhaps = limbs(figure.pose, _SEEN), limbs(figure.pose, 0)
        body = _body(canvas, figure.pose, perhaps, theirs, runtimes)
        if where.any() and (part := extent(body, air=max(8, max(body.shape) // 50))) is not None:
            seen = as_rgb(np.ascontiguousarray(image[part]))
            shoulders = figure.pose.shoulders
            skin, alone = limb_skin(seen, neck.tone, where[part], perhaps[part], body[part], shoulders)
            unsure = judging.patchy(alone, shoulders)
            image = image.copy()
            image[part] = as_rgb8(in_tone(seen, skin, change))
    if not unsure:
        return change, image
    change = shifts(own, neck.tone, strength, head_alone=True)
    judging.judge_tones(change)
    return structs.replace(change, body=np.zeros(3, np.float32), taken=0.0), canvas.image


def _body(canvas: Picture, pose: Pose, limbs: Mask, theirs: Head, runtimes: Runtimes) -> Mask:
    """Where the person with that `pose` is, but for the head: what is as brown as skin behind them isn't."""
    near, body = theirs.box, widened(pose.silhouette > _OUTLINE, _ASIDE * pose.shoulders)
    here = slice(near.top, near.bottom), slice(near.left, near.right)
    if limbs.sum() > limbs[here].sum():  # the part around the head has been looked at
        body &= people(canvas.image, runtimes) > _SOMEBODY
    if canvas.alpha is not None:
        body &= canvas.alpha > _SOMEBODY
    body[here] = resized(theirs.alpha * (1 - theirs.share), near.width, near.height) > _SOMEBODY
    return body
