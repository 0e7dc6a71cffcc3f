"""Bare arms that are raised: no cloth goes with them, and they are whole where the body hid them. Painted by code."""

from collections.abc import Collection

import cv2
import numpy as np

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.posing.bending import bent_sheets
from actors.engines.local.posing.drawing import drawing_order, drawn
from actors.engines.local.posing.parts import Division, labelled, shares_of
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.sheets import insides, sheets
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.posing.sleeves import bare_arms, going_up, without_cloth
from actors.engines.local.posing.targets import Target, retargeted

from .figures import HEIGHT, SHIRT, SKIN, WIDTH, closed_stance, figure, painted


def test_an_arm_is_bare_that_has_no_sleeve() -> None:
    joints = closed_stance(0.16)
    image, inside = painted(joints, skirt=False)
    bone = BONES[CHAINS[Layer.LEFT_ARM][0]]
    end = joints[bone.start] + 0.6 * (joints[bone.end] - joints[bone.start])
    ends = [place.round().astype(int).tolist() for place in (joints[bone.start], end)]
    cv2.line(image, ends[0], ends[1], SHIRT, round(0.2 * torso_length(joints)))
    assert bare_arms(labelled(image, inside.astype(np.float32), joints), joints) == {Layer.RIGHT_ARM}


def _raised(
    division: Division, joints: Doubles, image: Rgb, alpha: Plane, bare: Collection[Layer]
) -> tuple[Target, Rgb, Plane]:
    wanted, shape = figure("arms_raised"), (HEIGHT, WIDTH)
    shares = shares_of(without_cloth(division, bare, joints), shape)
    layers, inner = sheets(image, alpha, shares, joints, bare), insides(image, alpha, shares, joints, bare)
    target = retargeted(joints, wanted, turn_head=False)
    bent = bent_sheets(layers, joints, target, shape, 0.5, bare)
    under = [(sheet, target.motions[CHAINS[arm][0]]) for arm, sheet in inner.items()]
    return target, *drawn(layers, bent, drawing_order(wanted, np.zeros(38)), shape, under)


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


def test_arms_go_up_by_more_than_a_step() -> None:
    joints = closed_stance(0.16)
    for wanted, up in (("standing_front", set[Layer]()), ("arms_raised", set(ARMS)), ("arms_out", set(ARMS))):
        assert going_up(ARMS, retargeted(joints, figure(wanted), turn_head=False)) == up
