"""Whether all skin of arms, hands and legs is found, and nothing of the clothes."""

import numpy as np
import pytest

from actors.engines.local.arrays import Floats, Mask
from actors.engines.local.head.judging import patchy
from actors.engines.local.head.skin import Skin, limb_skin
from actors.engines.local.head.tone import Tone
from actors.engines.local.raster import gaussian, rgb

SHAPE, SHOULDERS = (420, 300), 160.0
FACE, LIMB = (52, 27, 33), (44, 27, 29)
BLACK, GREY, BLUE = (8, 0, 0), (60, 1, 3), (30, 5, -40)
FAIR_FACE, FAIR_LIMB, BEIGE = (65, 14, 20), (60, 14, 18), (68, 6, 21)


def _place(top: int, bottom: int, left: int, right: int) -> Mask:
    place = np.zeros(SHAPE, np.bool_)
    place[top:bottom, left:right] = True
    return place


ARM, SHIRT = _place(40, 260, 30, 80), _place(20, 330, 80, 220)
THIGHS = _place(330, 420, 100, 200)


def _looked(values: Floats, where: Mask, perhaps: Mask, face: tuple[int, ...] = FACE) -> tuple[Skin, Floats]:
    values[..., 0] += np.random.default_rng(3).normal(0, 2, SHAPE)
    image = rgb(gaussian(values, 0.8))
    tone = Tone(np.array(face, np.float32), np.full(3, 3, np.float32))
    return limb_skin(image, tone, where, perhaps, ARM | SHIRT | THIGHS, SHOULDERS)


def _found(shirt: tuple[int, ...], where: Mask, perhaps: Mask) -> Floats:
    values = np.full((*SHAPE, 3), (85, 0, 6), np.float32)
    values[SHIRT], values[ARM | THIGHS] = shirt, LIMB
    return _looked(values, where, perhaps)[0].share


@pytest.mark.parametrize("shirt", [BLACK, GREY])
def test_skin_ends_where_its_colours_do_and_not_where_a_joint_is_hidden(shirt: tuple[int, ...]) -> None:
    upper = _place(40, 140, 20, 90)
    share = _found(shirt, upper, upper)
    assert share[44:256, 36:74].mean() > 0.97
    assert share[30:320, 90:210].mean() < 0.02
    assert share[335:, 105:195].mean() < 0.02  # nobody says that this is a leg


def test_what_a_legs_place_shows_in_the_colours_of_an_arm_is_skin() -> None:
    share = _found(BLACK, _place(40, 260, 20, 90), THIGHS | SHIRT)
    assert share[340:, 108:192].mean() > 0.97
    assert share[30:320, 90:210].mean() < 0.02


def test_beige_cloth_where_an_arm_may_be_is_no_skin() -> None:
    values = np.full((*SHAPE, 3), (85, 0, 6), np.float32)
    values[SHIRT], values[ARM] = BEIGE, FAIR_LIMB
    share = _looked(values, ARM | SHIRT, ARM | SHIRT, FAIR_FACE)[0].share
    assert share[44:256, 40:70].mean() > 0.9
    assert share[30:320, 95:210].mean() < 0.05


@pytest.mark.parametrize("checked", [False, True])
def test_checks_in_the_colours_of_skin_are_told_from_it(*, checked: bool) -> None:
    values = np.full((*SHAPE, 3), (85, 0, 6), np.float32)
    values[SHIRT], values[ARM] = BLUE, LIMB
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    if checked:
        values[SHIRT & ((x % 6 < 4) | (y % 6 < 4))] = LIMB
    skin, alone = _looked(values, ARM | SHIRT, ARM | SHIRT)
    assert patchy(alone, SHOULDERS) is checked
    assert not patchy(skin.share, SHOULDERS)  # as one with what is between them they are none any more
