"""Where commands put files for people: a regular file is replaced as a whole, anything else is written through.

Replacing a name with `os.replace` makes a picture of `/dev/null`, or puts a file where a pipe's reader waits.
"""

import io
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

THROUGH = ("/dev/", "/proc/")
"""What stands here is nobody's file to replace, `/dev/stdout` of a command that writes into one included."""

FILES = "/dev/shm/"  # noqa: S108 - what a user names there is written as anywhere else
"""But for this directory, which has files like any other."""


class CannotWriteError(Exception):
    """Nothing can be put there; the message is a line."""


class Destination:
    """A path, judged before the work whose result goes there.

    Raises:
        CannotWriteError: it is a directory, or can't be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._found = _stat(path)
            self._target = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name that no file can have
            raise _cannot(path, error) from None
        stands = path.absolute().as_posix()
        self._through = stands.startswith(THROUGH) and not stands.startswith(FILES)
        if self._found is not None:
            self._judge(self._found)
        if not self._through and not os.access(self._target.parent, os.W_OK | os.X_OK):
            if self._found is None:
                raise _cannot_make(path, self._target.parent)
            # A single file where none can be made beside it, such as one that is mounted into a container.
            self._through = True

    def _judge(self, found: os.stat_result) -> None:
        for kind, is_it in (("directory", stat.S_ISDIR), ("socket", stat.S_ISSOCK)):
            if is_it(found.st_mode):
                raise CannotWriteError(f"{self._path} can't be written: it is a {kind}")
        if not os.access(self._path, os.W_OK):
            raise CannotWriteError(f"{self._path} can't be written: Permission denied")
        self._through = self._through or not stat.S_ISREG(found.st_mode)

    @contextmanager
    def writing(self, *, keep: str | None = None) -> Generator[BinaryIO]:
        """A file to write to; when the block ends well, it is in its place, and until then nothing has changed.

        `keep` is the ending of the name beside it under which what was written before an interruption stays.

        Raises:
            CannotWriteError: it can't be put there.
        """
        aside = self._target.with_name(f".darkroom-{token_hex(8)}" if keep is None else f"{self._target.name}{keep}")
        file = io.BufferedWriter(self._opened(aside))
        try:
            yield file
            file.flush()
            if not self._through:
                self._replace(file.fileno(), aside)
        except BaseException:
            if not self._through and keep is None:
                aside.unlink(missing_ok=True)
            raise
        finally:
            # What can't be written was told above; it is still in the buffer.
            with suppress(CannotWriteError):
                file.close()

    def _opened(self, aside: Path) -> "_Told":
        try:
            if self._through:
                return _Told(os.open(self._path, os.O_WRONLY | os.O_TRUNC), self._path)
            return _Told(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666), self._path)
        except OSError as error:
            raise _cannot(self._path, error) from None

    def _replace(self, written: int, aside: Path) -> None:
        try:
            if self._found is not None:
                if os.geteuid() == 0:
                    os.fchown(written, self._found.st_uid, self._found.st_gid)
                os.fchmod(written, stat.S_IMODE(self._found.st_mode))
            aside.replace(self._target)
        except OSError as error:
            raise _cannot(self._path, error) from None


class _Told(io.FileIO):
    """A file whose errors say that it is the file that can't be written: among others they pass for a server's."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise _cannot(self._path, error) from None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _cannot(path: Path, error: Exception) -> CannotWriteError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else "no file can be there"
    return CannotWriteError(f"{path} can't be written: {why}")


def _cannot_make(path: Path, directory: Path) -> CannotWriteError:
    if not directory.is_dir():
        return CannotWriteError(f"{path} can't be written: there is no directory {directory}")
    return CannotWriteError(f"{path} can't be written: no file can be made in {directory}")
