"""Models in one process."""

from pathlib import Path

import numpy as np

from actors.engines.local.runtimes import Runtimes
from tests.onnx import brightness


def test_a_model_that_gave_its_memory_back_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "bright.onnx"
    path.write_bytes(brightness())
    runtimes = Runtimes(1)
    runtimes.rest()  # nothing has been loaded
    runtimes.bring("bright", path)
    picture = np.random.default_rng(1).random((1, 3, 32, 32), np.float32)
    before = runtimes.onnx("bright", picture)
    runtimes.rest()
    assert np.array_equal(runtimes.onnx("bright", picture), before)
    assert before.max() > 0
