"""Mattes in no time, for edits whose matte doesn't matter: looks with U²-Net are four fifths of an edit's work.

It is a model as operators bring theirs, so that what makes the edit, and how it is started, is the same.
"""

from pathlib import Path

from actors.engines.local.brought.choice import Kind
from tests.onnx import brightness


def quick_matte(directory: Path) -> dict[str, str]:
    """The environment of a process whose edits take what is bright for what stands out. The model is in `directory`."""
    model = directory / "bright.onnx"
    model.write_bytes(brightness())
    return {Kind.MATTE.variable: str(model)}
