"""What a file that was brought is: read from the model itself, and from the notes beside it."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from actors.engines.local.brought.choice import Kind, UnusableModelError
from actors.engines.local.runtimes import read_onnx

_WHY = (
    (re.compile(r"No conversion rule found for operations: (.+)"), ": OpenVINO knows no {}"),
    (
        re.compile(r"externally stored data in file \(([^,]+),"),
        ": a part of it, {}, isn't beside it, or is cut short",
    ),
)
"""What of OpenVINO's words, which name its sources, is of use."""

Triple = tuple[float, float, float]
Shape = list[int | None]
"""None where a length is free."""

IMAGENET: tuple[Triple, Triple] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation by which colours are normalised for a matte, where the notes don't say otherwise."""
_PLAIN: tuple[Triple, Triple] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""The same for inpainting."""
_SIDES = {Kind.MATTE: 1024, Kind.INPAINT: 512}
"""Of a model that takes any size."""
_MOST = 4096
_LARGEST_NOTES = 1 << 20
"""Bytes: what never ends, such as a device, isn't read on."""
_RGB, _GREY = 3, 1


class Notes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can't be read from a model, from a JSON file of its name: `birefnet.json` beside `birefnet.onnx`."""

    licence: str = "not stated"
    mean: Triple | None = None
    deviation: Triple | None = None
    side: int | None = None


class Weights(msgspec.Struct, frozen=True):
    """A model of use. `image` and `mask` are its inputs' names; `size` (width, height) is that of its pictures."""

    kind: Kind
    path: Path
    sha256: str
    licence: str
    size: tuple[int, int]
    mean: Triple
    deviation: Triple
    image: str
    mask: str | None

    @property
    def told(self) -> dict[str, str]:
        """What a result tells of it."""
        return {"sha256": self.sha256, "licence": self.licence}


def weights_in(path: Path, kind: Kind | None = None) -> Weights:
    """The model in a file, of the `kind` that is wanted or, if that is None, of the one it is.

    Raises:
        UnusableModelError: it can't be read, or has other inputs or outputs than the contract says.
    """
    if path.exists() and not path.is_file():
        raise UnusableModelError(f"{path} is no ordinary file")
    if not path.is_file() or not os.access(path, os.R_OK):
        raise UnusableModelError(f"there is no file {path} that can be read")
    inputs, outputs = _ports(path)
    found = _kind_of(path, inputs, kind)
    image, mask = _pictures(path, inputs)
    if not outputs:
        raise UnusableModelError(f"{path} has no output")
    notes = _notes(path.with_suffix(".json"))
    mean, deviation = IMAGENET if found is Kind.MATTE else _PLAIN
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Weights(
        kind=found,
        path=path,
        sha256=sha256,
        licence=notes.licence,
        size=_size(path, inputs[image], notes.side or _SIDES[found]),
        mean=notes.mean or mean,
        deviation=notes.deviation or deviation,
        image=image,
        mask=mask,
    )


def _kind_of(path: Path, inputs: Mapping[str, Shape], wanted: Kind | None) -> Kind:
    found = {1: Kind.MATTE, 2: Kind.INPAINT}.get(len(inputs))
    if found is None or wanted not in {None, found}:
        needed = "one input for a matte, or two (picture and mask) for inpainting"
        if wanted is not None:
            needed = "one input" if wanted is Kind.MATTE else "two inputs, picture and mask"
        raise UnusableModelError(f"{path} has {_listed(inputs)}; it needs {needed}")
    return found


def _pictures(path: Path, inputs: Mapping[str, Shape]) -> tuple[str, str | None]:
    """Which input takes the picture, and which the mask, if there are two."""
    images = [name for name, shape in inputs.items() if _channels(shape) == _RGB]
    masks = [name for name, shape in inputs.items() if _channels(shape) == _GREY]
    if len(images) != 1 or len(masks) != len(inputs) - 1:
        needed = "[1, 3, height, width]" + (" and [1, 1, height, width]" if len(inputs) > 1 else "")
        raise UnusableModelError(f"{path} has {_listed(inputs)}; it needs {needed}")
    return images[0], masks[0] if masks else None


def _ports(path: Path) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Inputs and outputs: their names and shapes."""
    try:
        model: Any = read_onnx(path)
    except Exception as error:  # OpenVINO raises RuntimeError, and others from below
        why = next((said.format(*found.groups()) for how, said in _WHY if (found := how.search(str(error)))), "")
        raise UnusableModelError(f"{path} can't be read as an ONNX model{why}") from error
    inputs, outputs = (
        {_name(port, at): _shape(port) for at, port in enumerate(ports)} for ports in (model.inputs, model.outputs)
    )
    return inputs, outputs


def _name(port: Any, at: int) -> str:
    names = sorted(port.get_names())
    return names[0] if names else str(at)


def _shape(port: Any) -> Shape:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return []
    return [None if one.is_dynamic else one.get_length() for one in shape]


def _channels(shape: Shape) -> int | None:
    return shape[1] if len(shape) == 4 and shape[0] in {1, None} else None  # noqa: PLR2004 - batch, channels, rows, columns


def _size(path: Path, shape: Shape, side: int) -> tuple[int, int]:
    height, width = (length or side for length in shape[2:])
    if not 0 < min(width, height) <= max(width, height) <= _MOST:
        raise UnusableModelError(f"{path} takes pictures of {width} x {height}; at most {_MOST} x {_MOST} can be made")
    return width, height


def _listed(ports: Mapping[str, Shape]) -> str:
    shapes = [
        f"{name} [{', '.join('?' if one is None else str(one) for one in shape)}]" for name, shape in ports.items()
    ]
    return f"{len(shapes)} input{'s' if len(shapes) != 1 else ''} ({', '.join(shapes)})"


def _notes(path: Path) -> Notes:
    if not path.exists():
        return Notes()
    if not path.is_file():  # a pipe would be waited for until somebody writes
        raise UnusableModelError(f"the notes in {path} can't be read: they are no ordinary file")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_NOTES + 1)
        if len(content) > _LARGEST_NOTES:
            raise UnusableModelError(f"the notes in {path} can't be read: larger than {_LARGEST_NOTES >> 20} MB")
        return msgspec.json.decode(content, type=Notes)
    except (OSError, msgspec.MsgspecError) as error:
        raise UnusableModelError(f"the notes in {path} can't be read: {error}") from error
