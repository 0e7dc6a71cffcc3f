"""The operations that everything else is made of."""

import numpy as np
import pytest

from actors.engines.local.raster import extent, tallness


@pytest.mark.parametrize("kind", [np.bool_, np.float32, np.uint8])
def test_an_extent_holds_all_that_is_there_and_stays_in_the_picture(kind: type[np.generic]) -> None:
    mask = np.zeros((20, 30), kind)
    assert extent(mask) is None
    assert extent(mask, air=3) is None
    assert tallness(mask) == 0
    mask[4, 7] = mask[9, 28] = 1
    assert extent(mask) == (slice(4, 10), slice(7, 29))
    assert extent(mask, air=5) == (slice(0, 15), slice(2, 30))
    assert extent(mask[::-1, ::2]) == (slice(10, 11), slice(14, 15))  # a view, not every other pixel of its neighbour
    assert tallness(mask) == 6


def test_what_is_hardly_there_is_there() -> None:
    alpha = np.zeros((5, 5), np.float32)
    alpha[2, 3] = 1e-6
    assert extent(alpha) == (slice(2, 3), slice(3, 4))
