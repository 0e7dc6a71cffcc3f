"""Tiny ONNX models, written field by field: what they are given is known, so is what they answer.

Source: onnx.proto of ONNX (IR version 8, operators of version 13), in protobuf's wire format.
"""

import struct
from collections.abc import Mapping, Sequence

_FLOAT = 1


def model(
    nodes: Sequence[bytes],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, float] | None = None,
) -> bytes:
    """A model of these nodes; lengths of a shape are numbers, or names where they are free."""
    graph = b"".join(_bytes(1, one) for one in nodes) + _text(2, "tiny")
    for name, value in (constants or {}).items():
        tensor = _number(2, _FLOAT) + _text(8, name) + _bytes(9, struct.pack("<f", value))
        graph += _bytes(5, tensor)
    graph += b"".join(_bytes(11, _port(*one)) for one in inputs.items())
    graph += b"".join(_bytes(12, _port(*one)) for one in outputs.items())
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def node(operator: str, inputs: Sequence[str], output: str, **integers: Sequence[int] | int) -> bytes:
    """One operation; attributes are integers or lists of them."""
    body = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, operator)
    for name, value in integers.items():
        if isinstance(value, int):
            attribute = _text(1, name) + _number(3, value) + _number(20, 2)
        else:
            attribute = _text(1, name) + b"".join(_number(8, one) for one in value) + _number(20, 7)
        body += _bytes(5, attribute)
    return body


def brightness(side: int | str = 32, scale: float = 1.0) -> bytes:
    """A matte: the mean of the three colours, times `scale`."""
    nodes = [node("ReduceMean", ["image"], "mean", axes=[1], keepdims=1), node("Mul", ["mean", "scale"], "matte")]
    ports = {"image": [1, 3, side, side]}, {"matte": [1, 1, side, side]}
    return model(nodes, *ports, {"scale": scale})


def bright_people(size: int) -> bytes:
    """What knows people and remembers, as Robust Video Matting does: the mean of the three colours. `size` bytes."""
    remembered = range(1, 5)
    nodes = [
        node("ReduceMean", ["src"], "mean", axes=[1], keepdims=1),
        node("Mul", ["downsample_ratio", "nothing"], "unused"),
        node("Mul", ["mean", "unused"], "dark"),
        *(node("Add", [f"r{number}i", "dark"], f"r{number}o") for number in remembered),
        node("Add", ["mean", "r1o"], "pha"),
    ]
    memory: list[int | str] = ["any"] * 4
    given: Mapping[str, Sequence[int | str]] = {
        "src": [1, 3, "height", "width"],
        **{f"r{number}i": memory for number in remembered},
        "downsample_ratio": [1],
    }
    told: Mapping[str, Sequence[int | str]] = {
        "pha": [1, 1, "height", "width"],
        **{f"r{number}o": memory for number in remembered},
    }
    small = model(nodes, given, told, {"nothing": 0.0})
    # A note as long as what is lacking: its own length takes up to ten bytes more.
    note = size - len(small) - 2
    while len(_bytes(6, bytes(note))) + len(small) > size:
        note -= 1
    return small + _bytes(6, bytes(note))


def greying(side: int | str = 32) -> bytes:
    """Inpainting: half as bright where the mask is, as it was elsewhere."""
    nodes = [
        node("Mul", ["mask", "half"], "share"),
        node("Mul", ["image", "share"], "taken"),
        node("Sub", ["image", "taken"], "made"),
    ]
    given: Mapping[str, Sequence[int | str]] = {"image": [1, 3, side, side], "mask": [1, 1, side, side]}
    return model(nodes, given, {"made": [1, 3, side, side]}, {"half": 0.5})


def _port(name: str, shape: Sequence[int | str]) -> bytes:
    lengths = b"".join(_bytes(1, _number(1, one) if isinstance(one, int) else _text(2, one)) for one in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, lengths)))


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
