import numpy as np
import pytest

from actors.engines.local.posing.checking import LEAST_FOUND, compared
from actors.engines.local.posing.framing import framed
from actors.engines.local.posing.presets import preset_pose
from actors.engines.local.posing.skeleton import LIMBS, SKULL, length, torso_length
from actors.engines.local.posing.targets import placed, retargeted
from actors.engines.seam import EngineError
from schema.models.edits import POSE_PRESETS
from schema.models.problems import FailureCode

from .figures import WIDTH, figure

LEFT_UPPER_ARM, RIGHT_UPPER_ARM = 3, 5


def test_the_own_pose_moves_nothing() -> None:
    source = figure()
    target = retargeted(source, source * 1.7 + 30, turn_head=False)
    assert np.abs(target.joints - source)[[*range(11, 17), *range(23, 29), 33, 34, 35]].max() < 1e-6
    assert all(abs(motion.angle) < 1e-9 for motion in target.motions)


@pytest.mark.parametrize("name", POSE_PRESETS)
def test_limbs_take_the_directions_of_the_reference_and_keep_about_their_length(name: str) -> None:
    source, reference = figure("arms_out"), figure(name, unit=90)
    target = retargeted(source, reference, turn_head=False)
    match = compared(target.joints, retargeted(source, reference * 3, turn_head=False).joints)
    assert match.found == 1
    for start, end in LIMBS:
        wanted, seen = reference[end] - reference[start], target.joints[end] - target.joints[start]
        assert abs(wanted[0] * seen[1] - wanted[1] * seen[0]) < 1e-6 * np.hypot(*wanted) * np.hypot(*seen) + 1e-6
        assert 0.7 < length(target.joints, start, end) / length(source, start, end) < 1.25


def test_an_arm_goes_up_on_the_outer_side() -> None:
    hanging, raised = figure("standing_front"), figure("arms_raised")
    up = retargeted(hanging, raised, turn_head=False)
    down = retargeted(raised, hanging, turn_head=False)
    # On the picture's right counterclockwise, which is negative where y points down; and back the same way.
    assert np.degrees(up.motions[LEFT_UPPER_ARM].angle) == pytest.approx(-137, abs=1)
    assert np.degrees(up.motions[RIGHT_UPPER_ARM].angle) == pytest.approx(137, abs=1)
    assert down.motions[LEFT_UPPER_ARM].angle == pytest.approx(-up.motions[LEFT_UPPER_ARM].angle)


def test_the_head_turns_only_when_it_may() -> None:
    source, reference = figure(), figure()
    reference[[7, 8, 35]] += (60, 0)
    assert retargeted(source, reference, turn_head=False).motions[SKULL].angle == 0
    assert np.degrees(retargeted(source, reference, turn_head=True).motions[SKULL].angle) == pytest.approx(18)


def test_motions_take_joints_to_their_place() -> None:
    source = figure()
    target = placed(retargeted(source, figure("dancing"), turn_head=True), 0.8, np.array([12.0, -7.0]))
    for index, (start, end) in ((3, (11, 13)), (4, (13, 15)), (7, (23, 25)), (11, (26, 28))):
        moved = target.motions[index].moved(source[[start, end]])
        # Where a limb is made shorter as a whole, its motion says so too.
        assert np.abs(moved - target.joints[[start, end]]).max() < 1e-6


def test_the_figure_stays_on_its_ground_and_inside_the_picture() -> None:
    source = figure("standing_front")
    target = framed(source, retargeted(source, figure("arms_out"), turn_head=False), WIDTH)
    assert target.joints[27:33, 1].max() == pytest.approx(source[27:33, 1].max(), abs=1)
    assert target.joints[:, 0].min() > 0 < WIDTH - target.joints[:, 0].max()


def test_raised_hands_have_room_above_them_though_the_head_had_little() -> None:
    source = figure("standing_front")
    air = 0.18 * torso_length(source)
    source[:, 1] -= source[35, 1] + 1.1 * (source[35, 1] - source[33, 1]) - 0.2 * air
    target = framed(source, retargeted(source, figure("arms_raised"), turn_head=False), WIDTH)
    scale = torso_length(target.joints) / torso_length(source)
    assert target.joints[[36, 37], 1].min() >= air * scale - 1


def test_a_pose_without_room_is_refused() -> None:
    source = figure("standing_front") - (200, 0)
    with pytest.raises(EngineError) as refused:
        framed(source, retargeted(source, figure("arms_out"), turn_head=False), 230)
    assert refused.value.code is FailureCode.POSE_EXTRACTION_FAILED
    assert refused.value.details["reason"] == "no_room"


def test_every_preset_is_a_figure_that_faces_the_camera() -> None:
    for name in POSE_PRESETS:
        joints = preset_pose(name).joints
        assert torso_length(joints) == pytest.approx(1, abs=0.02), name
        assert joints[11, 0] > joints[12, 0], name
        assert joints[23, 0] > joints[24, 0], name


def test_where_hips_are_seen_says_nothing_of_a_pose() -> None:
    wanted = figure("arms_out")
    for low, good in (((23, 24), True), ((13, 14), False)):
        seen = wanted.copy()
        seen[list(low), 1] += 0.11 * torso_length(wanted)
        match = compared(seen, wanted)
        assert (match.found >= LEAST_FOUND) == good
