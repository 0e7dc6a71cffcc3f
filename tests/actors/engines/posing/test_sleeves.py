"""Bare arms that are raised: no cloth goes with them, and they are whole where the body hid them. Painted by code."""

from collections.abc import Collection

import cv2
import numpy as np
import pytest

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.posing.bending import bent_sheets
from actors.engines.local.posing.between import between
from actors.engines.local.posing.drawing import drawing_order, drawn
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.parts import Division, labelled, shares_of
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.sheets import insides, sheets
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.posing.sleeves import bare_from, skin_alone, sleeveless, without_cloth
from actors.engines.local.posing.targets import Target, retargeted

from .figures import HEIGHT, SHIRT, SKIN, WIDTH, closed_stance, figure, painted


def _sleeved(image: Rgb, joints: Doubles, arm: Layer, share: float) -> None:
    """Paint a sleeve of the shirt's cloth over this share of an upper arm."""
    bone = BONES[CHAINS[arm][0]]
    end = joints[bone.start] + share * (joints[bone.end] - joints[bone.start])
    ends = [place.round().astype(int).tolist() for place in (joints[bone.start], end)]
    cv2.line(image, ends[0], ends[1], SHIRT, round(0.22 * torso_length(joints)))


@pytest.mark.parametrize("light", [0.6, 0.8, 1.1], ids=["shaded", "dim", "sunlit"])
def test_an_arm_is_bare_from_where_its_sleeve_ends(light: float) -> None:
    joints = closed_stance(0.16)
    image, inside = painted(joints, skirt=False)
    _sleeved(image, joints, Layer.LEFT_ARM, 0.5)
    # The face is lit otherwise than arms and hands are.
    below = round(joints[11, 1] - 0.05 * torso_length(joints))
    image[below:] = np.clip(image[below:] * light, 0, 1)
    bare = bare_from(labelled(image, inside.astype(np.float32), joints), joints)
    assert bare[Layer.RIGHT_ARM] <= 0.2
    assert 0.4 <= bare[Layer.LEFT_ARM] <= 0.8


def test_no_arm_is_bare_under_long_sleeves() -> None:
    joints = closed_stance(0.16)
    image, inside = painted(joints, skirt=False)
    for shoulder, elbow, wrist in ((11, 13, 15), (12, 14, 16)):
        line = joints[[shoulder, elbow, wrist]].round().astype(np.int32)
        cv2.polylines(image, [line], False, SHIRT, round(0.22 * torso_length(joints)))
    assert not bare_from(labelled(image, inside.astype(np.float32), joints), joints)


def test_what_shows_between_a_bare_arm_and_the_body_does_not_go_with_it() -> None:
    joints = closed_stance(0.16)
    image, inside = painted(joints, skirt=False)
    # A wall that is nearly of the shirt's colour, which the matte has taken for the person, where light falls on it.
    shade = np.array(SHIRT, np.float32) * 0.93
    wall = np.all(np.isclose(image, 0.6), axis=-1)
    image[wall] = shade
    gap = np.zeros(inside.shape, np.uint8)
    for shoulder, elbow, wrist, hip in ((11, 13, 15, 23), (12, 14, 16, 24)):
        cv2.fillPoly(gap, [joints[[shoulder, elbow, wrist, hip]].round().astype(np.int32)], 1)
    alpha = (inside | (gap > 0)).astype(np.float32)
    division = labelled(image, alpha, joints)
    taken = division.labels.copy()
    height, width = taken.shape
    small = cv2.resize((gap > 0).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    pale = small & (np.abs(division.image - shade).max(axis=-1) < 0.03)
    taken[pale & (np.arange(width) > width / 2)] = Layer.LEFT_ARM
    spoiled = Division(division.image, taken, division.scale)
    bare = bare_from(spoiled, joints)
    assert bare.keys() == set(ARMS)
    labels = without_cloth(spoiled, bare, joints)
    assert (labels[pale] == Layer.LEFT_ARM).mean() < 0.1 * (taken[pale] == Layer.LEFT_ARM).mean()
    skin = np.abs(division.image - SKIN).max(axis=-1) < 0.03
    assert (labels[skin & (division.labels == Layer.LEFT_ARM)] == Layer.LEFT_ARM).mean() > 0.95


_ROWS = slice(300, 600)


def _straight() -> tuple[Doubles, Doubles]:
    """Joints whose left arm hangs straight down, and how far each column is from its inner side, in torso lengths."""
    joints = closed_stance(0.16)
    bones = [BONES[index] for index in CHAINS[Layer.LEFT_ARM]]
    shoulder, unit = float(joints[bones[0].start, 0]), torso_length(joints)
    out = 1 if shoulder > WIDTH / 2 else -1
    for bone in bones:
        joints[[bone.start, bone.end], 0] = shoulder + 0.08 * unit * out
    return joints, (np.arange(WIDTH, dtype=np.float64) - shoulder) * out / unit


def _beside(place: Doubles, border: float) -> tuple[Rgb, Indices]:
    """A shirt and a bare arm beside it, and labels with the border between them elsewhere."""
    image, labels = np.full((HEIGHT, WIDTH, 3), 0.6, np.float32), np.full((HEIGHT, WIDTH), -1, np.int64)
    image[_ROWS, place < 0], image[_ROWS, (place >= 0) & (place < 0.16)] = SHIRT, SKIN
    labels[_ROWS, place < border], labels[_ROWS, (place >= border) & (place < 0.16)] = Layer.TORSO, Layer.LEFT_ARM
    return image, labels


def test_the_wall_between_a_hanging_arm_and_the_body_is_nobodys_where_an_edge_parts_it_from_the_body() -> None:
    joints, place = _straight()
    image, labels = _beside(place, 0.0)
    assert not between(image, labels, Layer.LEFT_ARM, joints).any()
    # A print: beyond its letters there is a stripe that is like the wall.
    printed = image.copy()
    printed[_ROWS, (place < 0) & (place > -0.06)] = 0.05
    printed[_ROWS, (place < -0.06) & (place > -0.1)] = 0.6
    assert not between(printed, labels, Layer.LEFT_ARM, joints).any()
    gap = (place < 0) & (place > -0.1)
    image[_ROWS, gap] = 0.5  # in shade
    found = between(image, labels, Layer.LEFT_ARM, joints)
    below = slice(round(joints[11, 1] + 0.5 * torso_length(joints)), _ROWS.stop - 20)
    assert found[below][:, gap].mean() > 0.9
    assert found[:, ~gap].mean() < 0.01


def test_cloth_of_the_walls_colour_beside_a_hanging_arm_stays_with_the_body() -> None:
    joints, place = _straight()
    image, labels = _beside(place, 0.0)
    hand_end = round(joints[BONES[CHAINS[Layer.LEFT_ARM][-1]].end, 1])
    # Shaded at the arm, it seems a darker wall with an edge; but below the hand it goes on.
    body = place < 0
    image[_ROWS, body] = np.interp(-place[body], [0.06, 0.09], [0.45, 0.62])[:, None]
    labels[hand_end:, ~body] = -1
    assert not between(image, labels, Layer.LEFT_ARM, joints).any()
    # What has the colour of cloth farther in isn't told from that by the wall's.
    image, labels = _beside(place, 0.0)
    image[_ROWS, (place < 0) & (place > -0.1)] = 0.5
    assert between(image, labels, Layer.LEFT_ARM, joints).any()
    image[_ROWS, (place < -0.2) & (place > -0.3)] = 0.5
    assert not between(image, labels, Layer.LEFT_ARM, joints).any()


@pytest.mark.parametrize("border", [-0.02, 0.02])
def test_a_bare_arm_ends_where_its_skin_does_and_leaves_no_edge_of_it_with_the_body(border: float) -> None:
    joints, place = _straight()
    image, labels = _beside(place, border)
    shares = shares_of(labels, labels.shape)
    skin = skin_alone(image, shares, {Layer.LEFT_ARM: 0.0}, joints)[Layer.LEFT_ARM]
    below = slice(round(joints[11, 1] + 0.3 * torso_length(joints)), round(joints[15, 1]))
    cloth, arm = (place < -0.01) & (place > -0.05), (place > 0.01) & (place < 0.05)
    assert skin[below][:, cloth].max() < 0.1
    assert skin[below][:, arm].min() > 0.9
    assert shares[Layer.TORSO][below][:, arm].max() < 0.1


def test_a_hand_beside_a_thigh_as_bare_stays_whole() -> None:
    joints, place = _straight()
    image, labels = _beside(place, 0.0)
    bone = BONES[CHAINS[Layer.LEFT_ARM][-1]]
    low, end = round(joints[bone.start, 1]), round(joints[bone.end, 1])
    rows = slice(low, end + 30)
    # In its shade, as a hand is.
    image[rows, (place > -0.5) & (place < 0.16)] = np.array(SKIN, np.float32) * 0.8
    labels[rows, (place > -0.5) & (place < 0)] = Layer.LEFT_LEG
    labels[rows, (place >= 0) & (place < 0.16)] = Layer.LEFT_ARM
    shares = shares_of(labels, labels.shape)
    skin = skin_alone(image, shares, {Layer.LEFT_ARM: 0.0}, joints)[Layer.LEFT_ARM]
    assert skin[low + 5 : end, (place > 0.04) & (place < 0.12)].min() > 0.9
    assert skin[low + 5 : end, place < -0.04].max() < 0.1


def _raised(
    division: Division, joints: Doubles, image: Rgb, alpha: Plane, bare: Collection[Layer]
) -> tuple[Target, Rgb, Plane]:
    wanted, shape = figure("arms_raised"), (HEIGHT, WIDTH)
    shares = shares_of(without_cloth(division, dict.fromkeys(bare, 0.0), joints), shape)
    layers, inner = sheets(image, alpha, shares, joints, bare), insides(image, alpha, shares, joints, bare)
    target = retargeted(joints, wanted, turn_head=False)
    bent = bent_sheets(layers, joints, target, shape, 0.5, bare)
    under = [(sheet, target.motions[CHAINS[arm][0]]) for arm, sheet in inner.items()]
    picture, cover, _ = drawn(layers, bent, drawing_order(wanted, np.zeros(38)), shape, under)
    return target, picture, cover


def test_a_bare_arm_that_goes_up_is_as_thick_at_the_shoulder_as_it_is_and_takes_no_cloth_along() -> None:
    joints = closed_stance(0.16)
    unit = torso_length(joints)
    image, inside = painted(joints, skirt=False)
    # A shirt that hangs before the inner side of the upper arms.
    for arm, side in zip(ARMS, (-1, 1), strict=True):
        bone = BONES[CHAINS[arm][0]]
        inwards, down = np.array([side * unit, 0]), np.array([0, 0.12 * unit])
        top, bottom = joints[bone.start] + down + 0.02 * inwards, joints[bone.end] + 0.02 * inwards
        corners = np.array([top, bottom, bottom + 0.3 * inwards, top + 0.3 * inwards]).round().astype(np.int32)
        for picture, value in ((image, SHIRT), (inside.view(np.uint8), (1,))):
            cv2.fillPoly(picture, [corners], value)
    whole: dict[bool, list[float]] = {False: [], True: []}
    alpha = inside.astype(np.float32)
    division = labelled(image, alpha, joints)
    for bare in ((), ARMS):
        target, seen, cover = _raised(division, joints, image, alpha, bare)
        unit = torso_length(target.joints)
        for arm in ARMS:
            bone = BONES[CHAINS[arm][0]]
            start, end = target.joints[bone.start], target.joints[bone.end]
            root = near(start + 0.15 * (end - start), start + 0.4 * (end - start), 0.09 * unit, cover.shape)
            skin = (cover > 0.5) & (np.abs(seen - SKIN).max(axis=-1) < 0.1)
            whole[bool(bare)].append(float((skin & root).sum() / root.sum()))
    assert max(whole[False]) < 0.75  # else this shows nothing
    assert min(whole[True]) > 0.85


def test_bare_arms_go_up_by_more_than_a_step() -> None:
    joints, bare = closed_stance(0.16), {Layer.LEFT_ARM: 0.0, Layer.RIGHT_ARM: 0.2}
    for wanted, up in (("standing_front", set[Layer]()), ("arms_raised", set(ARMS)), ("arms_out", set(ARMS))):
        target = retargeted(joints, figure(wanted), turn_head=False)
        assert sleeveless(bare, target) == up
        assert not sleeveless(dict.fromkeys(ARMS, 0.6), target)
