"""The child process: `python -m actors.engines.local.child THREADS PARENT [photos]`.

It reads orders from its standard input and writes reports to what was its standard output; everything native libraries
print goes to standard error. It ends with its parent, however that ends.
"""

import contextlib
import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO, NoReturn, Protocol

from actors.engines.local import wire
from actors.engines.local.memory import trim
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

_PR_SET_PDEATHSIG = 1
_NICENESS = 5
"""Edits give way to the processes that answer people."""


def main() -> int:
    threads, parent = int(sys.argv[1]), int(sys.argv[2])
    _die_with(parent)
    reports = protocol_pipe()
    faulthandler.enable()
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    return _serve(_photo_desk() if "photos" in sys.argv[3:] else _studio(threads), reports)


def _die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies. Elsewhere the end of standard input tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def protocol_pipe() -> BinaryIO:
    """The pipe to the parent, out of reach of anything that prints."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(pipe, "wb", buffering=0)


class _Orders:
    """The parent's orders, read in a thread of their own so that a stop is heard during an edit."""

    def __init__(self) -> None:
        self._edits: queue.SimpleQueue[wire.Work] = queue.SimpleQueue()
        self._stop = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> wire.Work:
        """Wait for the next thing to do."""
        return self._edits.get()

    def stopped(self) -> bool:
        return self._stop.is_set()

    def _read(self) -> None:
        source = sys.stdin.buffer
        while head := source.read(wire.LENGTH_BYTES):
            order = wire.order(source.read(wire.frame_length(head)))
            if isinstance(order, wire.StopEdit):
                self._stop.set()
            else:
                self._stop.clear()
                self._edits.put(order)
        # The parent is gone, or wants us to be: nobody waits for whatever is being made.
        os._exit(0)


class Maker(Protocol):
    """What does what is ordered."""

    def make(self, work: wire.Work, say: Callable[[wire.Report], None], stopped: Callable[[], bool]) -> wire.Report:
        """Do it, saying each step and picture; returns the last report.

        Raises:
            EngineError: it can't be done.
        """
        ...


# Native libraries start threads when they are loaded: only after the pipes are settled.


def _studio(threads: int) -> Maker:
    from actors.engines.local.edits import Studio  # noqa: PLC0415

    studio = Studio(threads)
    studio.warm_up()
    return studio


def _photo_desk() -> Maker:
    from actors.engines.local.photos import PhotoDesk  # noqa: PLC0415

    return PhotoDesk()


def _serve(maker: Maker, reports: BinaryIO) -> NoReturn:
    orders = _Orders()

    def say(report: wire.Report) -> None:
        _write(reports, report)

    say(wire.Ready())
    while True:
        say(_made(maker, orders.next(), say, orders.stopped))
        trim()


def _made(
    maker: Maker, work: wire.Work, say: Callable[[wire.Report], None], stopped: Callable[[], bool]
) -> wire.Report:
    """The last report: a fault in one edit must not end the process for the next."""
    try:
        return maker.make(work, say, stopped)
    except EngineError as error:
        return wire.Failed(error.code, error.message, error.details, error.transient)
    except MemoryError:
        # Whatever else holds memory is of no more use; a fresh process is.
        traceback.print_exc()
        os._exit(1)
    except Exception:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        message = "The edit failed by a fault of the engine. Please try again with another photo."
        return wire.Failed(FailureCode.PROCESSING_FAILED, message, {}, transient=False)


def _write(reports: BinaryIO, report: wire.Report) -> None:
    data = memoryview(wire.framed(report))
    while data:
        data = data[reports.write(data) :]


if __name__ == "__main__":
    sys.exit(main())
