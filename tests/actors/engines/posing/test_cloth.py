"""Cloth that joins legs, and arms that touch the body: flat figures, painted by code."""

import cv2
import numpy as np
import pytest

from actors.engines.local.arrays import Mask, Rgb
from actors.engines.local.posing.bending import bent_sheets
from actors.engines.local.posing.cloth import legs_joined, legs_may_stay, with_own_legs
from actors.engines.local.posing.hands import hidden_hands
from actors.engines.local.posing.parts import Division, labelled, shares_of
from actors.engines.local.posing.sheets import sheets
from actors.engines.local.posing.skeleton import PELVIS, Doubles, Layer, length, torso_length
from actors.engines.local.posing.suitability import judge_carried, judge_torn
from actors.engines.local.posing.targets import retargeted
from actors.engines.local.posing.tearing import Torn, torn
from actors.engines.seam import EngineError
from schema.models.edits import POSE_PRESETS

from .figures import SHIRT, SKIN, TROUSERS, closed_stance, figure, painted


def divided(joints: Doubles, *, skirt: bool) -> Division:
    image, inside = painted(joints, skirt=skirt)
    return labelled(image, inside.astype(np.float32), joints)


@pytest.mark.parametrize("apart", [0.1, 0.16])
def test_a_skirt_joins_the_legs_and_trousers_do_not(apart: float) -> None:
    joints = closed_stance(apart)
    for skirt in (True, False):
        division = divided(joints, skirt=skirt)
        assert legs_joined(division.image, division.labels, joints * division.scale) is skirt


def test_legs_stay_where_the_wanted_ones_stand_alike() -> None:
    joints = closed_stance(0.1)
    stay = {name for name in POSE_PRESETS if legs_may_stay(joints, figure(name))}
    assert {"standing_front", "arms_out", "arms_raised", "waving", "hands_on_hips"} <= stay
    assert not stay & {"dancing", "side_step"}


def test_own_legs_come_with_the_reference_upper_body() -> None:
    source, reference = closed_stance(0.1), figure("arms_raised", unit=100.0)
    mixed = with_own_legs(source, reference)
    assert np.array_equal(mixed[11:23], reference[11:23])
    assert length(mixed, 25, 27) == pytest.approx(length(source, 25, 27) / 2)
    assert np.allclose((mixed[27] - mixed[PELVIS]) * 2, source[27] - source[PELVIS])


def test_an_arm_that_touches_the_body_takes_nothing_of_it_along() -> None:
    joints = closed_stance(0.16)
    unit = torso_length(joints)
    image, inside = painted(joints, skirt=False)
    # A sleeve of the shirt's own cloth: nothing tells it from the side of the shirt.
    for shoulder, elbow in ((11, 13), (12, 14)):
        ends = [joints[joint].round().astype(int).tolist() for joint in (shoulder, elbow)]
        cv2.line(image, ends[0], ends[1], SHIRT, round(0.2 * unit))
    division = labelled(image, inside.astype(np.float32), joints)
    small = joints * division.scale
    for arm, elbow, side in ((Layer.LEFT_ARM, 13, 1), (Layer.RIGHT_ARM, 14, -1)):
        rows, columns = np.nonzero(division.labels == arm)
        low = rows > (small[11][1] + small[elbow][1]) / 2
        line = np.interp(rows[low], small[[elbow - 2, elbow, elbow + 2], 1], small[[elbow - 2, elbow, elbow + 2], 0])
        inwards = side * (line - columns[low])
        assert inwards.max() < 0.18 * unit * division.scale


def test_a_print_beside_a_sleeve_goes_with_the_shirt() -> None:
    joints = closed_stance(0.16)
    unit = torso_length(joints)
    image, inside = painted(joints, skirt=False)
    for shoulder, elbow in ((11, 13), (12, 14)):
        ends = [joints[joint].round().astype(int).tolist() for joint in (shoulder, elbow)]
        cv2.line(image, ends[0], ends[1], SHIRT, round(0.2 * unit))
    plain = labelled(image, inside.astype(np.float32), joints)
    elbow = joints[13].round().astype(int)
    for row in range(-40, 20, 12):
        left, top = int(elbow[0] - 0.3 * unit), int(elbow[1]) + row
        image[top : top + 6, left : left + round(0.18 * unit)] = 0.1
    division = labelled(image, inside.astype(np.float32), joints)
    mine, before = division.labels == Layer.LEFT_ARM, plain.labels == Layer.LEFT_ARM
    assert (mine & ~before).sum() < 0.02 * before.sum()
    # Its border has no steps: from row to row it goes a pixel aside at most.
    rows = np.flatnonzero(mine.any(axis=1))
    rows = rows[(rows > (elbow[1] - 50) * division.scale) & (rows < (elbow[1] + 30) * division.scale)]
    assert np.abs(np.diff(np.argmax(mine[rows], axis=1))).max() <= 1


def test_a_fold_along_a_sleeve_leaves_none_of_it_with_the_shirt() -> None:
    joints = figure("arms_out")
    unit = torso_length(joints)
    image, inside = painted(joints, skirt=False)
    shoulder, elbow = joints[11], joints[13]
    sleeve, down = shoulder + 0.9 * (elbow - shoulder), np.array([0.0, unit])
    for target, value in ((image, SHIRT), (inside.view(np.uint8), (1,))):
        ends = [end.round().astype(int).tolist() for end in (shoulder, sleeve)]
        cv2.line(target, ends[0], ends[1], value, round(0.3 * unit))
    ends = [(end + 0.05 * down).round().astype(int).tolist() for end in (1.1 * shoulder - 0.1 * elbow, elbow)]
    cv2.line(image, ends[0], ends[1], (0.1, 0.1, 0.1), 6)
    division = labelled(image, inside.astype(np.float32), joints)
    half = shoulder + 0.4 * (elbow - shoulder)
    column, top, low = (round(float(at) * division.scale) for at in (half[0], half[1], half[1] + 0.13 * unit))
    assert np.unique(division.labels[top:low, column]).tolist() == [Layer.LEFT_ARM]


@pytest.mark.parametrize("inwards", [0.0, 0.06])
def test_a_bare_arm_takes_no_cloth_along_wherever_its_bone_was_thought_to_be(inwards: float) -> None:
    joints = closed_stance(0.16)
    unit = torso_length(joints)
    image, inside = painted(joints, skirt=False)
    moved = joints.copy()
    for side, arm in ((1, [13, 15, 17, 19, 21, 36]), (-1, [14, 16, 18, 20, 22, 37])):
        moved[arm, 0] -= side * inwards * unit
    # A shirt as wide as the arms reach, behind them.
    shirt = [joints[11], joints[15] - (0.02 * unit, 0), joints[16] + (0.02 * unit, 0), joints[12]]
    cloth, _ = painted(joints, skirt=False)
    bare = np.all(np.isclose(image, SKIN), axis=-1)
    for target, value in ((cloth, SHIRT), (inside.view(np.uint8), (1,))):
        cv2.fillPoly(target, [np.array(shirt).round().astype(np.int32)], value)
    image = np.where(bare[..., None], image, cloth)
    division = labelled(image, inside.astype(np.float32), moved)
    arms = np.isin(division.labels, (Layer.LEFT_ARM, Layer.RIGHT_ARM))
    below = np.arange(len(arms))[:, None] > (joints[11][1] + 0.35 * unit) * division.scale
    light = np.abs(division.image - SHIRT).max(axis=-1) < 0.1
    assert (arms & below & light).sum() < 0.01 * (arms & below).sum()


def _hanging(image: Rgb, inside: Mask, joints: Doubles) -> None:
    """Cloth that hangs from the left forearm, outside of the body."""
    drop = np.array([0.45, 0.25]) * torso_length(joints)
    corners = np.array([joints[13], joints[15], joints[15] + drop, joints[13] + drop]).round().astype(np.int32)
    cv2.fillPoly(image, [corners], (0.7, 0.1, 0.1))
    cv2.fillPoly(inside.view(np.uint8), [corners], (1,))


def test_what_hangs_from_an_arm_is_refused() -> None:
    joints = figure("standing_front")
    image, inside = painted(joints, skirt=False)
    division = labelled(image, inside.astype(np.float32), joints)
    judge_carried(division.labels, joints * division.scale)
    _hanging(image, inside, joints)
    division = labelled(image, inside.astype(np.float32), joints)
    with pytest.raises(EngineError) as refused:
        judge_carried(division.labels, joints * division.scale)
    assert refused.value.details["reason"] == "arm_carries"


@pytest.mark.parametrize(
    ("covered", "colour", "hidden"),
    [
        ([], SHIRT, []),
        ([17], TROUSERS, [Layer.LEFT_ARM]),
        ([17, 18], TROUSERS, [Layer.LEFT_ARM, Layer.RIGHT_ARM]),
        ([17, 18], (0.3, 0.05, 0.05), []),
    ],
    ids=["both seen", "one in a pocket", "both in pockets", "gloves"],
)
def test_a_hand_in_a_pocket_is_not_seen(
    covered: list[int], colour: tuple[float, float, float], hidden: list[Layer]
) -> None:
    joints = closed_stance(0.16)
    unit = torso_length(joints)
    # Both hands at the outer sides of the thighs.
    for side, thigh, hand in ((1, 23, [15, 17, 19, 21, 36]), (-1, 24, [16, 18, 20, 22, 37])):
        joints[hand] += joints[thigh] + (side * 0.2 * unit, 0.15 * unit) - joints[hand[1]]
    image, inside = painted(joints, skirt=False)
    for knuckles in covered:
        place = joints[knuckles].round().astype(int).tolist()
        for target, value in ((image, colour), (inside.view(np.uint8), (1,))):
            cv2.circle(target, place, round(0.12 * unit), value, -1)
    division = labelled(image, inside.astype(np.float32), joints)
    assert hidden_hands(division.image, division.labels, joints * division.scale) == hidden


def _torn(joints: Doubles, image: Rgb, inside: Mask, wanted: str) -> dict[Layer, Torn]:
    alpha = inside.astype(np.float32)
    division = labelled(image, alpha, joints)
    layers = sheets(image, alpha, shares_of(division.labels, inside.shape), joints)
    target = retargeted(joints, figure(wanted), turn_head=False)
    return torn(division, joints, bent_sheets(layers, joints, target, inside.shape, 0.5))


def test_a_coat_whose_sleeves_are_one_with_it_is_torn_by_raising_the_arms_alone() -> None:
    joints = closed_stance(0.16)
    image, inside = painted(joints, skirt=False)
    assert not any(arm.sleeve or arm.hand for arm in _torn(joints, image, inside, "arms_out").values())
    unit = torso_length(joints)
    out = np.array([0.1 * unit, 0])
    coat = np.array([joints[11] + out, joints[15] + out, joints[16] - out, joints[12] - out]).round().astype(np.int32)
    cv2.fillPoly(image, [coat], SHIRT)
    cv2.fillPoly(inside.view(np.uint8), [coat], (1,))
    assert all(arm.sleeve for arm in _torn(joints, image, inside, "arms_out").values())
    # Arms that swing as in walking leave a narrow gap: that shows as well.
    assert any(arm.sleeve for arm in _torn(joints, image, inside, "walking").values())
    assert not any(arm.sleeve for arm in _torn(joints, image, inside, "standing_front").values())


def test_prints_do_not_hide_that_a_sleeve_is_one_with_the_coat() -> None:
    joints = closed_stance(0.16)
    image, inside = painted(joints, skirt=False)
    unit = torso_length(joints)
    rows, columns = np.indices(inside.shape) // 8
    checked = np.where(((rows + columns) % 2 == 0)[..., None], np.array(SHIRT), np.array(TROUSERS)).astype(np.float32)
    shirt = np.all(image == np.array(SHIRT, np.float32), axis=-1)
    image[shirt] = checked[shirt]
    # Arms that are bare are another thing than the checked shirt beside them.
    assert not any(arm.sleeve or arm.hand for arm in _torn(joints, image, inside, "arms_out").values())
    out = np.array([0.1 * unit, 0])
    coat = np.array([joints[11] + out, joints[15] + out, joints[16] - out, joints[12] - out]).round().astype(np.int32)
    cloth = np.zeros(inside.shape, np.uint8)
    cv2.fillPoly(cloth, [coat], (1,))
    image[cloth > 0] = checked[cloth > 0]
    inside |= cloth > 0
    assert all(arm.sleeve for arm in _torn(joints, image, inside, "arms_out").values())


@pytest.mark.parametrize(
    ("arm", "reason"),
    [
        (Torn(0.4, 0.0, 0.0), "arm_joined"),
        (Torn(0.0, 0.0, 0.17), "arm_joined"),
        (Torn(0.0, 0.3, 0.0), "hand_at_body"),
        (Torn(0.26, 0.16, 0.06), None),
    ],
)
def test_torn_cloth_is_refused_with_what_would_do(arm: Torn, reason: str | None) -> None:
    if reason is None:
        judge_torn([arm])
        return
    with pytest.raises(EngineError, match="Please send a photo") as refused:
        judge_torn([arm])
    assert refused.value.details["reason"] == reason
