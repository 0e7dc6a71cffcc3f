"""A file on its way in: to a temporary file, measured and hashed as it comes, in bounded memory."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from schema.models.problems import ProblemCode
from service.files.naming import UNNAMED
from service.refusals import Refused

_WRITTEN_AT_ONCE: Final = 262_144


class Received(msgspec.Struct, frozen=True):
    """What came: the file at `path` (gone once the context ends), `size` in bytes and `sha256` in hex."""

    path: Path
    filename: str
    purpose: str | None
    size: int
    sha256: str


class UploadTooLarge(Refused):
    """The file is larger than `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            ProblemCode.FILE_TOO_LARGE,
            f"The file is too large: at most {max_bytes:,} bytes are accepted.",
            field="file",
        )


@contextmanager
def temporary(directory: Path | None) -> Generator[IO[bytes]]:
    # Not NamedTemporaryFile: it fails when somebody moved the file away, which its receiver may do.
    descriptor, name = tempfile.mkstemp(prefix="upload-", dir=directory)
    os.close(descriptor)
    path = Path(name)
    try:
        with path.open("wb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


class Spool:
    """Takes a file's bytes as they come, up to `max_bytes`."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self.size = 0
        self._file = file
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._pending = bytearray()

    def expect(self, size: int) -> None:
        """Raises UploadTooLarge if so many bytes are too many."""
        if size > self._max_bytes:
            raise UploadTooLarge(self._max_bytes)

    async def add(self, data: bytes) -> None:
        """Some bytes of the file. Raises UploadTooLarge as soon as they are too many."""
        self.size += len(data)
        self.expect(self.size)
        self._pending += data
        if len(self._pending) >= _WRITTEN_AT_ONCE:
            await self._write()

    async def finish(self, filename: str, purpose: str | None) -> Received:
        """Everything came."""
        await self._write()
        await asyncio.to_thread(self._file.flush)
        return Received(Path(self._file.name), filename or UNNAMED, purpose, self.size, self._digest.hexdigest())

    async def _write(self) -> None:
        """Hash and write what is pending, in a thread: a busy disk must not stop every other request."""
        pending, self._pending = self._pending, bytearray()
        await asyncio.to_thread(self._write_now, pending)

    def _write_now(self, data: bytearray) -> None:
        self._digest.update(data)
        self._file.write(data)
