"""stdin, stdout and stderr as a command can rely on them, whatever it was started from.

A terminal may not be able to spell an address (gbk, latin-1), a reader may have gone (`| head`), a stream may not be
there at all (`>&-`): none of that undoes what a command did, so none of it may stop it halfway.
"""

import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDIN, STDOUT, STDERR = 0, 1, 2


class OutputLostError(Exception):
    """What a command has to say can't be written: the disk is full, for example."""


def steady_streams() -> None:
    """Replace the standard streams by such that any text can be written to. Once, before anything else is opened."""
    _open_missing()
    sys.stdin = sys.stdin or open(STDIN, closefd=False)  # noqa: SIM115 - a descriptor, for the process's life
    sys.stdout = _steady(STDOUT, sys.stdout)
    sys.stderr = _steady(STDERR, sys.stderr)


def _open_missing() -> None:
    """Otherwise the next socket would get the number of a missing stream, and its data what is printed."""
    for number in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)


def _steady(number: int, stream: TextIO | None) -> io.TextIOWrapper:
    encoding = "utf-8" if stream is None else stream.encoding
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(number)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


class _Descriptor(io.RawIOBase):
    """Writes to a descriptor; once nobody reads there, into nothing."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._read = True

    @property
    def name(self) -> int:
        return self._number

    @property
    def mode(self) -> str:
        return "wb"

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        content = cast("bytes", data)
        while self._read:
            try:
                return os.write(self._number, content)
            except BrokenPipeError:
                self._read = False
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError as error:
                self._read = False
                if self._number != STDERR:  # where else could it be told?
                    raise OutputLostError(f"What there is to say can't be written: {error.strerror}") from None
        return len(content)
