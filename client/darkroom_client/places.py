"""Where pictures are written."""

import errno
import os
from os import PathLike
from pathlib import Path


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


def _error(number: int, place: Path) -> OSError:
    return OSError(number, os.strerror(number), str(place))
