"""The edit itself: from the files of a request to the pictures of its outcome."""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from pathlib import Path

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Mask, Plane, Points, Rgb, Rgb8, as_rgb, as_rgb8
from actors.engines.local.background.compositing import (
    colour_matched,
    composited,
    feathered,
    with_contact_shadow,
    wrapped_in_light,
)
from actors.engines.local.background.presets import Backdrop, preset
from actors.engines.local.memory import trim
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.foreground import separated
from actors.engines.local.perception.matte import Effort, coarse_matte, refined_matte
from actors.engines.local.perception.pose import (
    LEFT_HIP,
    LEFT_SHOULDER,
    NOSE,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    Pose,
    pose,
)
from actors.engines.local.perception.spill import without_spill
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.pictures.writing import Made, Outcome
from actors.engines.local.raster import components, extent, grown, resized
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import widened
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import BACKGROUND_PRESETS, LONG_EDGE, BackgroundChangeConfig, BackgroundType, Quality, Size
from schema.models.problems import FailureCode

PLAN = {
    "Opening the photo": 0,
    "Finding the person": 6,
    "Finding the outline": 12,
    "Looking closer at the person": 30,
    "Looking closer at the head": 46,
    "Cutting out the edge": 60,
    "Cutting out the hair": 64,
    "Cleaning the colours": 76,
    "Preparing the background": 84,
    "Putting it together": 88,
    "Saving the pictures": 94,
}
"""Every step, with the percentage at its start."""

_EFFORTS = {
    Quality.STANDARD: Effort(closer=False, head=512),
    Quality.HIGH: Effort(closer=True, head=768),
    Quality.ULTRA: Effort(closer=True, head=1152),
}
_COLOUR_SIDE = {Quality.STANDARD: 768, Quality.HIGH: 1024, Quality.ULTRA: 1536}
"""Long edge in pixels at which the edge's colours are solved for."""

_HIPS_WITHIN = 0.04
"""Of the photo's long edge: so far beside a body its hips may be found."""

_LARGE = 0.05
"""Somebody without a face or a pose, from behind perhaps, is believed in who is so large a share of the picture."""
_SURE_FACE, _SURE_BODY, _LIKELY_BODY = 0.7, 0.5, 0.3
"""A face alone has to be a sure one: flowers and cats come close. A body is looked at again when its joints are found.
"""
_NOBODY = (
    "No person was found in the photo. Please send one in which a person can be seen clearly: not too small, "
    "well lit, and at least from the head to the chest."
)

_TORN = (
    "Only a part of somebody in the photo could be told from what is around them. Please send one in which nothing "
    "covers them, or with a calmer background."
)
_LOST = (
    "The {} of the person in the photo could not be told from what is around. Please send one in which nothing "
    "covers them, or with a calmer background."
)
_DOUBTED = 0.12
"""Where the networks couldn't decide on so large a share of what is cut out, it is torn somewhere."""
_HEAD_ALONE = 3.0
"""What hangs together with a face and is less than so many squares of its height is no more than a head."""
_AS_NEAR = 0.5
"""Whose face is less than this share of the largest one's height is far behind."""
_TRUNK = (NOSE, LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP, *range(25, 29))
"""The nose, and joints from the shoulders to the ankles, but for the arms'."""
_PIECE = 0.1
"""Less than this share of a figure isn't missed."""
_LIMBS = (("arm", (13, 14)), ("hand", (15, 16)), ("leg", (25, 26)), ("foot", (27, 28)))
"""What of somebody may be lost, and its joint on the left and on the right."""
_VISIBLE, _PRESENT = 0.5, 0.8
"""A joint that is hidden is less visible; one that isn't in the photo is less present."""
_LIMB_WITHIN = 0.1
"""Of the torso or the shoulders, whichever is longer: so far beside a limb its joint may be found."""


def change_background(
    source: Path,
    reference: Path | None,
    config: BackgroundChangeConfig,
    max_pixels: int,
    runtimes: Runtimes,
    step: Steps,
) -> Made:
    """Cut the person out of `source` and put them on the background that `config` asks for, or on none.

    Raises:
        EngineError: a file can't be read, the configuration doesn't fit, or nobody is in the photo.
        ModelMissingError: a model isn't installed.
        StoppedError: `step` said so.
    """
    wanted = _background_type(config, reference)
    step("Opening the photo")
    photo = open_picture(source, role="source", max_pixels=max_pixels, long_edge=LONG_EDGE[config.size or Size.MEDIUM])
    canvas = photo.width, photo.height
    behind = (
        open_picture(reference, role="reference", max_pixels=max_pixels, long_edge=None, cover=canvas)
        if reference is not None and wanted is BackgroundType.CUSTOM
        else None
    )
    # What isn't named here is an older word for the standard.
    level = config.quality if config.quality is not None and config.quality in _EFFORTS else Quality.STANDARD
    cut = _cut_out(photo, _EFFORTS[level], _COLOUR_SIDE[level], runtimes, step)
    alpha = feathered(cut.alpha, config.edge_blur or 0)
    warnings = list(cut.warnings)
    if wanted is BackgroundType.REMOVE:
        step("Putting it together")
        colours = np.where(grown(alpha > 0, 2)[..., None], cut.colours, np.float32(0))
        return Made(Outcome(as_rgb8(colours), alpha), photo, warnings)
    step("Preparing the background")
    if behind is not None:
        backdrop = Backdrop(_covering(behind, *canvas), ground=True, tints=True)
        if behind.width < 0.6 * canvas[0] or behind.height < 0.6 * canvas[1]:
            warnings.append("The background image is much smaller than the photo, so it looks soft.")
    else:
        backdrop = preset(config.background_preset or BACKGROUND_PRESETS[0], *canvas)
    trim()  # what comes takes the most
    step("Putting it together")
    match = config.color_match is not False
    return Made(Outcome(as_rgb8(_together(cut, alpha, backdrop, match=match))), photo, warnings)


def _background_type(config: BackgroundChangeConfig, reference: Path | None) -> BackgroundType:
    """What is asked for, spelt out or not.

    Raises:
        EngineError: INVALID_CONFIG.
    """
    wanted = config.background_type
    if wanted is None:
        named = config.background_preset is not None
        wanted = BackgroundType.CUSTOM if reference is not None and not named else BackgroundType.PRESET
    if wanted is BackgroundType.CUSTOM and reference is None:
        raise EngineError(
            FailureCode.INVALID_CONFIG,
            "A custom background needs a reference image. Please add one, or choose a preset.",
            details={"field": "background_type"},
        )
    name = config.background_preset
    if wanted is BackgroundType.PRESET and name is not None and name not in BACKGROUND_PRESETS:
        raise EngineError(
            FailureCode.INVALID_CONFIG,
            f"There is no background preset {name}. Choose one of: {', '.join(BACKGROUND_PRESETS)}.",
            details={"field": "background_preset"},
        )
    return wanted


class _Cut(Struct, frozen=True):
    colours: Rgb
    alpha: Plane
    person: Pose | None
    warnings: list[str]


def _cut_out(photo: Picture, effort: Effort, colour_side: int, runtimes: Runtimes, step: Steps) -> _Cut:
    """The person of `photo`: clean colours and alpha.

    Raises:
        EngineError: NO_PERSON_DETECTED, also when no more than a part of somebody is found.
    """
    step("Finding the person")
    found = faces(photo.image, runtimes)
    person = pose(photo.image, runtimes, at_least=_LIKELY_BODY)
    if person is not None and person.certainty < 0.5:  # rather none than one
        person = None
    # Nothing that comes after needs as much memory.
    runtimes.sparing = False
    try:
        coarse, doubt = coarse_matte(photo.image, person, found, effort, runtimes, step)
    finally:
        runtimes.sparing = True
    known = person is not None or any(face.score > _SURE_FACE for face in found)
    much = bool((coarse > 0.9).mean() > _LARGE)
    if not (_shows_somebody(coarse, person, found) if known else much):
        # Somebody whose face or body is found, and of whom enough is cut out, is there: but not whole.
        raise EngineError(FailureCode.NO_PERSON_DETECTED, _TORN if known and much else _NOBODY)
    if photo.alpha is not None and _agree(photo.alpha > 0.5, coarse > 0.5):
        # The photo comes cut out already: nobody knows its edge better.
        return _Cut(as_rgb(photo.colours), photo.alpha, person, [])
    if doubt > _DOUBTED or is_torn(coarse > 0.5, person, found):
        raise EngineError(FailureCode.NO_PERSON_DETECTED, _TORN if known else _NOBODY)
    if lost := lost_limbs(coarse > 0.5, person, found):
        raise EngineError(FailureCode.NO_PERSON_DETECTED, _LOST.format(" and the ".join(lost)))
    alpha = refined_matte(photo.image, coarse, person, found, effort, step)
    step("Cleaning the colours")
    colours, alpha = _cleaned(photo.image, alpha, colour_side)
    if photo.alpha is not None:
        alpha = alpha * photo.alpha
    return _Cut(colours, alpha, person, told_of_people(alpha > 0.5, person, found))


def _cleaned(image: Rgb8, alpha: Plane, side: int) -> tuple[Rgb, Plane]:
    """The person's own colours (h, w, 3) and cleaned alpha; only the part of the picture around them is worked on."""
    long_edge = max(alpha.shape)
    part = extent(alpha, air=round(0.03 * long_edge))
    if part is None:
        return as_rgb(image), alpha
    around = np.ascontiguousarray(alpha[part])
    front, back = separated(as_rgb(image[part]), around, work_side=round(side * max(around.shape) / long_edge))
    colours, cleaned = as_rgb(image), alpha.copy()
    colours[part], cleaned[part] = without_spill(front, back, around)
    return colours, cleaned


def _shows_somebody(alpha: Plane, person: Pose | None, found: list[Detection]) -> bool:
    """Whether what was cut out is the person who was found, and large enough to be one."""
    solid = alpha > 0.5
    if solid.mean() < 0.004:
        return False
    if person is not None:
        body = person.silhouette > 0.5
        if (solid & body).sum() > 0.4 * body.sum() > 0:
            return True
    return any(_holds(solid, face.middle) for face in found)


def is_torn(solid: Mask, person: Pose | None, found: list[Detection]) -> bool:
    """Whether of somebody in the `solid` cut-out there is but the head, or a figure is in pieces."""
    labels, stats = components(solid)
    height, width = solid.shape
    sure = [face for face in found if face.score > _SURE_FACE]
    largest = max((face.height for face in sure), default=0.0)
    for face in sure:
        if face.height < _AS_NEAR * largest or not _holds(solid, face.middle):
            continue
        left, top, across, down, area = stats[labels[int(face.middle[1]), int(face.middle[0])]].tolist()
        inside = left > 0 and top > 0 and left + across < width and top + down < height
        if inside and area < _HEAD_ALONE * face.height**2:
            return True
    if person is None or len(person.others) > 0 or len(sure) > 1:  # joints may be hidden by others
        return False
    joints = [person.points[index] for index in _TRUNK if person.visible[index] > 0.5]
    pieces = {int(labels[int(y), int(x)]) for x, y in joints if _holds(solid, np.array([x, y], np.float32))}
    return len([piece for piece in pieces if float(stats[piece, 4]) > _PIECE * float(solid.sum())]) > 1


def told_of_people(solid: Mask, person: Pose | None, found: list[Detection]) -> list[str]:
    """What is to be told of several people, who are in the `solid` cut-out or aren't."""
    faces_kept = [_holds(solid, face.middle) for face in found if face.score > _SURE_FACE]
    bodies_kept: list[bool] = []
    if person is not None and len(person.others):
        near = widened(solid, round(_HIPS_WITHIN * max(solid.shape)))
        sure = person.others[person.others_certainty >= _SURE_BODY]
        # Hips beyond the photo tell nothing of who is in it.
        bodies_kept = [_holds(near, hips) for hips in sure if _holds(np.ones_like(solid), hips)]
    if max(len(faces_kept), 1 + len(bodies_kept)) < 2:
        return []
    if all(faces_kept + bodies_kept):
        return ["More than one person was found; all were kept."]
    return ["More than one person was found; only those who stand out were kept."]


def lost_limbs(solid: Mask, person: Pose | None, found: list[Detection]) -> list[str]:
    """Limbs that somebody alone shows, by joints and silhouette, but the `solid` cut-out lacks: "left hand"."""
    if person is None or told_of_people(solid, person, found):
        return []
    shoulders, hips = person.points[[LEFT_SHOULDER, RIGHT_SHOULDER]], person.points[[LEFT_HIP, RIGHT_HIP]]
    torso = float(np.hypot(*(shoulders.mean(axis=0) - hips.mean(axis=0))))
    near = widened(solid, round(_LIMB_WITHIN * max(person.shoulders, torso)))
    if not all(_holds(solid, point) for point in (person.points[NOSE], *shoulders)):
        return []  # somebody else's pose, or one that isn't right
    sure = (person.visible > _VISIBLE) & (person.present > _PRESENT)
    return [
        f"{side} {limb}"
        for limb, joints in _LIMBS
        for side, joint in zip(("left", "right"), joints, strict=True)
        if sure[joint] and _holds((person.silhouette > 0.5) & ~near, person.points[joint])
    ]


def _holds(solid: Mask, point: Points) -> bool:
    height, width = solid.shape
    x, y = int(point[0]), int(point[1])
    return 0 <= x < width and 0 <= y < height and bool(solid[y, x])


def _agree(given: Mask, seen: Mask) -> bool:
    """Whether two silhouettes are about the same: intersection over union."""
    return float((given & seen).sum()) > 0.85 * float((given | seen).sum())


def _covering(picture: Picture, width: int, height: int) -> Rgb:
    """`picture` scaled to cover the canvas, its middle in the canvas' middle."""
    scale = max(width / picture.width, height / picture.height)
    size = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
    whole = resized(picture.image, *size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return as_rgb(whole[top : top + height, left : left + width])


def _together(cut: _Cut, alpha: Plane, backdrop: Backdrop, *, match: bool) -> Rgb:
    colours = cut.colours
    if match and backdrop.tints:
        colours = colour_matched(colours, alpha, backdrop.image)
    if backdrop.tints:
        colours = wrapped_in_light(colours, alpha, backdrop.image)
    ground = with_contact_shadow(backdrop.image, alpha, cut.person) if backdrop.ground else backdrop.image
    return composited(colours, alpha, ground)
