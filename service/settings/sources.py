"""Where settings come from: the environment, `.env`, and what a running `darkroom up` left in its data directory."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from dotenv.parser import parse_stream

from service.processes.locks import is_locked

LARGEST = 1 << 20
"""Bytes of a file of settings: what never ends, such as a device, isn't read on."""

UP_LOCK = "lock"
"""The file in its directory that a `darkroom up` holds for as long as it runs."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what it takes, never its value."""


class Sources:
    """One after another, each with the words that tell it from the environment; the first that has a variable wins."""

    def __init__(self, sources: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        self._sources = sources

    def text(self, name: str) -> str:
        """What a variable holds, empty when it isn't set."""
        for _, values in self._sources:
            if text := values.get(name, "").strip():
                return text
        return ""

    def several(self, name: str, takes: str) -> list[str]:
        """What a variable holds between its commas; none when it isn't set. Raises SettingsError: commas alone."""
        parts = [text for part in self.text(name).split(",") if (text := part.strip())]
        if self.text(name) and not parts:
            raise self.wrong(name, takes)
        return parts

    def beginning_with(self, prefix: str) -> dict[str, str]:
        """Every variable whose name begins so."""
        names = {name for _, values in self._sources for name in values if name.startswith(prefix)}
        return {name: text for name in sorted(names) if (text := self.text(name))}

    def wrong(self, name: str, takes: str) -> SettingsError:
        """The error that says what a variable takes, and in which source it says something else."""
        where = next(label for label, values in self._sources if values.get(name, "").strip())
        return SettingsError(f"{name}{where} takes {takes}")


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables in a `.env` file: NAME=value lines, `export` and quotes allowed, # begins a comment.

    A file that isn't there holds nothing.

    Raises:
        SettingsError: the file can't be read, or a line is something else.
    """
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(_read_text(path))):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{path}, line {binding.original.line}: takes NAME=value")
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


class _Ready(msgspec.Struct):
    """What of `ready.json` is a setting."""

    database_url: str
    redis_url: str
    base_url: str = ""


def read_data_dir(data_dir: Path) -> dict[str, str]:
    """What a running or starting `darkroom up` keeps in its directory. Raises SettingsError."""
    values = {"SECRET_KEY": _read_text(data_dir / "secret-key")}
    if ready := _read_ready(data_dir):
        values |= {"DATABASE_URL": ready.database_url, "REDIS_URL": ready.redis_url}
    return values


def address_of_up(data_dir: Path | None) -> str | None:
    """Where a running `darkroom up` serves; None if there is none. Raises SettingsError."""
    ready = _read_ready(data_dir) if data_dir is not None else None
    return ready and ready.base_url


def up_runs(data_dir: Path) -> bool:
    """Whether a `darkroom up` serves from this directory: one that was killed leaves its `ready.json` behind."""
    return os.access(data_dir / "ready.json", os.R_OK) and is_locked(data_dir / UP_LOCK)


def _read_ready(data_dir: Path) -> _Ready | None:
    text = _read_text(data_dir / "ready.json") if is_locked(data_dir / UP_LOCK) else ""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=_Ready)
    except msgspec.MsgspecError:
        raise SettingsError(f"{data_dir / 'ready.json'} isn't what `darkroom up` writes") from None


def _read_text(path: Path) -> str:
    """The text of a file, empty when there is none. Raises SettingsError when it can't be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SettingsError(f"{path} can't be read: it is larger than {LARGEST >> 20} MB")
        return io.TextIOWrapper(io.BytesIO(content), "utf-8-sig").read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} can't be read: it isn't UTF-8 text") from None
