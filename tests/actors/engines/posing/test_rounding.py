"""The outline at a shoulder whose arm turned."""

import numpy as np
import pytest

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.posing.rounding import round_off, turned_shoulders
from actors.engines.local.posing.skeleton import Doubles
from actors.engines.local.posing.targets import retargeted

from .figures import figure

UNIT, SIDE = 200.0, 400
JOINT: Doubles = np.array([200.0, 120.0])
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
    round_off(picture, cover, [JOINT], np.zeros_like(cover), UNIT)
    assert cover[92:95, 185:197].max() < 0.5
    assert cover[104:116, 217].min() > 0.9
    assert cover[152, 203] > 0.9
    assert cover[160, 220] == 0
    # What is added is of the cloth's colour.
    assert picture == pytest.approx(weighted(cover), abs=1e-3)


def test_what_is_far_from_such_a_shoulder_stays(cover: Plane) -> None:
    before, picture = cover.copy(), weighted(cover)
    away = np.hypot(*(np.indices(cover.shape)[::-1] - JOINT[:, None, None])) > 0.41 * UNIT
    round_off(picture, cover, [], np.zeros_like(cover), UNIT)
    assert np.array_equal(cover, before)
    round_off(picture, cover, [JOINT], np.zeros_like(cover), UNIT)
    assert np.array_equal(cover[away], before[away])
    assert np.array_equal(picture[away], weighted(before)[away])


def test_the_head_and_its_hair_stay(cover: Plane) -> None:
    head = np.zeros_like(cover)
    head[60:115, 150:240] = 0.3
    before, picture = cover.copy(), weighted(cover)
    round_off(picture, cover, [JOINT], head, UNIT)
    assert np.array_equal(cover[head > 0], before[head > 0])


def test_only_shoulders_whose_arms_turn_are_rounded() -> None:
    source = figure("standing_front")
    assert not turned_shoulders(retargeted(source, source, turn_head=False))
    assert len(turned_shoulders(retargeted(source, figure("waving"), turn_head=False))) >= 1
    assert len(turned_shoulders(retargeted(source, figure("arms_raised"), turn_head=False))) == 2
