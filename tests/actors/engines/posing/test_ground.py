"""What is behind a figure where it has left it. Painted by code."""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.posing.ground import ground
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import Doubles

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


def test_on_a_plain_wall_no_shape_of_who_stood_there_is_left() -> None:
    joints = closed_stance(0.16)
    x = np.linspace(0, 1, WIDTH, dtype=np.float32)
    # Lighter to the left, with the broad, soft shadow that somebody throws to their right.
    light = 0.85 - 0.15 * x - 0.15 * np.exp(-(((x - 0.6) / 0.12) ** 2))
    wall = np.broadcast_to(light[None, :, None] * np.array(SHIRT, np.float32), (HEIGHT, WIDTH, 3))
    photo, alpha = _stood(joints, wall)
    made = ground(photo, alpha, np.zeros_like(alpha), joints, _SIDE)
    assert np.abs(made - wall).max() < 0.1
    # No edge anywhere: light passes over.
    for axis in (0, 1):
        assert np.abs(np.diff(made, axis=axis)).max() < 0.01


def test_a_things_edge_behind_somebody_stays_sharp() -> None:
    joints = closed_stance(0.16)
    floor = round(float(joints[25, 1]))
    wall = np.full((HEIGHT, WIDTH, 3), 0.8, np.float32)
    wall[floor:] = 0.3
    photo, alpha = _stood(joints, wall)
    made = ground(photo, alpha, np.zeros_like(alpha), joints, _SIDE)
    middle = made[floor - 30 : floor + 30, alpha[floor] > 0].mean(axis=-1)
    assert np.median(np.abs(np.diff(middle, axis=0)).max(axis=0)) > 0.1
    assert np.median(middle[0]) > 0.75
    assert np.median(middle[-1]) < 0.35
