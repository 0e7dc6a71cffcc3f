"""Where a bent figure stands in the picture: on the ground it stood on, inside the frame."""

import numpy as np
from msgspec.structs import replace

from actors.engines.local.perception.pose import FEET
from actors.engines.local.posing.skeleton import HEAD, NECK, PELVIS, SKULL, Doubles, torso_length
from actors.engines.local.posing.targets import Target, placed
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

_HEAD = 1.1
"""From between the ears to the top of the head, in lengths of the neck."""
_SMALLEST = 0.6
"""A figure isn't made smaller than this to find room."""


def framed(source: Doubles, target: Target, width: int) -> Target:
    """`target` moved, and made smaller if it must be, so that it stands on the source's ground.

    Raises:
        EngineError: POSE_EXTRACTION_FAILED, when there is no room for the pose.
    """
    air = 0.18 * torso_length(source)
    # Who stood with the head close to the border may go on to, but fingers reach farther than their joints.
    crown = _crown(target.joints) + np.array([0.0, np.clip(air - _crown(source)[1], 0, air)])
    extent = np.concatenate([target.joints[11:], crown[None]])
    low, high = extent.min(axis=0) - air, extent.max(axis=0) + air
    ground = float(source[list(FEET), 1].max())
    room = min(width / (high[0] - low[0]), ground / (float(target.joints[list(FEET), 1].max()) - low[1]), 1.0)
    if room < _SMALLEST:
        raise EngineError(
            FailureCode.POSE_EXTRACTION_FAILED,
            "There is no room for this pose in the photo. Please send one with more space around the person.",
            details={"image": "source", "reason": "no_room"},
        )
    scaled = placed(target, room, np.zeros(2)) if room < 1 else target
    shift = np.array([0.0, ground - float(scaled.joints[list(FEET), 1].max())])
    if room < 1:
        shift[0] = float(source[PELVIS, 0] - scaled.joints[PELVIS, 0])
    left, right = low[0] * room + shift[0], high[0] * room + shift[0]
    if left < 0:
        shift[0] -= left
    elif right > width:
        shift[0] -= right - width
    return _whole_pixels(placed(scaled, 1.0, shift))


def _crown(figure: Doubles) -> Doubles:
    """The top of the head."""
    return figure[HEAD] + _HEAD * (figure[HEAD] - figure[NECK])


def _whole_pixels(target: Target) -> Target:
    """`target` with a head that isn't turned or scaled moved by whole pixels, so that the face stays as it is."""
    head = target.motions[SKULL]
    if head.angle != 0 or head.along != 1:
        return target
    place = head.pivot + np.rint(head.place - head.pivot)
    motions = list(target.motions)
    motions[SKULL] = replace(head, place=place)
    joints = target.joints.copy()
    joints[HEAD] = place
    return replace(target, joints=joints, motions=tuple(motions))
