"""Which photos a pose change can be made from, and which poses can be taken over.

Everything else is refused, with a reason that says what photo would do.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from actors.engines.local.arrays import Floats, Plane
from actors.engines.local.perception.pose import (
    FEET,
    LEFT_EAR,
    LEFT_HIP,
    LEFT_SHOULDER,
    NOSE,
    RIGHT_EAR,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)
from actors.engines.local.posing.arms import forearm_thickness
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.shapes import distance_to_line, inside, torso_outline
from actors.engines.local.posing.skeleton import (
    ARMS,
    BONES,
    CHAINS,
    HEAD,
    LEFT_ANKLE,
    LEFT_KNEE,
    LIMB_JOINTS,
    LIMBS,
    NAMES,
    NECK,
    RIGHT_ANKLE,
    RIGHT_KNEE,
    Doubles,
    length,
    torso_length,
)
from actors.engines.local.posing.tearing import Torn
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

_JOINT_NAMES = {
    joint: name.replace("_", " ").replace("wrist", "hand").replace("ankle", "foot")
    for joint, name in NAMES
    if joint in LIMB_JOINTS
}
_SEEN = 0.5
_FACING, _FACING_REFERENCE = 0.42, 0.30
"""Shoulders narrower than this, relative to the torso, are turned away from the camera."""
_HEAD_TURN = 0.55
"""The nose may be so far from the middle of the ears, relative to their distance: about 30 degrees."""
_SHORTEST = {"arm": 0.26, "leg": 0.44}
_SHORTEST_REFERENCE = {"arm": 0.16, "leg": 0.36}
"""Parts of limbs that look shorter than this, relative to the torso, point at the camera or away from it."""
_SITS = 0.72
"""A thigh that looks shorter than this share of its shin points at the camera: who sits has 0.28 to 0.68 of it, who
stands 0.94 to 1.5, who dances 0.75."""
_HEAD_ROOM = 0.5
"""The head and its hair are no farther to both sides, in torso lengths."""
_SOLID, _CUT = 0.7, 0.08
"""Alpha that certainly is the person's, and how much of that may touch the border, relative to the torso."""
_FLIES, _CARRIED = 0.17, 0.035
"""What is farther from an arm's bones than wide sleeves reach, and how much of it is no fold; in torso lengths."""
_SLIVER = 0.085
"""Of a forearm that is seen less thick than this, in torso lengths, something is hidden: thin ones have 0.11."""
_OVER_BODY = 0.4
_FOLDED = np.radians(50.0)
"""In an elbow bent to less than this the forearm and sleeve lie over the upper arm."""
_FACE_REACH = 0.75
"""A hand nearer to the head than this, relative to the neck's distance, may cover the face."""
_WORDS = {
    "arm_behind_body": "an arm is partly behind the body or clothes. Please send a photo with the arms away from the "
    "body",
    "arm_carries": "something hangs from an arm or is held in a hand. Please send a photo with empty hands, without a "
    "cape or bag",
    "arm_folded": "an arm is folded at the elbow. Please send a photo with the arms straighter",
    "arm_foreshortened": "an arm points towards the camera. Please send a photo in which arms and legs point to the "
    "sides",
    "arm_joined": "an arm can't be told from the clothes, hair or things beside it. Please send a photo with the arms "
    "away from the body, with empty hands, and without a wide coat or cape",
    "arms_crossed": "an arm lies over the body. Please send a photo with the arms at the sides",
    "body_out_of_frame": "the photo's border cuts the person or what they wear. Please send one with some space on "
    "both sides",
    "body_turned": "the body is turned away. Please send a photo of somebody who faces the camera",
    "feet_out_of_frame": "the feet are outside the photo. Please send one that shows the whole body",
    "hand_at_body": "a hand is in a pocket or on a leg. Please send a photo with both hands free, away from the body",
    "hand_at_face": "a hand is in front of the face. Please send a photo with the hands lower",
    "head_out_of_frame": "the photo's upper border cuts the person. Please send one with some space above the head",
    "head_turned": "the head is turned to the side. Please send a photo with the face to the camera",
    "joint_out_of_frame": "the {joint} is outside the photo. Please send one that shows the whole body",
    "leg_foreshortened": "a leg is bent towards the camera, as when sitting. Please send a photo of somebody who "
    "stands, or whose legs point to the sides",
    "leg_too_high": "a leg is raised too high. Please choose a pose with the legs lower",
    "legs_crossed": "the legs are crossed. Please send a photo with the legs side by side",
    "legs_joined": "the legs can't be parted, as under a skirt or coat. Please choose a pose with the legs as in the "
    "photo, or send a photo of somebody in trousers with the legs apart",
    "limb_hidden": "the {joint} is hidden. Please send a photo in which both arms and legs can be seen",
}
"""What users are told for each reason."""


def refuse(role: str, reason: str, **details: Any) -> NoReturn:
    """Refuse the pose in the source's or the reference's image, its `role`, for one of the reasons in _WORDS.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    raise EngineError(
        FailureCode.POSE_EXTRACTION_FAILED,
        f"The pose in the {role} image can't be used: {_WORDS[reason].format(**details)}.",
        details={"image": role, "reason": reason, **details},
    )


def judge_source(figure: Doubles, visible: Floats, width: int, height: int) -> None:
    """Whether the figure (38, 2), with its landmarks' visibility (33,), can be given another pose.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    _judge_frame("source", figure, visible, width, height)
    if not all(0 <= figure[joint][0] < width and figure[joint][1] < height - 1 for joint in FEET[2:]):
        refuse("source", "feet_out_of_frame")
    _judge_facing("source", figure, _FACING)
    _judge_head(figure)
    _judge_lengths("source", figure, _SHORTEST)
    for thigh, shin in zip(LIMBS[4::2], LIMBS[5::2], strict=True):
        if length(figure, *thigh) < _SITS * length(figure, *shin):
            refuse("source", "leg_foreshortened")
    _judge_arms(figure)
    unit = torso_length(figure)
    for left, right in ((LEFT_KNEE, RIGHT_KNEE), (LEFT_ANKLE, RIGHT_ANKLE)):
        if figure[left][0] < figure[right][0] - 0.04 * unit:
            refuse("source", "legs_crossed")


def judge_reference(figure: Doubles, visible: Floats, width: int, height: int) -> None:
    """Whether the pose of the figure (38, 2) can be taken over.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    _judge_frame("reference", figure, visible, width, height)
    _judge_facing("reference", figure, _FACING_REFERENCE)
    _judge_lengths("reference", figure, _SHORTEST_REFERENCE)


def judge_cut(alpha: Plane, figure: Doubles) -> None:
    """Whether all of the person whose matte is `alpha` (h, w) is inside the photo.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    unit = torso_length(figure)
    most = max(_CUT * unit, 3)
    # What else hangs from the ceiling is nobody's head.
    left, right = (max(0, round(float(figure[HEAD][0]) + side * _HEAD_ROOM * unit)) for side in (-1, 1))
    if (alpha[0, left:right] > _SOLID).sum() > most:
        refuse("source", "head_out_of_frame")
    if max((alpha[:, 0] > _SOLID).sum(), (alpha[:, -1] > _SOLID).sum()) > most:
        refuse("source", "body_out_of_frame")


def judge_carried(labels: Indices, figure: Doubles) -> None:
    """Whether the arms carry nothing: bags, capes, what a hand holds.

    `labels` (h, w) from `parts.labelled` and `figure` (38, 2) are in the same pixels.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    unit = torso_length(figure)
    for arm in ARMS:
        bones = [BONES[index] for index in CHAINS[arm]]
        away = np.minimum.reduce(
            [distance_to_line(figure[bone.start], figure[bone.end], labels.shape) for bone in bones]
        )
        if float(((labels == arm) & (away > _FLIES * unit)).sum()) > _CARRIED * unit**2:
            refuse("source", "arm_carries")


def judge_seen(labels: Indices, figure: Doubles) -> None:
    """Whether the arms are seen in their whole thickness: what the body hides of one can't be moved.

    `labels` (h, w) from `parts.labelled` and `figure` (38, 2) are in the same pixels.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    if min(forearm_thickness(labels, arm, figure) for arm in ARMS) < _SLIVER:
        refuse("source", "arm_behind_body")


def judge_torn(arms: Iterable[Torn]) -> None:
    """Whether the arms have left the body without tearing cloth.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    for arm in arms:
        if arm.sleeve:
            refuse("source", "arm_joined")
        if arm.hand:
            refuse("source", "hand_at_body")


def _judge_frame(role: str, figure: Doubles, visible: Floats, width: int, height: int) -> None:
    for joint, name in _JOINT_NAMES.items():
        x, y = figure[joint]
        if not (0 <= x < width and 0 <= y < height):
            refuse(role, "feet_out_of_frame" if joint in FEET else "joint_out_of_frame", joint=name)
    for joint, name in _JOINT_NAMES.items():
        if visible[joint] < _SEEN:
            refuse(role, "limb_hidden", joint=name)


def _judge_facing(role: str, figure: Doubles, least: float) -> None:
    unit = torso_length(figure)
    shoulders = figure[LEFT_SHOULDER] - figure[RIGHT_SHOULDER]
    hips = figure[LEFT_HIP] - figure[RIGHT_HIP]
    spine = figure[NECK] - (figure[LEFT_HIP] + figure[RIGHT_HIP]) / 2
    # Along the line that is level for this body, however it leans.
    level = np.array([-spine[1], spine[0]]) / unit
    if shoulders @ level < least * unit or hips @ level < 0.3 * least * unit:
        refuse(role, "body_turned")


def _judge_head(figure: Doubles) -> None:
    ears = figure[LEFT_EAR] - figure[RIGHT_EAR]
    breadth = max(float(np.hypot(*ears)), 1e-6)
    aside = abs(float((figure[NOSE] - figure[HEAD]) @ ears)) / breadth**2
    if aside > _HEAD_TURN or breadth < 0.12 * torso_length(figure):
        refuse("source", "head_turned")


def _judge_lengths(role: str, figure: Doubles, shortest: dict[str, float]) -> None:
    unit = torso_length(figure)
    for start, end in LIMBS:
        limb = "arm" if start < LEFT_HIP else "leg"
        if length(figure, start, end) < shortest[limb] * unit:
            refuse(role, f"{limb}_foreshortened")


def _judge_arms(figure: Doubles) -> None:
    """Refuse arms that lie over the body or the face: what is behind them nobody knows."""
    outline = torso_outline(figure, 0.10, 0.0)
    for limb in ARMS:
        shoulder, elbow, wrist = (figure[BONES[index].start] for index in CHAINS[limb])
        tip = figure[BONES[CHAINS[limb][-1]].end]
        share = np.linspace(0, 1, 12)[:, None]
        line = np.concatenate([elbow + share * (wrist - elbow), wrist + share[1:6] * (tip - wrist)])
        if float(np.mean(inside(line[:, 0], line[:, 1], outline))) > _OVER_BODY:
            refuse("source", "arms_crossed")
        reach = _FACE_REACH * length(figure, NECK, HEAD)
        if float(np.hypot(*((wrist + tip) / 2 - figure[HEAD]))) < reach:
            refuse("source", "hand_at_face")
        up, down = shoulder - elbow, wrist - elbow
        if float(up @ down) > np.cos(_FOLDED) * float(np.hypot(*up) * np.hypot(*down)):
            refuse("source", "arm_folded")


def judge_reach(source: Doubles, target: Doubles) -> None:
    """Whether a flat picture can be bent so far.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED.
    """
    unit = torso_length(target)
    for knee in (LEFT_KNEE, RIGHT_KNEE):
        if target[knee][1] < target[knee - 2][1] + 0.05 * unit <= source[knee][1]:
            refuse("reference", "leg_too_high")
