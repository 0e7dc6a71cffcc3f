"""The body behind arms that hang before it. Painted by code."""

import numpy as np
import pytest

from actors.engines.local.arrays import Floats, Rgb
from actors.engines.local.posing.behind import without_arms
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.sheets import sheets
from actors.engines.local.posing.skeleton import BODY, BONES, CHAINS, Doubles, Layer, torso_length

from .figures import HEIGHT, SHIRT, SKIN, TROUSERS, WIDTH, closed_stance

_HEM, _SHIRT_END, _LEG_END = 470, 382, 375
"""The row of a shirt's hem, and the columns at which shirt and trousers end on the left."""


def _hanging(joints: Doubles) -> tuple[Rgb, Floats, Floats]:
    """A shirt over trousers with hands before their sides: colours, the layers' shares, and those without arms."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    aside = np.abs(x - WIDTH / 2)
    shirt = (aside <= _SHIRT_END - WIDTH / 2) & (y > joints[11, 1]) & (y <= _HEM)
    legs = (aside <= _LEG_END - WIDTH / 2) & (y > _HEM) & (y < joints[27, 1])
    image = np.where(shirt[..., None], SHIRT, np.where(legs[..., None], TROUSERS, 0.5)).astype(np.float32)
    bare = np.zeros((len(Layer), HEIGHT, WIDTH), np.float32)
    bare[Layer.TORSO], bare[Layer.LEFT_LEG] = shirt, legs & (x >= WIDTH / 2)
    bare[Layer.RIGHT_LEG] = legs & (x < WIDTH / 2)
    shares = bare.copy()
    for arm in (Layer.LEFT_ARM, Layer.RIGHT_ARM):
        bones = [BONES[index] for index in CHAINS[arm]]
        where = np.any([near(joints[b.start], joints[b.end], b.half * 200, (HEIGHT, WIDTH)) for b in bones], axis=0)
        shares[:, where] = 0
        shares[arm] = where
        image[where] = SKIN
    return image, shares, bare


def _hands_at_the_hem(out: float) -> Doubles:
    """Joints of somebody whose hands hang so far out, before the hem; above them background shows beside the shirt."""
    joints = closed_stance(0.16)
    for shoulder, elbow, wrist, way in ((11, 13, 15, 1), (12, 14, 16, -1)):
        joints[elbow] = WIDTH / 2 + way * 135, 360
        joints[wrist] = WIDTH / 2 + way * (90 + 100 * out), 460
        joints[shoulder] = WIDTH / 2 + way * 95, joints[shoulder, 1]
        for joint in (wrist + 2, wrist + 4, wrist + 6, 36 + (way < 0)):
            joints[joint] = joints[wrist] + (0, 20)
    return joints


def test_a_scrap_between_arm_and_body_goes_with_neither_torso_nor_legs() -> None:
    joints = _hands_at_the_hem(0.16)
    # Where torso and leg are sewn together they show the same pixels.
    joints[23, 0], joints[24, 0] = WIDTH / 2 + 50, WIDTH / 2 - 50
    image, shares, _ = _hanging(joints)
    scrap = slice(434, 446), slice(_SHIRT_END + 5, _SHIRT_END + 9)
    assert shares[:, *scrap].max() == 0
    shares[Layer.TORSO][scrap] = 1
    for layer, sheet in sheets(image, shares.max(axis=0), shares, joints).items():
        rows, columns = scrap[0].start - sheet.top, scrap[1].start - sheet.left
        if layer in BODY and rows >= 0 and columns >= 0:
            assert sheet.alpha[rows : rows + 12, columns : columns + 4].max(initial=0) < 0.05


@pytest.mark.parametrize("out", [0.02, 0.06])
def test_where_a_hand_hung_the_side_and_the_hem_go_on_straight(out: float) -> None:
    joints = _hands_at_the_hem(out)
    image, shares, bare = _hanging(joints)
    colours, whole = without_arms(image, shares, joints)
    body = [Layer.TORSO, Layer.LEFT_LEG, Layer.RIGHT_LEG]
    rows = slice(420, 540)
    now, truth = (each[body].max(axis=0)[rows] > 0.5 for each in (whole, bare))
    unit = torso_length(joints)
    # The side misses its place by an edge's breadth, but next to the hem.
    aside = np.abs(now.sum(axis=1) - truth.sum(axis=1)) / 2
    assert np.percentile(aside, 90) < 0.03 * unit
    for row, cloth in ((_HEM - 12, SHIRT), (_HEM + 12, TROUSERS)):
        seen = colours[row, WIDTH // 2 - 70 : WIDTH // 2 + 70]
        assert np.abs(seen - cloth).max() < 0.1
    # What no arm covers stays as it is.
    assert np.array_equal(whole[body][:, 640:], shares[body][:, 640:])
    assert np.array_equal(colours[640:], image[640:])


def test_what_is_left_of_the_wall_between_hand_and_hip_ends_without_a_step() -> None:
    joints = _hands_at_the_hem(0.06)
    for wrist in (15, 16):
        joints[[wrist, wrist + 2, wrist + 4, wrist + 6, wrist + 21]] += (0, 160)
    image, shares, _ = _hanging(joints)
    # Along the leg, which is narrower, to the hand; and it ends at once.
    for row in range(_HEM + 1, 600):
        hand = int(np.argmax(shares[Layer.LEFT_ARM, row] > 0))
        shares[Layer.LEFT_LEG, row, _LEG_END - 8 : hand] = row < 580
    _, whole = without_arms(image, shares, joints)
    body = whole[list(BODY)].max(axis=0)[_HEM + 1 : 595]
    ends = np.argmax(body[:, ::-1] > 0.5, axis=1)
    assert np.abs(np.diff(ends)).max() < 6


def test_a_hands_fingers_are_not_seen_on_the_thigh_behind_it() -> None:
    joints = _hands_at_the_hem(0.0)
    joints[[36, 37], 1] += 80
    image, shares, _ = _hanging(joints)
    # Trousers that are lighter outwards, and fingers that reach inwards before them.
    light = np.linspace(0, 1, WIDTH, dtype=np.float32)[:, None]
    legs = np.isin(np.argmax(shares, axis=0), (Layer.LEFT_LEG, Layer.RIGHT_LEG)) & (shares.max(axis=0) > 0)
    image[legs] = np.broadcast_to(light, image.shape)[legs]
    rows = slice(_HEM + 2, round(float(joints[36, 1])))
    first = int(np.argmax(shares[Layer.LEFT_ARM, rows.start]))
    for row in range(rows.start, rows.stop, 24):
        finger = slice(row, row + 8), slice(first - 14, first)
        shares[:, *finger], shares[Layer.LEFT_ARM][finger], image[finger] = 0, 1, SKIN
    made, _ = without_arms(image, shares, joints)
    column = made[rows.start + 4 : rows.stop - 4, first + 5, 0]
    assert np.abs(np.diff(column)).max() < 0.005
