"""A figure as bones: which there are, between which joints, in which layer, and how thick.

Joints are MediaPipe's 33 pose landmarks, followed by a few that are made from them.
"""

from enum import IntEnum

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from actors.engines.local.perception.pose import (
    LEFT_EAR,
    LEFT_HIP,
    LEFT_SHOULDER,
    NOSE,
    RIGHT_EAR,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)

Doubles = NDArray[np.float64]

LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = 13, 14, 15, 16
LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = 25, 26, 27, 28
LEFT_HEEL, RIGHT_HEEL, LEFT_TOE, RIGHT_TOE = 29, 30, 31, 32
SOLES = ((LEFT_HEEL, LEFT_TOE), (RIGHT_HEEL, RIGHT_TOE))
NECK, PELVIS, HEAD, LEFT_HAND, RIGHT_HAND = 33, 34, 35, 36, 37
"""Between the shoulders, between the hips, between the ears, the finger tips."""
NAMES = (
    (NOSE, "nose"),
    *((LEFT_EAR, "left_ear"), (RIGHT_EAR, "right_ear")),
    *((LEFT_SHOULDER, "left_shoulder"), (RIGHT_SHOULDER, "right_shoulder")),
    *((LEFT_ELBOW, "left_elbow"), (RIGHT_ELBOW, "right_elbow")),
    *((LEFT_WRIST, "left_wrist"), (RIGHT_WRIST, "right_wrist")),
    *((LEFT_HIP, "left_hip"), (RIGHT_HIP, "right_hip")),
    *((LEFT_KNEE, "left_knee"), (RIGHT_KNEE, "right_knee")),
    *((LEFT_ANKLE, "left_ankle"), (RIGHT_ANKLE, "right_ankle")),
)
"""What joints are called in presets and in what users are told; left and right are the person's own."""
_HAND_LENGTH = 1.75
"""A hand reaches so many times as far from the wrist as its knuckles."""

TRUNK = (LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP)
LIMBS = (
    *((LEFT_SHOULDER, LEFT_ELBOW), (LEFT_ELBOW, LEFT_WRIST), (RIGHT_SHOULDER, RIGHT_ELBOW), (RIGHT_ELBOW, RIGHT_WRIST)),
    *((LEFT_HIP, LEFT_KNEE), (LEFT_KNEE, LEFT_ANKLE), (RIGHT_HIP, RIGHT_KNEE), (RIGHT_KNEE, RIGHT_ANKLE)),
)
"""Upper arms, forearms, thighs and shins, as pairs of joints."""
LIMB_JOINTS = tuple(sorted({joint for limb in LIMBS for joint in limb}))


class Layer(IntEnum):
    """The sheets of paper that the figure is cut into."""

    TORSO = 0
    HEAD = 1
    LEFT_ARM = 2
    RIGHT_ARM = 3
    LEFT_LEG = 4
    RIGHT_LEG = 5


ARMS = (Layer.LEFT_ARM, Layer.RIGHT_ARM)
LEGS = (Layer.LEFT_LEG, Layer.RIGHT_LEG)
BODY = (Layer.TORSO, *LEGS)
"""What arms hang at."""
KNUCKLES = {Layer.LEFT_ARM: (17, 19), Layer.RIGHT_ARM: (18, 20)}
"""Those of each arm's little and index finger."""


class Bone(Struct, frozen=True):
    """A stiff part: where it begins and ends, its layer, and its half thickness as a share of the torso's length."""

    start: int
    end: int
    layer: Layer
    half: float


CHEST, HIPS, SKULL = 0, 1, 2
BONES = (
    Bone(NECK, PELVIS, Layer.TORSO, 0.30),
    Bone(PELVIS, NECK, Layer.TORSO, 0.28),
    Bone(NECK, HEAD, Layer.HEAD, 0.26),
    Bone(LEFT_SHOULDER, LEFT_ELBOW, Layer.LEFT_ARM, 0.115),
    Bone(LEFT_ELBOW, LEFT_WRIST, Layer.LEFT_ARM, 0.095),
    Bone(RIGHT_SHOULDER, RIGHT_ELBOW, Layer.RIGHT_ARM, 0.115),
    Bone(RIGHT_ELBOW, RIGHT_WRIST, Layer.RIGHT_ARM, 0.095),
    Bone(LEFT_HIP, LEFT_KNEE, Layer.LEFT_LEG, 0.17),
    Bone(LEFT_KNEE, LEFT_ANKLE, Layer.LEFT_LEG, 0.12),
    Bone(LEFT_ANKLE, LEFT_TOE, Layer.LEFT_LEG, 0.07),
    Bone(RIGHT_HIP, RIGHT_KNEE, Layer.RIGHT_LEG, 0.17),
    Bone(RIGHT_KNEE, RIGHT_ANKLE, Layer.RIGHT_LEG, 0.12),
    Bone(RIGHT_ANKLE, RIGHT_TOE, Layer.RIGHT_LEG, 0.07),
    Bone(LEFT_WRIST, LEFT_HAND, Layer.LEFT_ARM, 0.10),
    Bone(RIGHT_WRIST, RIGHT_HAND, Layer.RIGHT_ARM, 0.10),
    Bone(NECK, LEFT_SHOULDER, Layer.TORSO, 0.03),
    Bone(NECK, RIGHT_SHOULDER, Layer.TORSO, 0.03),
)
"""Every bone; CHAINS has the limbs' order."""

COLLARS = {Layer.LEFT_ARM: 15, Layer.RIGHT_ARM: 16}
"""The collar bone that each arm hangs on."""

CHAINS = {
    Layer.LEFT_ARM: (3, 4, 13),
    Layer.RIGHT_ARM: (5, 6, 14),
    Layer.LEFT_LEG: (7, 8, 9),
    Layer.RIGHT_LEG: (10, 11, 12),
}
"""The bones of each limb, from the body outwards."""

SIDE = {Layer.LEFT_ARM: 1, Layer.RIGHT_ARM: -1, Layer.LEFT_LEG: 1, Layer.RIGHT_LEG: -1}
"""Where a limb of a person who faces the camera is: 1 on the picture's right, -1 on its left."""


def joints(points: NDArray[np.floating]) -> Doubles:
    """All joints (38, 2) from the landmarks (33, 2), in the same unit."""
    p = points.astype(np.float64)
    made = [
        (p[LEFT_SHOULDER] + p[RIGHT_SHOULDER]) / 2,
        (p[LEFT_HIP] + p[RIGHT_HIP]) / 2,
        (p[LEFT_EAR] + p[RIGHT_EAR]) / 2,
    ]
    for arm, wrist in ((Layer.LEFT_ARM, LEFT_WRIST), (Layer.RIGHT_ARM, RIGHT_WRIST)):
        made.append(p[wrist] + _HAND_LENGTH * (p[list(KNUCKLES[arm])].mean(axis=0) - p[wrist]))
    return np.concatenate([p[:33], np.array(made)])


def length(figure: Doubles, start: int, end: int) -> float:
    """The distance of two joints of `figure` (38, 2)."""
    return float(np.hypot(*(figure[end] - figure[start])))


def torso_length(figure: Doubles) -> float:
    """From between the shoulders to between the hips: the unit that the other measures are told in."""
    return max(length(figure, NECK, PELVIS), 1e-3)
