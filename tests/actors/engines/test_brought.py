"""Models that an operator brings: what they are is read from them, they are used, and results tell of them."""

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from actors.engines.local import wire
from actors.engines.local.brought.choice import Kind, UnusableModelError, what_is_wrong
from actors.engines.local.brought.contract import weights_in
from actors.engines.local.brought.running import Brought, brought_by, tried
from actors.engines.local.edits import Studio
from actors.engines.local.filling.texture import paint_with, textured_fill
from actors.engines.local.models import DIRECTORY_VARIABLE, locate
from actors.engines.local.perception import saliency
from actors.engines.local.perception.saliency import subject
from actors.engines.local.runtimes import Runtimes
from schema.models.edits import Mode
from service.cli.models import models, use_models
from service.settings import load_settings
from service.settings.sources import SettingsError
from tests.actors.engines.scenes import HOPPER, loaded
from tests.onnx import brightness, greying, model, node
from tests.quick_matte import quick_matte

PLAIN = '{"mean": [0, 0, 0], "deviation": [1, 1, 1], "licence": "MIT, by somebody"}'


def kept(path: Path, content: bytes, notes: str | None = PLAIN) -> Path:
    path.write_bytes(content)
    if notes is not None:
        path.with_suffix(".json").write_text(notes)
    return path


def test_what_a_model_is_stands_in_it_and_in_its_notes(tmp_path: Path) -> None:
    matte = weights_in(kept(tmp_path / "m.onnx", brightness(48), None))
    assert (matte.kind, matte.size, matte.image, matte.mask) == (Kind.MATTE, (48, 48), "image", None)
    assert (matte.licence, matte.mean[0], matte.deviation[0]) == ("not stated", 0.485, 0.229)
    assert matte.sha256 == hashlib.sha256(brightness(48)).hexdigest()
    free = weights_in(kept(tmp_path / "f.onnx", brightness("n")))
    assert (free.size, free.licence, free.deviation) == ((1024, 1024), "MIT, by somebody", (1, 1, 1))
    assert weights_in(kept(tmp_path / "s.onnx", brightness("n"), '{"side": 64}')).size == (64, 64)
    inpaint = weights_in(kept(tmp_path / "i.onnx", greying("n")))
    assert (inpaint.kind, inpaint.size, inpaint.image, inpaint.mask) == (Kind.INPAINT, (512, 512), "image", "mask")


NODE = [node("Relu", ["a"], "b")]
WRONG = {
    "no model": (b"hello", None, "can't be read as an ONNX model"),
    "cut short": (brightness()[:-40], None, "can't be read as an ONNX model"),
    "no picture": (model(NODE, {"a": [1, 8]}, {"b": [1, 8]}), None, "needs [1, 3, height, width]"),
    "grey": (model(NODE, {"a": [1, 1, 9, 9]}, {"b": [1, 1, 9, 9]}), None, "needs [1, 3, height, width]"),
    "too large": (brightness(8192), None, "at most 4096 x 4096"),
    "three inputs": (
        model([node("Sum", ["a", "b", "c"], "d")], {name: [1, 3, 9, 9] for name in "abc"}, {"d": [1, 3, 9, 9]}),
        None,
        "3 inputs (",
    ),
    "an operation of its own": (
        model([node("Magic", ["a"], "b")], {"a": [1, 3, 9, 9]}, {"b": [1, 1, 9, 9]}),
        None,
        "OpenVINO knows no Magic",
    ),
    "notes that nobody knows": (brightness(), '{"colour": 1}', "notes"),
    "notes that go on": (brightness(), " " * (2 << 20), "larger than 1 MB"),
    "an answer of three colours": (model(NODE, {"a": [1, 3, 9, 9]}, {"b": [1, 3, 9, 9]}), None, "should be [1, 1,"),
    "no numbers": (brightness(scale=float("nan")), None, "no numbers"),
}


@pytest.mark.parametrize(("content", "notes", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_told_in_a_line(tmp_path: Path, content: bytes, notes: str | None, words: str) -> None:
    path = kept(tmp_path / "m.onnx", content, notes)
    told = CliRunner().invoke(models, ["check", str(path)], standalone_mode=False)
    assert isinstance(told.exception, click.ClickException)
    assert str(path.with_suffix("")) in told.exception.message
    assert words in told.exception.message
    assert "\n" not in told.exception.message


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir])
def test_notes_that_are_no_file_are_told_not_waited_for(tmp_path: Path, made: Callable[[Path], None]) -> None:
    path = kept(tmp_path / "m.onnx", brightness(), None)
    made(path.with_suffix(".json"))
    with pytest.raises(UnusableModelError, match=r"notes in .*m.json can't be read: they are no ordinary file"):
        weights_in(path)


def test_the_command_tells_what_would_be_used(tmp_path: Path) -> None:
    path = kept(tmp_path / "m.onnx", brightness())
    told = CliRunner().invoke(models, ["check", str(path)], standalone_mode=False)
    assert told.exception is None
    sha256 = hashlib.sha256(brightness()).hexdigest()
    for words in (f"{path} can be used as MODEL_MATTE.", "32 x 32 pixels from image", sha256, "MIT, by somebody"):
        assert words in told.output


def test_a_worker_refuses_to_start_with_another_kind_and_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path / "m.onnx", brightness())
    assert what_is_wrong(Kind.MATTE, path) is None
    monkeypatch.delenv("MODEL_INPAINT", raising=False)
    environ = {"DATABASE_URL": "postgresql://h/d", "MODEL_INPAINT": str(path)}
    monkeypatch.setenv("MODEL_INPAINT", "")  # so that what is set below is undone
    with pytest.raises(SettingsError, match=r"^MODEL_INPAINT can't be used: .* two inputs, picture and mask$"):
        use_models(load_settings(environ, dotenv=None))


def test_mattes_are_of_the_model_that_was_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_MATTE", str(kept(tmp_path / "m.onnx", brightness())))
    runtimes = Runtimes(1)
    brought = brought_by(runtimes)
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    alpha = subject(image, runtimes)
    assert (alpha[:, :30].max(), alpha[:, 34:].min()) == (0, 1)
    assert brought.used == {
        "matte": {"sha256": hashlib.sha256(brightness()).hexdigest(), "licence": "MIT, by somebody"}
    }
    # What goes beyond 0 and 1 is no share yet: sigmoid makes one of it.
    logits = weights_in(kept(tmp_path / "l.onnx", brightness(scale=9)))
    said = Brought({Kind.MATTE: logits}, runtimes).matte(image)
    assert said.max() == pytest.approx(1 / (1 + np.exp(-9)), abs=1e-3)
    assert said.min() == pytest.approx(0.5)


def test_ours_is_not_loaded_beside_one_that_was_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(_: Runtimes, *names: str) -> None:
        loaded.extend(names)

    monkeypatch.setattr(Runtimes, "load", load)
    monkeypatch.setenv("MODEL_MATTE", str(kept(tmp_path / "m.onnx", brightness())))
    Studio(1).warm_up()
    others = set(loaded)
    monkeypatch.delenv("MODEL_MATTE")
    Studio(1).warm_up()
    assert set(loaded) - others == {saliency.MODEL}
    assert others


def test_holes_are_filled_by_the_model_that_was_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_INPAINT", str(kept(tmp_path / "i.onnx", greying())))
    monkeypatch.delenv("MODEL_MATTE", raising=False)
    image = np.full((64, 64, 3), 0.8, np.float32)
    hole = np.zeros((64, 64), np.bool_)
    hole[20:40, 20:40] = True
    try:
        brought = brought_by(Runtimes(1))
        filled = textured_fill(image, hole, ~hole, 64)
    finally:
        paint_with(None)
    assert np.abs(filled[24:36, 24:36] - 0.4).max() < 0.01
    assert (filled[:10] == image[:10]).all()
    assert list(brought.used) == ["inpaint"]
    assert np.abs(textured_fill(image, hole, ~hole, 64) - 0.8).max() < 0.02


def test_colours_from_0_to_255_are_understood(tmp_path: Path) -> None:
    nodes = [node("Mul", ["image", "many"], "bright"), node("Add", ["bright", "mask"], "made")]
    ports = {"image": [1, 3, 32, 32], "mask": [1, 1, 32, 32]}
    path = kept(tmp_path / "i.onnx", model(nodes, ports, {"made": [1, 3, 32, 32]}, {"many": 255.0}))
    assert 0 <= tried(weights_in(path), Runtimes(1)).min() <= 1


def test_a_matte_from_0_to_255_is_no_logits(tmp_path: Path) -> None:
    path = kept(tmp_path / "m.onnx", brightness(scale=255.0))
    assert tried(weights_in(path), Runtimes(1)) == pytest.approx(
        tried(weights_in(kept(tmp_path / "n.onnx", brightness())), Runtimes(1)), abs=1e-3
    )


def test_ctrl_c_ends_a_check_whose_model_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Native code lets no KeyboardInterrupt in."""
    seen: list[object] = []

    def computing(*_: object) -> None:
        seen.append(signal.getsignal(signal.SIGINT))
        raise UnusableModelError("it was a test")

    monkeypatch.setattr("actors.engines.local.brought.running.tried", computing)
    # The tests may have been started in the background, where SIGINT is ignored, and stays so.
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        CliRunner().invoke(models, ["check", str(kept(tmp_path / "m.onnx", brightness()))], standalone_mode=False)
        assert seen == [signal.SIG_DFL]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outer)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnusableModelError, match=r"there is no file .*gone\.onnx that can be read"):
        weights_in(tmp_path / "gone.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(UnusableModelError, match=r"pipe\.onnx is no ordinary file"):
        weights_in(tmp_path / "pipe.onnx")


def test_a_result_tells_which_model_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, brought: the same edit, but for how colours are normalised, and for who is known to be a person."""
    own = locate(saliency.MODEL)
    monkeypatch.setenv(DIRECTORY_VARIABLE, quick_matte(tmp_path)[DIRECTORY_VARIABLE])
    path = tmp_path / "own.onnx"
    path.symlink_to(own)
    path.with_suffix(".json").write_text('{"licence": "Apache-2.0"}')
    monkeypatch.setenv("MODEL_MATTE", str(path))
    config = {"background_type": "remove", "size": "small"}
    order = wire.StartEdit(Mode.BACKGROUND_CHANGE, str(HOPPER), None, config, str(tmp_path), 10_000_000)
    report = Studio(1).make(order, lambda _: None, lambda: False)
    assert isinstance(report, wire.Done)
    with own.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    assert report.metadata["models"] == {"matte": {"sha256": sha256, "licence": "Apache-2.0"}}
    assert 0.2 < (np.asarray(loaded(tmp_path / "output.png"))[..., 3] > 200).mean() < 0.8
