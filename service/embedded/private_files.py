"""Files that are nobody else's business: written whole or not at all, readable by us alone; and locks."""

import os
from contextlib import suppress
from pathlib import Path

from service.embedded.errors import EmbeddedError
from service.processes.locks import try_lock


class Lock:
    """Held until released or until this process ends, however it ends; never inherited by children.

    Raises:
        EmbeddedError: with the given message, when another process holds it.
    """

    def __init__(self, path: Path, message: str) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(handle):
            os.close(handle)
            raise EmbeddedError(message)
        self._handle: int | None = handle

    def release(self) -> None:
        """Let others have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def make_directory(path: Path) -> None:
    """Make a data directory, if it isn't there.

    Root's can be walked through (not listed) by others, as the servers in it run under another account; everything
    private in it is closed on its own.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            path.chmod(0o711)


def write_private(path: Path, text: str) -> None:
    """Write a file (0600) that appears with its whole content or not at all, and replaces the one before it."""
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - its mode
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
