"""What the worker and its child process say to each other: msgpack messages, each after its length in four bytes."""

from typing import Any

import msgspec
from msgspec import Struct

MAX_FRAME = 1 << 20
"""Bytes. Messages are small (pictures go through files), so a larger one means that the stream is broken."""
LENGTH_BYTES = 4


class StartEdit(Struct, frozen=True, tag="start"):
    """To the child: make this edit. Paths are absolute; `config` is the mode's configuration as plain values."""

    mode: str
    source: str
    reference: str | None
    config: dict[str, Any]
    workspace: str
    max_pixels: int


class PreparePhotos(Struct, frozen=True, tag="prepare"):
    """To a child for photos: make of an edit's photos what is sent elsewhere. `referred`: a reference is needed."""

    mode: str
    source: str
    reference: str | None
    config: dict[str, Any]
    referred: bool
    workspace: str
    max_pixels: int


class FinishPicture(Struct, frozen=True, tag="finish"):
    """To a child for photos: make of a picture that came from elsewhere the pictures of an edit.

    `photo` is the source and `canvas` the photo on which it was made, both as they were prepared. `transparent`: it was
    to be cut out. `provenance` ends the address of its IPTC DigitalSourceType.
    """

    picture: str
    photo: str
    canvas: str
    long_edge: int
    transparent: bool
    provenance: str
    workspace: str
    max_pixels: int


class StopEdit(Struct, frozen=True, tag="stop"):
    """To the child: end the edit at its next step."""


class Ready(Struct, frozen=True, tag="ready"):
    """From the child: everything is loaded."""


class Stepped(Struct, frozen=True, tag="progress"):
    """From the child: the edit begins a step."""

    percent: int
    step: str


class Written(Struct, frozen=True, tag="artifact"):
    """From the child: a picture is complete on disk."""

    kind: str
    path: str
    content_type: str
    width: int
    height: int


class Done(Struct, frozen=True, tag="done"):
    """From the child: the edit worked."""

    metadata: dict[str, Any]


class Failed(Struct, frozen=True, tag="failed"):
    """From the child: the edit can't be made; the fields are EngineError's."""

    code: str
    message: str
    details: dict[str, Any]
    transient: bool


class Stopped(Struct, frozen=True, tag="stopped"):
    """From the child: the edit ended because it was told to."""


Work = StartEdit | PreparePhotos | FinishPicture
Order = Work | StopEdit
Report = Ready | Stepped | Written | Done | Failed | Stopped

_encoder = msgspec.msgpack.Encoder()
_orders = msgspec.msgpack.Decoder(Order)
_reports = msgspec.msgpack.Decoder(Report)


def framed(message: Order | Report) -> bytes:
    """A message as it goes through the pipe."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def frame_length(head: bytes) -> int:
    """The length of the message that follows `head`.

    Raises:
        ValueError: that can't be a message of ours.
    """
    length = int.from_bytes(head, "big")
    if not 0 < length <= MAX_FRAME:
        raise ValueError("The stream between worker and child process is broken")
    return length


def order(body: bytes) -> Order:
    """Decode what the child is told. Raises msgspec.MsgspecError if it is none of ours."""
    return _orders.decode(body)


def report(body: bytes) -> Report:
    """Decode what the child says. Raises msgspec.MsgspecError if it is none of ours."""
    return _reports.decode(body)
