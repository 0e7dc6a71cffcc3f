"""Temporary files of one process: whatever it left when it was killed is removed by the next that starts.

They are customers' photos. A process holds a lock on its directory, which the kernel lets go of however it ends.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from service.processes.locks import try_lock
from service.settings.sources import SettingsError

PREFIX = "darkroom-process-"

log = structlog.get_logger(__name__)


@contextmanager
def own_directory() -> Generator[Path]:
    """A directory in the system's temporary one (TMPDIR), for this process alone; it goes with the context.

    Raises:
        SettingsError: No temporary directory can be written to.
    """
    try:
        remove_abandoned()
        path, descriptor = _made()
    except OSError as error:
        raise SettingsError(f"TMPDIR: no temporary directory can be written to: {error.strerror}") from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned() -> int:
    """Remove our user's directories of processes that are gone, of any stack on this machine; how many there were."""
    removed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Whatever can't be opened isn't ours, is no directory, or has gone meanwhile.
        with suppress(OSError), _opened(path) as descriptor:
            if os.fstat(descriptor).st_uid == os.geteuid() and try_lock(descriptor):
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
    if removed:
        log.info("what killed processes left is removed", directories=removed)
    return removed


def _made() -> tuple[Path, int]:
    """A new directory and the descriptor whose lock says that somebody lives in it."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Until it is locked it may be taken for an abandoned one: then another is made.
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if try_lock(descriptor) and _is_at(path, descriptor):
                return path, descriptor
            os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Generator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return path.lstat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
