"""Where tests' servers have their files.

Root's servers live under /var/lib when their account can't enter the data directory: tests leave none there.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from service.embedded.account import SYSTEM_HOMES, home_outside

MEMORY = Path("/dev/shm")  # noqa: S108 - names are made there as in every directory for temporary files
ROOM = 4 << 30
BEGINNING = "darkroom-"


@contextmanager
def open_directory(*, quick: bool = False) -> Generator[Path]:
    """A temporary directory that the servers' account may enter, so that all of theirs goes with it.

    A `quick` one is in memory where there is room: what measures wants a disk.
    """
    directory = make_directory(quick=quick)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def make_directory(*, quick: bool) -> Path:
    """One like that, to stay: the next run removes what is in memory."""
    place = MEMORY if quick and _has_room(MEMORY) else None
    directory = Path(tempfile.mkdtemp(prefix=f"{BEGINNING}{os.getpid()}-", dir=place))
    directory.chmod(0o711)
    return directory


def forget_left_behind() -> None:
    """Remove from memory what runs that were killed, or failed, have left there."""
    for directory in MEMORY.glob(f"{BEGINNING}*-*"):
        maker = directory.name.split("-")[1]
        if not Path(f"/proc/{maker}").exists():
            shutil.rmtree(directory, ignore_errors=True)


def forget_homes(below: Path) -> None:
    """Remove the homes of servers whose data directories are somewhere below."""
    if SYSTEM_HOMES.is_dir():
        for directory, _, _ in os.walk(below):
            shutil.rmtree(home_outside(Path(directory)), ignore_errors=True)


def forget_former_home(directory: Path) -> None:
    """Of a data directory that isn't there yet: a run that was killed may have left servers' data under its name."""
    if not directory.exists():
        shutil.rmtree(home_outside(directory), ignore_errors=True)


def _has_room(directory: Path) -> bool:
    """Whether servers may have their programs and data there: a container's is often small, or runs nothing."""
    try:
        there = os.statvfs(directory)
    except OSError:
        return False
    runs = not there.f_flag & os.ST_NOEXEC
    return runs and os.access(directory, os.W_OK) and there.f_bavail * there.f_frsize >= ROOM
