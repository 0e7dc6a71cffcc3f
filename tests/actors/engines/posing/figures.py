"""Figures made of key points: no photo, no model."""

import numpy as np

from actors.engines.local.posing.presets import preset_pose
from actors.engines.local.posing.skeleton import Doubles

WIDTH, HEIGHT = 600, 900
SEEN = np.ones(33, np.float32)


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
