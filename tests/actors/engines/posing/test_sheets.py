"""The edges of the layers that a figure is cut into, on arrays of our own making."""

import numpy as np

from actors.engines.local.posing.cutting import with_soles
from actors.engines.local.posing.sheets import sheets, without_haze
from actors.engines.local.posing.skeleton import BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.raster import gaussian

from .figures import HEIGHT, SHIRT, TROUSERS, WIDTH, closed_stance, figure


def test_a_matte_without_haze_has_no_stairs() -> None:
    y, x = np.mgrid[:200, :200]
    alpha = gaussian((x + 0.3 * y > 120).astype(np.float32), 1.5)
    alpha[:, :40] = 0.3  # haze
    shares = np.zeros((len(Layer), 200, 200), np.float32)
    shares[Layer.LEFT_ARM] = 1
    clear = without_haze(alpha, shares, figure() + 1000)
    steep = np.abs(np.diff(clear[20:-20], axis=1))
    assert steep[:, 50:].max() < 0.7
    assert clear[:, :30].max() == 0
    assert clear[:, 150:].min() == 1
    # Hair stays as it is.
    hair = np.zeros_like(shares)
    hair[Layer.HEAD] = 1
    assert np.allclose(without_haze(alpha, hair, figure() + 1000), alpha)


def test_a_sole_stays_with_its_shoe_though_the_matte_sees_little_of_it() -> None:
    joints = figure("standing_front")
    unit, toe = torso_length(joints), joints[31]
    y = np.arange(HEIGHT)[:, None] - toe[1]
    alpha = np.broadcast_to((y < -0.02 * unit).astype(np.float32), (HEIGHT, WIDTH)).copy()
    # Between shoe and rim is a slit; the rim is half transparent, and below it is haze.
    alpha[np.broadcast_to((y > -0.002 * unit) & (y < 0.02 * unit), alpha.shape)] = 0.5
    alpha[np.broadcast_to(y > 0.03 * unit, alpha.shape)] = 0.1
    shares = np.zeros((len(Layer), HEIGHT, WIDTH), np.float32)
    clear = without_haze(with_soles(alpha, joints), shares, joints)
    column = clear[:, round(float(toe[0]))]
    shoe, rim, below = (round(float(toe[1] + share * unit)) for share in (-0.01, 0.01, 0.06))
    assert column[: rim + 1].min() >= 0.45
    assert column[below] == 0
    away = clear[:, round(float(toe[0] + 0.5 * unit))]
    assert away[shoe] == 0


def test_what_the_matte_saw_of_the_gap_between_two_legs_goes_with_neither() -> None:
    joints = closed_stance(0.1)
    unit, middle = torso_length(joints), WIDTH / 2
    image = np.full((HEIGHT, WIDTH, 3), 0.6, np.float32)
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    shares = np.zeros((len(Layer), HEIGHT, WIDTH), np.float32)
    x = np.arange(WIDTH)
    hip, ankle = (round(float(joints[joint, 1])) for joint in (23, 27))
    rows = slice(hip, round(ankle + 0.1 * unit))
    for leg in (Layer.LEFT_LEG, Layer.RIGHT_LEG):
        side = 1 if joints[BONES[CHAINS[leg][0]].start, 0] > middle else -1
        out = (x - middle) * side
        body, theirs = (out > 12) & (out < 0.25 * unit), (out >= 0) & (out < 0.25 * unit)
        image[rows, body], alpha[rows, body], shares[leg][rows, theirs] = TROUSERS, 1, 1
    shares[Layer.TORSO][: rows.start], alpha[100 : rows.start, 200:400], image[100 : rows.start, 200:400] = 1, 1, SHIRT
    shins = slice(round(float(joints[25, 1])), ankle - 20)
    alpha[shins, abs(x - middle) < 3] = 1  # a streak, halves of which go with both
    result = sheets(image, alpha, shares, joints)
    for leg in (Layer.LEFT_LEG, Layer.RIGHT_LEG):
        sheet = result[leg]
        columns: Doubles = np.arange(sheet.left, sheet.left + sheet.alpha.shape[1], dtype=np.float64)
        down = slice(shins.start - sheet.top + 10, shins.stop - sheet.top - 10)
        assert sheet.alpha[down, np.abs(columns - middle) < 5].max() < 0.1
        side = 1 if joints[BONES[CHAINS[leg][0]].start, 0] > middle else -1
        out = (columns - middle) * side
        inside = (out > 16) & (out < 0.2 * unit)
        assert sheet.alpha[down, inside].min() > 0.9
