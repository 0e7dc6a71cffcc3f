"""A figure made of key points, cut into layers without a photo, and bent."""

from itertools import pairwise

import numpy as np
import pytest

from actors.engines.local.posing.bending import Bent, bent_sheets
from actors.engines.local.posing.shapes import cores
from actors.engines.local.posing.sheets import Sheet
from actors.engines.local.posing.skeleton import Doubles, Layer, torso_length
from actors.engines.local.posing.targets import Target, retargeted
from actors.engines.local.raster import grown

from .figures import HEIGHT, WIDTH, figure

LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST = 11, 12, 13, 14, 15
SHAPE = (HEIGHT, WIDTH)


def layers(joints: Doubles) -> dict[Layer, Sheet]:
    """Each layer's certain part, grown so that arms and torso meet at the shoulder."""
    masks = {layer: grown(core, 22) for layer, core in cores(joints, SHAPE).items()}
    return {
        layer: Sheet(np.zeros((*SHAPE, 3), np.float32), mask.astype(np.float32), 0, 0) for layer, mask in masks.items()
    }


def bent_figure(before: str, after: str, smoothness: float) -> tuple[Doubles, Target, Bent]:
    source = figure(before)
    target = retargeted(source, figure(after), turn_head=False)
    return source, target, bent_sheets(layers(source), source, target, SHAPE, smoothness)


def place(result: Bent, layer: Layer, point: Doubles) -> Doubles:
    """Where a point of a layer has gone."""
    corners = result.mesh.triangles[result.mesh.layer_of == layer]
    rest = result.mesh.vertices[corners]
    sides = np.stack([rest[:, 1] - rest[:, 0], rest[:, 2] - rest[:, 0]], axis=-1)
    shares = np.linalg.solve(sides, (point - rest[:, 0])[..., None])[..., 0]
    weights = np.concatenate([1 - shares.sum(axis=1, keepdims=True), shares], axis=1)
    inside = int(np.argmax(weights.min(axis=1)))
    assert weights[inside].min() > -1e-6
    return weights[inside] @ result.placed[corners[inside]]


@pytest.mark.parametrize(("before", "after"), [("arms_out", "standing_front"), ("arms_raised", "hands_on_hips")])
def test_joints_are_where_they_should_be(before: str, after: str) -> None:
    source, target, result = bent_figure(before, after, 0.5)
    for joint, layer, most in (
        (LEFT_SHOULDER, Layer.LEFT_ARM, 0.02),
        (RIGHT_SHOULDER, Layer.RIGHT_ARM, 0.02),
        # A smooth bend cuts the corner.
        (LEFT_ELBOW, Layer.LEFT_ARM, 0.05),
        (RIGHT_ELBOW, Layer.RIGHT_ARM, 0.05),
    ):
        apart = np.hypot(*(place(result, layer, source[joint]) - target.joints[joint]))
        assert apart < most * torso_length(source), joint


def test_shoulders_sink_with_the_arms_and_rise_with_them() -> None:
    _, lowered, _ = bent_figure("arms_raised", "standing_front", 0.5)
    _, raised, _ = bent_figure("standing_front", "arms_raised", 0.5)
    for joint in (LEFT_SHOULDER, RIGHT_SHOULDER):
        assert lowered.joints[joint, 1] > figure("arms_raised")[joint, 1] + 5
        assert raised.joints[joint, 1] < figure("standing_front")[joint, 1] - 5


@pytest.mark.parametrize("after", ["arms_out", "arms_raised", "waving"])
def test_cloth_over_a_shoulder_hardly_folds_when_its_arm_goes_up(after: str) -> None:
    source, target, result = bent_figure("standing_front", after, 0.5)
    before, now = (_areas(places[result.mesh.triangles]) for places in (result.mesh.vertices, result.placed))
    middle = result.mesh.vertices[result.mesh.triangles].mean(axis=1)
    away = middle - source[[LEFT_SHOULDER, RIGHT_SHOULDER], None]
    near = np.hypot(away[..., 0], away[..., 1]).min(axis=0) < 0.4 * torso_length(source)
    folded = now[near] < 0.1 * before[near] * target.size**2
    assert folded.mean() < 0.015, f"{folded.sum()} of {near.sum()}"


def _areas(corners: Doubles) -> Doubles:
    """Of triangles (n, 3, 2), negative where they are turned over."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2


def test_the_smoother_the_longer_is_the_part_of_an_arm_that_bends() -> None:
    lengths = [_bending_length(smoothness) for smoothness in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert all(later > sooner for sooner, later in pairwise(lengths)), lengths
    assert lengths[-1] > 1.6 * lengths[0]


def _bending_length(smoothness: float) -> float:
    """How much of an arm is neither as the upper arm nor as the forearm is turned, in pixels."""
    source, _, result = bent_figure("arms_out", "hands_on_hips", smoothness)
    shares = np.linspace(0.35, 1.65, 131)
    elbow = source[LEFT_ELBOW]
    points = [
        elbow + (1 - share) * (source[LEFT_SHOULDER] - elbow)
        if share < 1
        else elbow + (share - 1) * (source[LEFT_WRIST] - elbow)
        for share in shares
    ]
    line = np.array([place(result, Layer.LEFT_ARM, point) for point in points])
    ahead = line[8:] - line[:-8]
    angles = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    turned = np.abs(angles - angles[0]) / abs(angles[-1] - angles[0])
    return float(((turned > 0.1) & (turned < 0.9)).sum())
