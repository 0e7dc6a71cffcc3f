"""Filling holes: smooth, textured, without a step; on arrays of our own making."""

import numpy as np

from actors.engines.local.arrays import Floats
from actors.engines.local.filling.smooth import even_fill, evenness, smooth_fill
from actors.engines.local.filling.texture import textured_fill
from actors.engines.local.raster import gaussian, grown


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


def test_what_is_filled_in_a_reduced_picture_is_as_sharp_as_around_it_if_that_is_asked() -> None:
    random = np.random.default_rng(1)
    image = np.clip(0.5 + 0.15 * random.standard_normal((200, 200, 3)), 0, 1).astype(np.float32)
    hole = np.zeros((200, 200), np.bool_)
    hole[60:140, 80:120] = True
    inside = np.s_[64:136, 84:116]
    blurred = textured_fill(image, hole, ~hole, 60)
    first, second = (textured_fill(image, hole, ~hole, 60, detail=True) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(first[~grown(hole, 12)], image[~grown(hole, 12)])
    strength = [float(np.abs(np.diff(each, axis=0))[inside].mean()) for each in (image, blurred, first)]
    assert strength[1] < 0.4 * strength[0]
    assert 0.7 * strength[0] < strength[2] < 1.2 * strength[0]


def test_detail_is_taken_from_sources_only_and_where_there_are_none_there_is_none() -> None:
    image = _stripes(160, 160)
    hole = np.zeros((160, 160), np.bool_)
    hole[60:100, 60:100] = True
    # What is neither hole nor source is much louder.
    sources = ~hole
    sources[:, :40] = False
    image[:, :40] = np.indices((160, 40)).sum(axis=0)[..., None] % 2
    filled = textured_fill(image, hole, sources, 60, detail=True)
    assert np.abs(np.diff(filled[64:96, 64:96], axis=0)).max() < 0.2
    assert np.isfinite(textured_fill(image, hole, grown(hole, 3) & ~hole, 60, detail=True)).all()


def test_an_even_fill_has_the_grain_of_what_is_around() -> None:
    ramp = np.broadcast_to(np.linspace(0.4, 0.6, 200, dtype=np.float32)[None, :, None], (160, 200, 3))
    grain = np.random.default_rng(1).normal(0, 0.02, (160, 200, 1)).astype(np.float32)
    image = (ramp + grain).astype(np.float32)
    hole = np.zeros((160, 200), np.bool_)
    hole[50:110, 80:120] = True
    first, second = (even_fill(np.where(hole[..., None], 0, image).astype(np.float32), hole, ~hole) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(first[~hole], image[~hole])
    assert 0.014 < (first - ramp)[hole].std() < 0.026
    assert np.abs(gaussian(first - ramp, 8))[hole].max() < 0.02


def test_an_even_fill_is_mottled_as_a_plastered_wall_is() -> None:
    mottles = gaussian(np.random.default_rng(2).normal(0, 0.12, (160, 200, 1)).astype(np.float32), 3.0)
    image = np.broadcast_to(mottles.reshape(160, 200, 1) + np.float32(0.5), (160, 200, 3)).astype(np.float32)
    hole = np.zeros((160, 200), np.bool_)
    hole[50:110, 70:130] = True
    filled = even_fill(np.where(hole[..., None], 0, image).astype(np.float32), hole, ~hole)
    inside = np.zeros_like(hole)
    inside[65:95, 85:115] = True
    assert gaussian(filled, 1.5)[inside].std() > 0.4 * gaussian(image, 1.5)[inside].std()


def test_a_wall_is_even_and_stripes_are_not() -> None:
    known = np.ones((160, 200), np.bool_)
    known[60:100, 80:120] = False
    wall = np.broadcast_to(np.linspace(0.2, 0.25, 200, dtype=np.float32)[None, :, None], (160, 200, 3))
    assert evenness(wall.astype(np.float32), known, 30).min() > 0.9
    assert evenness(_stripes(160, 200), known, 30).max() < 0.1
