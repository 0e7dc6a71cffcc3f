"""Filling holes: smooth, textured, without a step; on arrays of our own making."""

import numpy as np

from actors.engines.local.arrays import Floats
from actors.engines.local.filling.smooth import levelled, smooth_fill, textured_fill


def _stripes(height: int, width: int) -> Floats:
    """Vertical waves of 12 pixels, the same in every row."""
    row = 0.5 + 0.3 * np.sin(np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / 12))
    return np.broadcast_to(row[None, :, None], (height, width, 3)).astype(np.float32)


def test_a_smooth_fill_goes_on_with_a_slope_and_leaves_what_is_known() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], (64, 64, 3)).astype(np.float32)
    known = np.ones((64, 64), np.float32)
    known[24:40, 24:40] = 0
    damaged = ramp * known[..., None]
    filled = smooth_fill(damaged, known)
    assert np.abs(filled - ramp)[24:40, 24:40].max() < 0.08
    assert np.abs(filled - ramp)[known > 0].max() < 1e-5


def test_a_textured_fill_goes_on_with_the_texture() -> None:
    image = _stripes(96, 128)
    hole = np.zeros((96, 128), np.bool_)
    hole[36:60, 54:70] = True
    damaged = np.where(hole[..., None], np.float32(0.5), image)
    guess = smooth_fill(damaged, (~hole).astype(np.float32))
    filled = textured_fill(damaged, hole, ~hole, guess)
    assert np.abs(filled - image)[hole].mean() < 0.08
    assert np.abs(guess - image)[hole].mean() > 0.12  # what it started from had no waves


def test_a_textured_fill_copies_from_its_sources_only() -> None:
    random = np.random.default_rng(1)
    image = np.zeros((80, 80, 3), np.float32)
    image[:, :40] = (0.8, 0.2, 0.2)
    image[:, 40:] = (0.2, 0.2, 0.8)
    image += random.normal(0, 0.02, image.shape).astype(np.float32)
    hole = np.zeros((80, 80), np.bool_)
    hole[30:50, 30:50] = True
    sources = np.zeros_like(hole)
    sources[:, 40:] = True
    filled = textured_fill(image, hole, sources & ~hole, smooth_fill(image, (sources & ~hole).astype(np.float32)))
    assert filled[hole][:, 2].min() > 0.6


def test_filling_twice_gives_the_same() -> None:
    image = _stripes(64, 64)
    hole = np.zeros((64, 64), np.bool_)
    hole[20:40, 20:40] = True
    first, second = (textured_fill(image, hole, ~hole, np.full_like(image, 0.5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_without_sources_the_guess_stays() -> None:
    image, guess = np.zeros((32, 32, 3), np.float32), np.full((32, 32, 3), 0.4, np.float32)
    hole = np.ones((32, 32), np.bool_)
    assert np.allclose(textured_fill(image, hole, np.zeros_like(hole), guess), 0.4)
    assert np.array_equal(textured_fill(image, ~hole, hole, guess), image)


def test_levelling_takes_a_step_away() -> None:
    image = np.full((60, 60, 3), 0.5, np.float32)
    hole = np.zeros((60, 60), np.bool_)
    hole[:30] = True
    image[hole] += 0.15
    level = levelled(image, hole, ~hole, 2.0)
    assert abs(float(level[28].mean() - level[31].mean())) < 0.01
    assert np.array_equal(level[~hole], image[~hole])


def test_a_large_step_comes_from_things_that_lie_there_and_stays() -> None:
    image = np.full((60, 60, 3), 0.3, np.float32)
    hole = np.zeros((60, 60), np.bool_)
    hole[:30] = True
    image[hole] += 0.4
    assert np.array_equal(levelled(image, hole, ~hole, 2.0, 0.1), image)
    assert np.abs(levelled(image, hole, ~hole, 2.0) - image).max() > 0.2


def test_only_what_is_needed_gets_texture() -> None:
    image = _stripes(96, 128)
    hole = np.zeros((96, 128), np.bool_)
    hole[30:66, 40:90] = True
    needed = hole.copy()
    needed[:, 60:] = False
    guess = np.full_like(image, 0.5)
    filled = textured_fill(np.where(hole[..., None], guess, image), hole, ~hole, guess, needed)
    assert np.abs(filled - image)[needed].mean() < 0.5 * np.abs(guess - image)[needed].mean()
    assert np.abs(filled[40:56, 76:84] - 0.5).max() < 0.02
