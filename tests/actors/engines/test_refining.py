"""What becomes of a matte's edge."""

import numpy as np
import pytest

from actors.engines.local.arrays import Plane, as_rgb8
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.matte import Effort, refined_matte
from actors.engines.local.raster import gaussian

_BELIEVING = Effort(closer=False, head=128)
_SIDE = 256


def disc(radius: float, blur: float) -> Plane:
    """A disc in the middle with an edge so blurred."""
    rows, columns = np.mgrid[:_SIDE, :_SIDE] - _SIDE / 2
    return gaussian((np.hypot(rows, columns) < radius).astype(np.float32), blur)


def refined(image: Plane, coarse: Plane, effort: Effort = _BELIEVING) -> Plane:
    """Of somebody whose face is in the middle: the lower half is no hair."""
    colours = as_rgb8(np.repeat(image[..., None], 3, axis=2))
    face = Detection(0.9, np.array((96, 96, 160, 160), np.float32), np.zeros((6, 2), np.float32))
    return refined_matte(colours, coarse, None, [face], effort, lambda _step: None)


@pytest.mark.parametrize("believing", [True, False])
def test_a_sharp_edge_is_believed_before_lines_that_run_on_over_it(believing: bool) -> None:
    coarse = disc(80, 0.7)
    lines = np.zeros_like(coarse)
    lines[::6] = 0.6
    found = refined(lines, coarse, _BELIEVING if believing else Effort(closer=False, whole=256, head=128))
    differs = float(np.abs(found - coarse).max())
    assert differs < 0.1 if believing else differs > 0.2


def test_a_blurred_edge_is_taken_from_colours_where_it_may_be_of_hair() -> None:
    true, coarse = disc(80, 0.7), disc(80, 5)
    found = refined(0.2 + 0.6 * true, coarse)
    hair, cloth = slice(100), slice(190, None)
    assert np.abs(found - true)[hair].sum() < 0.3 * np.abs(coarse - true)[hair].sum()
    assert np.abs(found - coarse)[cloth].max() < 0.1


def test_what_compression_leaves_is_no_edge() -> None:
    coarse = disc(80, 8)
    random = np.random.default_rng(5)
    blocks = np.kron(random.random((_SIDE // 8, _SIDE // 8), np.float32), np.ones((8, 8), np.float32))

    def steepest(contrast: float) -> float:
        return float(np.abs(np.diff(refined(0.01 + contrast * blocks, coarse), axis=1)).max())

    assert steepest(0.016) < 0.5 * steepest(0.2)
