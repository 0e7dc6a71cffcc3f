"""Figures made of key points, and painted by code: no photo, no model."""

import cv2
import numpy as np

from actors.engines.local.arrays import Mask, Rgb
from actors.engines.local.posing.presets import preset_pose
from actors.engines.local.posing.skeleton import PELVIS, Doubles, torso_length

WIDTH, HEIGHT = 600, 900
SEEN = np.ones(33, np.float32)
SKIN, SHIRT, TROUSERS = (0.8, 0.6, 0.5), (0.85, 0.85, 0.8), (0.2, 0.25, 0.5)
_GAP = 4
"""Half the width of the dark line between two trouser legs, in pixels."""


def figure(name: str = "arms_out", unit: float = 200.0) -> Doubles:
    """The joints (38, 2) of a preset in a picture of WIDTH x HEIGHT, the torso `unit` pixels long."""
    joints = preset_pose(name).joints.copy()
    for side in (0, 1):
        ankle, wrist, elbow = joints[27 + side], joints[15 + side], joints[13 + side]
        joints[29 + side], joints[31 + side] = ankle + np.array([0, 0.08]), ankle + np.array([0.05 - 0.1 * side, 0.12])
        knuckle = wrist + 0.18 * (wrist - elbow) / np.hypot(*(wrist - elbow))
        joints[17 + side] = joints[19 + side] = joints[21 + side] = knuckle
        joints[36 + side] = wrist + 1.75 * (knuckle - wrist)
    joints[9:11] = joints[0] + np.array([0, 0.08])
    return joints * unit + (WIDTH / 2, 0.52 * HEIGHT)


def painted(joints: Doubles, *, skirt: bool) -> tuple[Rgb, Mask]:
    """A person of a shirt, skin, and trousers or a skirt, on a wall; and where they are."""
    image = np.full((HEIGHT, WIDTH, 3), 0.6, np.float32)
    unit = torso_length(joints)
    inside = np.zeros((HEIGHT, WIDTH), np.uint8)

    def stroke(start: int, end: int, half: float, colour: tuple[float, float, float]) -> None:
        ends = [tuple(round(float(value)) for value in joints[joint]) for joint in (start, end)]
        for target, value in ((image, colour), (inside, (1, 1, 1))):
            cv2.line(target, ends[0], ends[1], value, round(2 * half * unit))

    def area(corners: list[Doubles], colour: tuple[float, float, float]) -> None:
        points = np.array(corners).round().astype(np.int32)
        for target, value in ((image, colour), (inside, (1, 1, 1))):
            cv2.fillPoly(target, [points], value)

    wide = np.array([0.12 * unit, 0.0])
    for thigh, knee, ankle in ((23, 25, 27), (24, 26, 28)):
        stroke(thigh, knee, 0.16, TROUSERS)
        stroke(knee, ankle, 0.13, SKIN if skirt else TROUSERS)
    if skirt:
        area([joints[23] + wide, joints[25] + wide, joints[26] - wide, joints[24] - wide], TROUSERS)
    else:
        middle = joints[PELVIS] + (0, 0.2 * unit)
        cv2.line(image, middle.round().astype(int).tolist(), (round(middle[0]), HEIGHT), (0.02, 0.02, 0.05), 2 * _GAP)
    area([joints[11] + wide, joints[23] + wide, joints[24] - wide, joints[12] - wide], SHIRT)
    for shoulder, elbow, wrist, hand in ((11, 13, 15, 36), (12, 14, 16, 37)):
        stroke(shoulder, elbow, 0.1, SKIN)
        stroke(elbow, wrist, 0.08, SKIN)
        stroke(wrist, hand, 0.06, SKIN)
    stroke(33, 35, 0.2, SKIN)
    return image, inside.view(np.bool_)


def closed_stance(apart: float) -> Doubles:
    """Standing with the ankles so many torso lengths from the middle."""
    joints = figure("standing_front")
    unit = torso_length(joints)
    middle = joints[PELVIS][0]
    for left, half in ((23, 0.17), (25, apart + 0.02), (27, apart)):
        joints[left][0], joints[left + 1][0] = middle + half * unit, middle - half * unit
    return joints
