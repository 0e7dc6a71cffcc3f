"""Where pictures are written."""

import errno
import os
import shutil
import stat
from contextlib import suppress
from os import PathLike
from pathlib import Path
from secrets import token_hex


def writable(path: str | PathLike[str]) -> Path:
    """The path, looked at before a picture is waited for: nothing is made or changed.

    Raises:
        OSError: None can be written there.
    """
    place = Path(path)
    if place.is_dir():
        raise _error(errno.EISDIR, place)
    found = place.exists()
    if not found and not place.parent.is_dir():
        raise _error(errno.ENOTDIR if place.parent.exists() else errno.ENOENT, place)
    if not os.access(place if found else place.parent, os.W_OK):
        raise _error(errno.EACCES, place)
    return place


def put(place: Path, picture: bytes) -> None:
    """Written beside and moved there as a whole: a disk that is full leaves what was there, not half a picture.

    What is no ordinary file, such as a pipe or what standard output is, and one that none can be made beside is
    written through.
    """
    target = place.resolve()
    if not _ordinary(place) or not os.access(target.parent, os.W_OK | os.X_OK):
        place.write_bytes(picture)
        return
    aside = target.with_name(f".darkroom-{token_hex(8)}")
    try:
        aside.write_bytes(picture)
        with suppress(FileNotFoundError):
            shutil.copymode(target, aside)
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _ordinary(place: Path) -> bool:
    if place.absolute().as_posix().startswith(("/dev/fd/", "/dev/std", "/proc/")):
        return False
    try:
        return stat.S_ISREG(place.stat().st_mode)
    except FileNotFoundError:
        return True


def _error(number: int, place: Path) -> OSError:
    return OSError(number, os.strerror(number), str(place))
