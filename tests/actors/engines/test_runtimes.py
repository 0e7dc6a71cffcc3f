"""Models in one process."""

from pathlib import Path

import numpy as np

from actors.engines.local.runtimes import Runtimes
from tests.onnx import bright_people, brightness


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


def test_a_network_that_remembers_is_what_it_was_when_it_is_taken_apart(tmp_path: Path) -> None:
    path = tmp_path / "remembering.onnx"
    path.write_bytes(bright_people(1000))
    runtimes = Runtimes(1)
    runtimes.bring("remembering", path)
    picture = np.random.default_rng(1).random((1, 3, 24, 32), np.float32)
    nothing = {f"r{number}i": np.full((1, 1, 1, 1), number, np.float32) for number in range(1, 5)}
    asked = {"src": picture, "downsample_ratio": np.ones(1, np.float32)}
    once = runtimes.looked("remembering", {**asked, **nothing}, 1)
    matte = once.pop("pha")
    assert np.allclose(matte, picture.mean(axis=1, keepdims=True) + 1)  # and what it remembers first
    again = runtimes.looked("remembering", {**asked, **once}, 1)
    runtimes.rest()
    twice = runtimes.looked("remembering", {**asked, **nothing}, 2)
    assert again.keys() == twice.keys()
    assert {name for name in twice if not name.startswith("seen")} == {"pha", *nothing}
    assert all(np.array_equal(again[name], twice[name]) for name in twice)
