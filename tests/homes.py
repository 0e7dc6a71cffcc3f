"""Root's servers live under /var/lib when their account can't enter the data directory: tests leave none there."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from service.embedded.account import SYSTEM_HOMES, home_outside


@contextmanager
def open_directory() -> Generator[Path]:
    """A temporary directory that the servers' account may enter, so that all of theirs goes with it."""
    with tempfile.TemporaryDirectory(prefix="darkroom-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def forget_homes(below: Path) -> None:
    """Remove the homes of servers whose data directories are somewhere below."""
    if SYSTEM_HOMES.is_dir():
        for directory, _, _ in os.walk(below):
            shutil.rmtree(home_outside(Path(directory)), ignore_errors=True)


def forget_former_home(directory: Path) -> None:
    """Of a data directory that isn't there yet: a run that was killed may have left servers' data under its name."""
    if not directory.exists():
        shutil.rmtree(home_outside(directory), ignore_errors=True)
