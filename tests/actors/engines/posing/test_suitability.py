from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.engines.local.posing import presets
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.posing.suitability import judge_cut, judge_reference, judge_seen, judge_source
from actors.engines.seam import EngineError
from schema.models.edits import POSE_PRESETS
from schema.models.problems import FailureCode

from .figures import HEIGHT, SEEN, WIDTH, figure


def test_a_whole_figure_that_faces_the_camera_is_accepted() -> None:
    judge_source(figure(), SEEN, WIDTH, HEIGHT)
    judge_reference(figure(), SEEN, WIDTH, HEIGHT)


@pytest.mark.parametrize("name", POSE_PRESETS)
def test_every_preset_would_be_accepted_as_a_reference(name: str) -> None:
    judge_reference(figure(name), SEEN, WIDTH, HEIGHT)


def test_the_presets_are_the_files() -> None:
    found = {path.stem for path in Path(presets.__file__).with_suffix("").glob("*.json")}
    assert found == set(POSE_PRESETS)


def _away(joints: Doubles) -> None:
    joints[:, 0] = WIDTH / 2 + (joints[:, 0] - WIDTH / 2) * 0.3


def _from_behind(joints: Doubles) -> None:
    joints[:, 0] = WIDTH - joints[:, 0]


def _head_turned(joints: Doubles) -> None:
    joints[0, 0] = joints[7, 0] + 5


def _feet_below(joints: Doubles) -> None:
    joints[[29, 30, 31, 32], 1] = HEIGHT + 4


def _ankle_below(joints: Doubles) -> None:
    joints[27, 1] = HEIGHT + 4


def _hand_outside(joints: Doubles) -> None:
    joints[15, 0] = WIDTH + 3


def _arms_folded(joints: Doubles) -> None:
    joints[13], joints[15] = joints[11] + (10, 100), joints[12] + (40, 110)
    joints[[17, 19, 36]] = joints[15] + (-20, 0)


def _hand_at_face(joints: Doubles) -> None:
    joints[15] = joints[0] + (30, 20)
    joints[[17, 19, 36]] = joints[0]


def _arm_folded(joints: Doubles) -> None:
    # As arms_out has it, the upper arm points to the side; the forearm comes back above it.
    joints[15] = joints[11] + (20, -50)
    joints[[17, 19, 36]] = joints[15] + (-10, -15)


def _arm_to_camera(joints: Doubles) -> None:
    joints[15] = joints[13] + (8, 8)


def _sitting(joints: Doubles) -> None:
    joints[25] = joints[23] + (20, 40)


def _on_a_stool(joints: Doubles) -> None:
    # Facing the camera: the thighs look long enough for the torso, though not for the shins.
    for hip, aside in ((23, 40), (24, -40)):
        joints[hip + 2] = joints[hip] + (aside, 95)
        joints[hip + 4] = joints[hip + 2] + (0, 160)


def _legs_crossed(joints: Doubles) -> None:
    joints[[27, 28]] = joints[[28, 27]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_away, "body_turned"),
        (_from_behind, "body_turned"),
        (_head_turned, "head_turned"),
        (_feet_below, "feet_out_of_frame"),
        (_ankle_below, "feet_out_of_frame"),
        (_hand_outside, "joint_out_of_frame"),
        (_arms_folded, "arms_crossed"),
        (_hand_at_face, "hand_at_face"),
        (_arm_folded, "arm_folded"),
        (_arm_to_camera, "arm_foreshortened"),
        (_sitting, "leg_foreshortened"),
        (_on_a_stool, "leg_foreshortened"),
        (_legs_crossed, "legs_crossed"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_its_reason(change: Callable[[Doubles], None], reason: str) -> None:
    joints = figure()
    change(joints)
    with pytest.raises(EngineError) as refused:
        judge_source(joints, SEEN, WIDTH, HEIGHT)
    assert refused.value.code is FailureCode.POSE_EXTRACTION_FAILED
    assert refused.value.details == {"image": "source", "reason": reason} | (
        {"joint": refused.value.details["joint"]} if "joint" in refused.value.details else {}
    )
    assert refused.value.message.startswith("The pose in the source image can't be used: ")


@pytest.mark.parametrize("change", [_away, _from_behind, _ankle_below, _hand_outside, _sitting])
def test_what_cannot_be_taken_over_is_refused(change: Callable[[Doubles], None]) -> None:
    joints = figure()
    change(joints)
    with pytest.raises(EngineError) as refused:
        judge_reference(joints, SEEN, WIDTH, HEIGHT)
    assert refused.value.details["image"] == "reference"


def test_a_hidden_limb_is_named() -> None:
    visible = SEEN.copy()
    visible[14] = 0.2
    with pytest.raises(EngineError) as refused:
        judge_source(figure(), visible, WIDTH, HEIGHT)
    assert "right elbow" in refused.value.message
    assert refused.value.details["reason"] == "limb_hidden"


@pytest.mark.parametrize(
    ("border", "reason"),
    [
        (np.s_[0, 280:320], "head_out_of_frame"),
        (np.s_[300:400, 0], "body_out_of_frame"),
        (np.s_[300:400, -1], "body_out_of_frame"),
    ],
)
def test_whoever_is_cut_by_the_border_is_refused(border: tuple[slice | int, slice | int], reason: str) -> None:
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    judge_cut(alpha, figure())
    alpha[border] = 1
    with pytest.raises(EngineError) as refused:
        judge_cut(alpha, figure())
    assert refused.value.details["reason"] == reason


def test_a_leaning_figure_is_judged_by_its_own_level() -> None:
    turn = np.radians(20)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    joints = (figure(unit=150) - (WIDTH / 2, HEIGHT / 2)) @ matrix.T + (WIDTH / 2, HEIGHT / 2)
    judge_source(joints, SEEN, WIDTH, HEIGHT)


@pytest.mark.parametrize(("half", "behind"), [(0.06, False), (0.035, True)])
def test_an_arm_of_which_the_body_hides_a_part_is_refused(half: float, behind: bool) -> None:
    joints = figure("standing_front")
    unit = torso_length(joints)
    labels = np.full((HEIGHT, WIDTH), -1, np.int64)
    for arm, thick in ((Layer.LEFT_ARM, 0.08), (Layer.RIGHT_ARM, half)):
        for bone in (BONES[index] for index in CHAINS[arm]):
            labels[near(joints[bone.start], joints[bone.end], thick * unit, labels.shape)] = arm
    if not behind:
        judge_seen(labels, joints)
        return
    with pytest.raises(EngineError, match="partly behind the body") as refused:
        judge_seen(labels, joints)
    assert refused.value.details["reason"] == "arm_behind_body"
