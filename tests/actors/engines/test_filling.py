"""Filling holes: smooth, textured, without a step; on arrays of our own making."""

import numpy as np

from actors.engines.local.arrays import Floats
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.filling.texture import textured_fill


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


def test_a_textured_fill_goes_on_with_the_texture_the_same_way_every_time() -> None:
    image = _stripes(96, 128)
    hole = np.zeros((96, 128), np.bool_)
    hole[36:60, 54:70] = True
    damaged = np.where(hole[..., None], np.float32(0.5), image)
    first, second = (textured_fill(damaged, hole, ~hole, 160) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.abs(first - image)[hole].mean() < 0.08
    assert np.array_equal(first[:24], image[:24])


def test_a_textured_fill_copies_from_its_sources_only() -> None:
    random = np.random.default_rng(1)
    image = np.zeros((80, 80, 3), np.float32)
    image[:, :40] = (0.8, 0.2, 0.2)
    image[:, 40:] = (0.2, 0.2, 0.8)
    image += random.normal(0, 0.02, image.shape).astype(np.float32)
    hole = np.zeros((80, 80), np.bool_)
    hole[30:50, 30:50] = True
    sources = ~hole
    sources[:, :40] = False
    filled = textured_fill(image, hole, sources, 160)
    assert filled[33:47, 33:47, 2].min() > 0.6


def test_without_sources_and_without_a_hole_nothing_changes() -> None:
    image = _stripes(32, 32)
    hole = np.ones((32, 32), np.bool_)
    assert np.array_equal(textured_fill(image, hole, ~hole, 160), image)
    assert np.array_equal(textured_fill(image, ~hole, hole, 160), image)
