"""Mattes in no time, for edits whose matte doesn't matter: looking for people is four fifths of an edit's work.

One network is replaced as operators do it, the other by a file of its name and size, so that what makes the edit, and
how it is started, is the same.
"""

from pathlib import Path

from actors.engines.local import models
from actors.engines.local.brought.choice import Kind
from actors.engines.local.perception import people
from tests.onnx import bright_people, brightness


def quick_salience(directory: Path) -> dict[str, str]:
    """The environment of a process to which what is bright stands out. The model is in `directory`."""
    matte = directory / "bright.onnx"
    matte.write_bytes(brightness())
    return {Kind.MATTE.variable: str(matte)}


def quick_matte(directory: Path) -> dict[str, str]:
    """The environment of a process whose edits take what is bright for people. The models are in `directory`."""
    ours = directory / "models"
    ours.mkdir()
    for model in models.directory().iterdir():
        if model.name != people.MODEL:
            (ours / model.name).symlink_to(model)
    (size,) = (file.size for package in models.manifest() for file in package.files if file.name == people.MODEL)
    (ours / people.MODEL).write_bytes(bright_people(size))
    return {**quick_salience(directory), models.DIRECTORY_VARIABLE: str(ours)}
