"""What is behind, where an old head was: of an even wall no seam is seen, and nothing is left that floats."""

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.head.frame import Frame
from actors.engines.local.head.ground import refilled, walled
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.perception.landmarks import FaceLandmarks
from actors.engines.local.perception.matte import Box
from actors.engines.local.raster import gaussian
from actors.engines.local.shapes import narrowed, widened

SHAPE = 400, 360
PLACE = Frame(np.array([180, 150]), np.array([1.0, 0]), np.array([0, 1.0]), 120.0, 100.0, 0.5)
ACROSS, DOWN = PLACE.coordinates(SHAPE)
HEAD = np.hypot(ACROSS / 0.5, DOWN / 0.7) < 1
BODY = (np.abs(ACROSS) < 1) & (DOWN > 0.9)
GONE = widened(HEAD, 4) & ~BODY


def _wall() -> Rgb:
    """Grey, a little lighter to one side, with some grain."""
    grain = np.random.default_rng(3).normal(0, 0.004, (*SHAPE, 1)).astype(np.float32)
    return np.repeat(0.5 + 0.03 * ACROSS[..., None] + grain, 3, axis=2)


def _figure(image: Rgb, person: Mask) -> Portrait:
    face = FaceLandmarks(np.zeros((468, 2), np.float32), np.zeros(468, np.float32), 1.0)
    alpha = gaussian(person.astype(np.float32), 0.8)
    return Portrait((image * 255).astype(np.uint8), alpha, face, None, PLACE, Box(0, 0, SHAPE[1], SHAPE[0]), 1.0)


def _cleared(image: Rgb, person: Mask, shape: Plane | None = None) -> tuple[Rgb, Mask]:
    figure = _figure(image, person)
    shape = np.where(GONE, 0, figure.alpha).astype(np.float32) if shape is None else shape
    wall, beside = walled(image, figure, HEAD, GONE, shape)
    gone = GONE | beside
    return np.where(gone[..., None], refilled(image, figure, gone, gone, wall), image), beside


def test_on_an_even_wall_neither_a_seam_nor_a_glow_is_left() -> None:
    wall = _wall()
    glow = widened(HEAD, 14) & ~HEAD
    image = np.where(HEAD[..., None], 0.1, wall + 0.05 * glow[..., None]).astype(np.float32)
    image[BODY] = 0.2
    made, _ = _cleared(image, HEAD | BODY)
    away = np.abs(gaussian(made - wall, 2))
    assert away[~widened(BODY, 8)].max() < 0.008


def test_what_holds_to_nothing_any_more_goes() -> None:
    lock = (np.abs(ACROSS + 0.58) < 0.08) & (np.abs(DOWN - 0.1) < 0.2)
    arm = (np.abs(ACROSS - 1) < 0.12) & (DOWN > -0.2)
    image = _wall()
    image[np.sin(30 * ACROSS) > 0] = 0.8  # no wall
    image[HEAD | BODY | lock | arm] = 0.2
    made, beside = _cleared(image, HEAD | BODY | lock | arm)
    assert beside[narrowed(lock & ~GONE, 1)].all()
    assert (made[lock] > 0.3).mean() > 0.8
    assert not beside[arm | BODY].any()


def test_skin_within_what_is_made_of_a_neck_stays() -> None:
    neck = (np.abs(ACROSS) < 0.3) & (DOWN > 0.5)
    piece = (np.hypot(ACROSS, DOWN - 0.78) < 0.05) & ~GONE
    shape = ((BODY | neck) & ~HEAD).astype(np.float32)
    around = GONE | (neck & ~piece & ~BODY)
    image = _wall()
    image[HEAD | BODY | neck] = 0.2
    figure = _figure(image, HEAD | BODY | neck)
    _, beside = walled(image, figure, HEAD, around, shape)
    assert piece.any()
    assert not beside[piece].any()
