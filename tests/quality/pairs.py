"""Pairs of pictures to judge, and what is expected of each: the samples' own, or anybody's, listed in a manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from schema.models.edits import CONFIG_TYPES, AnyConfig, Mode
from schema.models.problems import FailureCode

MANIFEST = "manifest.json"
DONE = "done"


class KnownMiss(Struct, frozen=True, forbid_unknown_fields=True):
    """A target that an edit is known to miss: as far as `bound`, and why. What is worse counts as missed."""

    bound: float
    reason: str


class Pair(Struct, frozen=True):
    """An edit to judge. `expected` is "done" or the code it is to be refused with.

    `alpha` is a picture of the person's true matte (white is the person), if somebody knows it; `known` has the
    measures that are known to miss their targets.
    """

    name: str
    mode: Mode
    source: Path
    reference: Path | None
    config: AnyConfig
    expected: str = DONE
    alpha: Path | None = None
    known: Mapping[str, KnownMiss] = msgspec.field(default_factory=dict[str, KnownMiss])


class ManifestError(Exception):
    """The manifest can't be used; the message is one line that says why."""


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode
    source: str
    reference: str | None = None
    config: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    expected: str = DONE
    alpha: str | None = None
    name: str | None = None
    known: dict[str, KnownMiss] = msgspec.field(default_factory=dict[str, KnownMiss])


def read_manifest(directory: Path) -> list[Pair]:
    """The pairs that `manifest.json` in `directory` lists; its paths begin there.

    Raises:
        ManifestError: it is missing, can't be understood, or names what isn't there.
    """
    path = directory / MANIFEST
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ManifestError(f"{path}: {error}") from None
    return [_pair(directory, number, entry) for number, entry in enumerate(entries, 1)]


def _pair(directory: Path, number: int, entry: _Entry) -> Pair:
    where = f"{directory / MANIFEST}, entry {number}"
    if entry.expected != DONE and entry.expected not in {code.value for code in FailureCode}:
        raise ManifestError(f"{where}: `expected` is {DONE!r} or the code of a failure, not {entry.expected!r}")
    try:
        config = msgspec.convert(entry.config, CONFIG_TYPES[entry.mode])
    except msgspec.MsgspecError as error:
        raise ManifestError(f"{where}: config: {error}") from None

    def found(name: str | None) -> Path | None:
        if name is None:
            return None
        path = directory / name
        if not path.is_file():
            raise ManifestError(f"{where}: there is no file {path}")
        return path

    source = found(entry.source)
    assert source is not None
    reference = found(entry.reference)
    name = entry.name or " + ".join(path.stem for path in (source, reference) if path is not None)
    return Pair(name, entry.mode, source, reference, config, entry.expected, found(entry.alpha), entry.known)
