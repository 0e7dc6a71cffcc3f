"""The outline at joints that turned."""

import numpy as np
import pytest

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.perception.pose import LEFT_SHOULDER, RIGHT_SHOULDER
from actors.engines.local.posing.rounding import Bend, bends, head_and_hands, round_off
from actors.engines.local.posing.skeleton import LEFT_ELBOW, LEFT_HAND, LIMB_JOINTS, RIGHT_ELBOW, RIGHT_HAND
from actors.engines.local.posing.targets import retargeted

from .figures import HEIGHT, WIDTH, figure

SIDE = 400
PLACE = np.array([200.0, 120.0])
SHOULDER = Bend(PLACE, PLACE, 8.0, 80.0)
CLOTH = np.array([0.2, 0.3, 0.6], np.float32)


@pytest.fixture
def cover() -> Plane:
    """A body on the left, an arm to the right: a square corner for an armpit, a hump and a notch on the shoulder."""
    result = np.zeros((SIDE, SIDE), np.float32)
    result[100:, 40:200] = 1
    result[100:150, 200:] = 1
    result[92:100, 185:197] = 1
    result[100:116, 215:219] = 0
    return result


def weighted(cover: Plane) -> Rgb:
    return CLOTH * cover[..., None]


def test_humps_and_notches_go_and_an_armpit_is_an_arc(cover: Plane) -> None:
    picture = weighted(cover)
    round_off(picture, cover, [SHOULDER], np.zeros(cover.shape, np.bool_))
    assert cover[92:95, 185:197].max() < 0.5
    assert cover[104:116, 217].min() > 0.9
    assert cover[152, 203] > 0.9
    assert cover[160, 220] == 0
    # What is added is of the cloth's colour.
    assert picture == pytest.approx(weighted(cover), abs=1e-3)


def test_what_is_far_from_such_a_joint_stays(cover: Plane) -> None:
    before, picture = cover.copy(), weighted(cover)
    away = np.hypot(*(np.indices(cover.shape)[::-1] - PLACE[:, None, None])) > SHOULDER.reach + 1
    round_off(picture, cover, [], np.zeros(cover.shape, np.bool_))
    assert np.array_equal(cover, before)
    round_off(picture, cover, [SHOULDER], np.zeros(cover.shape, np.bool_))
    assert np.array_equal(cover[away], before[away])
    assert np.array_equal(picture[away], weighted(before)[away])


def test_what_is_kept_stays(cover: Plane) -> None:
    kept = np.zeros(cover.shape, np.bool_)
    kept[60:115, 150:240] = True
    before, picture = cover.copy(), weighted(cover)
    round_off(picture, cover, [SHOULDER], kept)
    assert np.array_equal(cover[kept], before[kept])


def test_hair_and_fingers_are_kept() -> None:
    head = np.zeros((HEIGHT, WIDTH), np.float32)
    head[100:200, 250:350] = 0.3
    target = retargeted(figure("standing_front"), figure("arms_raised"), turn_head=False)
    kept = head_and_hands(head, target)
    assert kept[150, 300]
    for joint, expected in ((LEFT_HAND, True), (RIGHT_HAND, True), (LEFT_ELBOW, False)):
        x, y = target.joints[joint].round().astype(int)
        assert kept[y, x] == expected


def test_joints_that_turn_are_rounded_and_no_others() -> None:
    source = figure("standing_front")

    def rounded(wanted: str) -> dict[int, float]:
        target = retargeted(source, figure(wanted), turn_head=False)
        sizes = {tuple(bend.start): bend.size for bend in bends(target)}
        return {joint: sizes[place] for joint in LIMB_JOINTS if (place := tuple(target.joints[joint])) in sizes}

    assert not rounded("standing_front")
    raised = rounded("arms_raised")
    assert raised[LEFT_SHOULDER] == raised[RIGHT_SHOULDER] > raised.get(LEFT_ELBOW, 0.0)
    beside = [b for b in bends(retargeted(source, figure("arms_raised"), turn_head=False)) if b.start[1] < b.end[1]]
    assert len(beside) == 2  # both sides of the body, where the arms hung
    assert set(rounded("hands_on_hips")) >= {LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW}
