"""Poses by name: key points in data files, one a pose."""

from pathlib import Path

import numpy as np
from msgspec import Struct, json

from actors.engines.local.posing.skeleton import NAMES, Doubles, joints

_DIRECTORY = Path(__file__).with_name("presets")


class PosePreset(Struct, frozen=True, forbid_unknown_fields=True):
    """A pose.

    `key_points`: for each joint x to the picture's right, y down, both in torso lengths from between the hips, and
    depth in the same unit, less is nearer. Left and right are the person's own.
    """

    description: str
    key_points: dict[str, tuple[float, float, float]]


class WantedPose(Struct, frozen=True):
    """Joints (38, 2) and their depth (38,), in any unit."""

    joints: Doubles
    depth: Doubles


def preset_pose(name: str) -> WantedPose:
    """The preset `name`, one of POSE_PRESETS."""
    preset = json.decode((_DIRECTORY / f"{name}.json").read_bytes(), type=PosePreset)
    points, depth = np.zeros((33, 2)), np.zeros(38)
    for index, name_of in NAMES:
        *place, deep = preset.key_points[name_of]
        points[index], depth[index] = place, deep
    return WantedPose(joints(points), depth)
