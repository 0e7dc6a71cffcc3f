"""The edit itself: from the files of a request to the pictures of its outcome."""

from pathlib import Path

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Rgb8, as_rgb, as_rgb8
from actors.engines.local.perception.pose import Pose, pose
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.pictures.writing import Made, Outcome
from actors.engines.local.posing.bending import bent_sheets
from actors.engines.local.posing.checking import judged
from actors.engines.local.posing.cloth import legs_joined, legs_may_stay, with_own_legs
from actors.engines.local.posing.cutting import Cut, Work, cut_out
from actors.engines.local.posing.drawing import drawing_order, drawn
from actors.engines.local.posing.framing import framed
from actors.engines.local.posing.ground import ground
from actors.engines.local.posing.hands import hidden_hands
from actors.engines.local.posing.parts import labelled, shares_of
from actors.engines.local.posing.presets import WantedPose, preset_pose
from actors.engines.local.posing.rounding import bends, head_and_hands, round_off
from actors.engines.local.posing.sheets import insides, sheets, without_haze
from actors.engines.local.posing.skeleton import CHAINS, Doubles, joints
from actors.engines.local.posing.sleeves import bare_from, skin_alone, sleeveless, without_cloth
from actors.engines.local.posing.suitability import (
    judge_carried,
    judge_cut,
    judge_reach,
    judge_reference,
    judge_seen,
    judge_source,
    judge_torn,
    refuse,
)
from actors.engines.local.posing.targets import Target, retargeted
from actors.engines.local.posing.tearing import torn
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import LONG_EDGE, POSE_PRESETS, SMOOTHNESS, PoseChangeConfig, Quality, Size
from schema.models.problems import FailureCode

PLAN = {
    "Opening the photo": 0,
    "Reading the poses": 6,
    "Finding the outline": 12,
    "Looking closer at the person": 20,
    "Looking closer at the head": 34,
    "Cutting out the edge": 44,
    "Cutting out the hair": 54,
    "Cleaning the colours": 60,
    "Taking the figure apart": 64,
    "Bending it into the pose": 72,
    "Filling the background": 78,
    "Putting it together": 86,
    "Checking the pose": 90,
    "Saving the pictures": 94,
}
"""Every step, with the percentage at its start."""


class _Level(Struct, frozen=True):
    """How much work to take: for the cut, and the square's side in pixels that the background is filled at."""

    work: Work
    fill_side: int


_LEVELS = {
    Quality.STANDARD: _Level(Work(head=False, side=640), 256),
    Quality.HIGH: _Level(Work(head=True, side=1024), 420),
    Quality.ULTRA: _Level(Work(head=True, side=1280), 520),
}
_REFERENCE_EDGE = 1024
_CERTAIN = 0.5

_LEGS_STAY = "The legs can't be parted, as under a skirt or coat, so they were left as they stand."
_SMALLER = (
    "The person was made {percent} % smaller, so that the pose fits into the photo. "
    "A photo with more space around them keeps their size."
)
_NOTICED = 0.97
"""A figure that is smaller than this share of its size is told of."""
_NOBODY = (
    "No person was found in the {role} image. Please send a photo that shows one person from head to feet, "
    "clearly and not too small."
)


class Bending(Struct, frozen=True):
    """A photo before and after, the joints (38, 2) as they should be now, and what the user should know."""

    before: Picture
    picture: Rgb8
    wanted: Doubles
    warnings: list[str]


def change_pose(
    source: Path, reference: Path | None, config: PoseChangeConfig, max_pixels: int, runtimes: Runtimes, step: Steps
) -> Made:
    """Bend the person in `source` into the pose of the person in `reference`, or of a preset, where they stand.

    Raises:
        EngineError: a file can't be read, nobody is in a picture, or a pose can't be used: the message says why.
        ModelMissingError: a model isn't installed.
        StoppedError: `step` said so.
    """
    made = bend(source, reference, config, max_pixels, runtimes, step)
    step("Checking the pose")
    _check(made.picture, made.wanted, runtimes)
    return Made(Outcome(made.picture), made.before, made.warnings)


def bend(
    source: Path, reference: Path | None, config: PoseChangeConfig, max_pixels: int, runtimes: Runtimes, step: Steps
) -> Bending:
    """`change_pose` before its outcome is checked; raises the same errors."""
    name = _preset_name(config)
    step("Opening the photo")
    photo = open_picture(source, role="source", max_pixels=max_pixels, long_edge=LONG_EDGE[config.size or Size.MEDIUM])
    other = (
        open_picture(reference, role="reference", max_pixels=max_pixels, long_edge=_REFERENCE_EDGE)
        if reference is not None and name is None
        else None
    )
    step("Reading the poses")
    person = _person(photo, "source", runtimes)
    figure = joints(person.points)
    judge_source(figure, person.visible, photo.width, photo.height)
    wanted = preset_pose(name or POSE_PRESETS[0]) if other is None else _reference_pose(other, runtimes)
    _target(figure, wanted.joints, config, photo.width)
    cut = cut_out(photo, person, _level(config).work, runtimes, step)
    return rebuilt(photo, figure, cut, wanted, config, step)


def rebuilt(
    photo: Picture, figure: Doubles, cut: Cut, wanted: WantedPose, config: PoseChangeConfig, step: Steps
) -> Bending:
    """The photo with the person, who has been cut out, in the pose `wanted`; `figure` (38, 2) are their joints.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED, when that can't be done well.
    """
    judge_cut(cut.alpha, figure)
    step("Taking the figure apart")
    division = labelled(as_rgb(photo.image), cut.alpha, figure)
    parts, small = division.labels, figure * division.scale
    judge_carried(parts, small)
    judge_seen(parts, small)
    if hidden_hands(division.image, parts, small):
        refuse("source", "hand_at_body")
    warnings = list(cut.warnings)
    reference = wanted.joints
    if legs_joined(division.image, parts, small):
        if not legs_may_stay(figure, reference):
            refuse("source", "legs_joined")
        reference = with_own_legs(figure, reference)
        warnings.append(_LEGS_STAY)
    target = _target(figure, reference, config, photo.width)
    if target.size < _NOTICED:
        warnings.append(_SMALLER.format(percent=round(100 * (1 - target.size))))
    bare = bare_from(division, figure)
    shares = shares_of(without_cloth(division, bare, figure), cut.alpha.shape)
    clear = without_haze(cut.alpha, shares, figure)
    skin = skin_alone(as_rgb(photo.image), shares, bare, figure)
    bare = sleeveless(bare, target)
    layers = sheets(cut.colours, clear, shares, figure, bare, skin)
    under = [
        (sheet, target.motions[CHAINS[arm][0]])
        for arm, sheet in insides(cut.colours, clear, shares, figure, bare).items()
    ]
    step("Bending it into the pose")
    smoothness = SMOOTHNESS if config.smoothness is None else config.smoothness
    mesh = bent_sheets(layers, figure, target, cut.alpha.shape, smoothness, bare)
    judge_torn(torn(division, figure, mesh).values())
    order = drawing_order(wanted.joints, wanted.depth)
    result, cover, head = drawn(layers, mesh, order, cut.alpha.shape, under)
    round_off(result, cover, bends(target), head_and_hands(head, target))
    step("Filling the background")
    background = ground(as_rgb(photo.image), cut.alpha, cover, figure, target.motions, _level(config).fill_side)
    step("Putting it together")
    background *= (1 - cover)[..., None]
    result += background
    return Bending(photo, as_rgb8(result), target.joints, warnings)


def _level(config: PoseChangeConfig) -> _Level:
    return _LEVELS.get(config.quality or Quality.STANDARD, _LEVELS[Quality.STANDARD])


def _target(figure: Doubles, reference: Doubles, config: PoseChangeConfig, width: int) -> Target:
    """Where `figure` goes to be in the pose of `reference` (38, 2), inside a photo of `width`.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    target = retargeted(figure, reference, turn_head=config.preserve_face is False)
    judge_reach(figure, target.joints)
    return framed(figure, target, width)


def _preset_name(config: PoseChangeConfig) -> str | None:
    """The preset that is named, which comes before a reference.

    Raises:
        EngineError: INVALID_CONFIG.
    """
    name = config.target_pose
    if name is not None and name not in POSE_PRESETS:
        raise EngineError(
            FailureCode.INVALID_CONFIG,
            f"There is no pose preset {name}. Choose one of: {', '.join(POSE_PRESETS)}.",
            details={"field": "target_pose"},
        )
    return name


def _person(picture: Picture, role: str, runtimes: Runtimes) -> Pose:
    """The person in `picture`.

    Raises:
        EngineError: NO_PERSON_DETECTED.
    """
    person = pose(picture.image, runtimes)
    if person is None or person.certainty < _CERTAIN:
        raise EngineError(FailureCode.NO_PERSON_DETECTED, _NOBODY.format(role=role), details={"image": role})
    return person


def _reference_pose(picture: Picture, runtimes: Runtimes) -> WantedPose:
    person = _person(picture, "reference", runtimes)
    figure = joints(person.points)
    judge_reference(figure, person.visible, picture.width, picture.height)
    depth = np.zeros(len(figure))
    depth[: len(person.depth)] = person.depth
    return WantedPose(figure, depth)


def _check(picture: Rgb8, wanted: Doubles, runtimes: Runtimes) -> None:
    """Whether the outcome is in the wanted pose.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    match = judged(picture, wanted, runtimes)
    if not match.good:
        raise EngineError(
            FailureCode.POSE_EXTRACTION_FAILED,
            "This person can't be brought into this pose well enough. Please choose a pose closer to the photo's, or "
            "a photo with arms and legs well away from the body.",
            details={
                "reason": "not_reached",
                "joints_found": round(match.found, 2),
                "angle_error": round(match.mean_angle, 1),
            },
        )
