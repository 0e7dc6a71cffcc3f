"""What is behind a figure where it has left it. Painted by code."""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.posing.ground import ground
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import BONES, Doubles
from actors.engines.local.posing.targets import Motion

from .figures import HEIGHT, SHIRT, TROUSERS, WIDTH, closed_stance

_SIDE = 240


def _stood(joints: Doubles, wall: Rgb) -> tuple[Rgb, Plane]:
    """Two legs and a trunk before `wall`, with the shade of shoes around them: the photo and its matte."""
    alpha = np.zeros((HEIGHT, WIDTH), np.float32)
    for start, end, half in ((33, 34, 60), (23, 27, 34), (24, 28, 34), (27, 31, 20), (28, 32, 20)):
        alpha[near(joints[start], joints[end], half, alpha.shape)] = 1
    shade = np.ones_like(alpha)
    for ankle, toe in ((27, 31), (28, 32)):
        shade[near(joints[ankle], joints[toe], 30, alpha.shape)] = 0.7
    return np.where(alpha[..., None] > 0, np.array(TROUSERS, np.float32), wall * shade[..., None]), alpha


def _moved(joints: Doubles, by: float) -> tuple[Motion, ...]:
    """Every bone moved to the right `by` pixels."""
    return tuple(
        Motion(joints[bone.start], joints[bone.start] + (by, 0), 0.0, np.array([1.0, 0.0]), 1.0, 1.0) for bone in BONES
    )


def _lit() -> Rgb:
    """A wall that is lighter to the left."""
    light = 0.85 - 0.15 * np.linspace(0, 1, WIDTH, dtype=np.float32)
    return np.broadcast_to(light[None, :, None] * np.array(SHIRT, np.float32), (HEIGHT, WIDTH, 3))


def test_on_a_plain_wall_no_shape_of_who_stood_there_is_left_nor_their_shadow() -> None:
    joints, wall = closed_stance(0.16), _lit()
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    thrown = 1 - 0.2 * np.exp(-(((x - joints[23, 0] - 30) / 40) ** 2) - ((y - joints[23, 1]) / 120) ** 2)
    photo, alpha = _stood(joints, wall * thrown[..., None])
    made = ground(photo, alpha, np.zeros_like(alpha), joints, _moved(joints, 0), _SIDE)
    above = slice(0, round(float(joints[25, 1])))  # the shade at their feet stays with these
    assert np.abs(made - wall)[above].max() < 0.04
    # No edge anywhere: light passes over.
    for axis in (0, 1):
        assert np.abs(np.diff(made, axis=axis))[above].max() < 0.01


def test_the_shade_at_feet_goes_with_them() -> None:
    joints, wall, by = closed_stance(0.16), _lit(), 90
    photo, alpha = _stood(joints, wall)
    made = ground(photo, alpha, np.zeros_like(alpha), joints, _moved(joints, by), _SIDE)
    shade = (made / wall).mean(axis=-1)
    x, y = joints[[31, 32]].mean(axis=0).round().astype(int)
    toe, heel = round(float(joints[31, 0])) + by, round(float(joints[31, 1]))
    assert shade[heel, toe] < 0.85
    assert shade[y - 200, x] > 0.97


def test_a_things_edge_behind_somebody_stays_sharp() -> None:
    joints = closed_stance(0.16)
    floor = round(float(joints[25, 1]))
    wall = np.full((HEIGHT, WIDTH, 3), 0.8, np.float32)
    wall[floor:] = 0.3
    photo, alpha = _stood(joints, wall)
    made = ground(photo, alpha, np.zeros_like(alpha), joints, _moved(joints, 0), _SIDE)
    middle = made[floor - 30 : floor + 30, alpha[floor] > 0].mean(axis=-1)
    assert np.median(np.abs(np.diff(middle, axis=0)).max(axis=0)) > 0.1
    assert np.median(middle[0]) > 0.75
    assert np.median(middle[-1]) < 0.35
