"""Blobs in a local directory: private to their owner, and on disk before a row names them. No event loop is in here."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from glob import escape
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO, TypeVar

from msgspec import Struct

T = TypeVar("T")

AT_ONCE = 1 << 20
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Digest(Struct, frozen=True):
    """What was stored."""

    sha256: str
    size: int


def put_locally(root: Path, key: str, content: Path | bytes, *, movable: bool = False) -> Digest:
    """Keep a file, whole or not at all: written beside its place, flushed, and moved there.

    A database row that names it must not outlive it when the power fails. So its directory is flushed, too, and where
    that was made just now, the one that it was made in. `movable`: nobody else wants the file to keep.

    Raises:
        FileNotFoundError: The root isn't there, or the file to keep.
        OSError: The system's reason.
    """
    path = root / key
    if movable and isinstance(content, Path) and (moved := _moved(content, path, root, key)) is not None:
        return moved
    new = path.with_name(f"{path.name}#{secrets.token_hex(4)}")
    descriptor = _in_its_directory(root, key, lambda: os.open(new, NEW_FILE, 0o600))
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = digest_of(content, file)
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _flush(path.parent)
    return digest


def remove_halves(root: Path, key: str) -> None:
    """Remove what was written of a blob by a process that was killed before the blob was there. Raises OSError."""
    path = root / key
    for half in path.parent.glob(f"{escape(path.name)}#*"):
        half.unlink(missing_ok=True)


def _moved(content: Path, path: Path, root: Path, key: str) -> Digest | None:
    """Keep the file itself, which spares a second one; None where it lies on another file system. Raises OSError."""
    found = content.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_dev != root.stat().st_dev:
        return None
    with content.open("rb", buffering=0) as file:
        digest = Digest(file_digest(file, sha256).hexdigest(), found.st_size)
        os.fchmod(file.fileno(), 0o600)
        os.fsync(file.fileno())
    try:
        _in_its_directory(root, key, lambda: content.replace(path))
    except OSError as error:
        # Mounted twice, a file system is two.
        if error.errno == errno.EXDEV:
            return None
        raise
    _flush(path.parent)
    return digest


def _in_its_directory(root: Path, key: str, put: Callable[[], T]) -> T:
    """Put something there, and make the key's directories if it's the first time."""
    try:
        return put()
    except FileNotFoundError:
        _make_directories(root, key)
        return put()


def digest_of(content: Path | bytes, copy: IO[bytes] | None = None) -> Digest:
    """Of a file's bytes, which on the way can be written somewhere. Raises OSError."""
    digest, size = sha256(), 0
    for piece in _pieces(content):
        digest.update(piece)
        size += len(piece)
        if copy is not None:
            copy.write(piece)
    return Digest(digest.hexdigest(), size)


def _pieces(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb", buffering=0) as source:
        while piece := source.read(AT_ONCE):
            yield piece


def bring_out(blob: Path, path: Path) -> None:
    """Give a blob, to read only, a second name; where that is on another file system, a copy, whole or none of it.

    Raises OSError.
    """
    try:
        os.link(blob, path)
    except FileNotFoundError:
        raise
    except OSError:
        _copy(blob, path)


def _copy(blob: Path, path: Path) -> None:
    try:
        shutil.copyfile(blob, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def read_piece(blob: Path, start: int, end: int | None, most: int) -> tuple[int, bytes]:
    """Where a blob ends, before `end` at the latest, and its bytes from `start` on, at most so many.

    Opened, looked at and read at once: each by itself would be a hop to another thread. Raises OSError.
    """
    with blob.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        stop = size if end is None else min(end, size)
        file.seek(start)
        return stop, file.read(max(0, min(stop - start, most)))


def _make_directories(root: Path, key: str) -> None:
    """Make a key's directories, for their owner alone."""
    if not root.is_dir():
        raise FileNotFoundError(root)
    directory = root
    for part in key.split("/")[:-1]:
        directory /= part
        # Whoever else has made it may not have flushed it yet.
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        _flush(directory.parent)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
