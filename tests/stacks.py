"""Where a process has come to a halt: the stacks of its threads and of asyncio's tasks, asked for by a signal."""

import asyncio
import faulthandler
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

LONGEST = 20_000
"""Characters of them that are told."""

PATIENCE = 5.0
"""Seconds a process has to write them."""


def tell_when_asked() -> None:
    """From here on, SIGUSR1 has this process write its stacks, whatever it waits for."""
    # Kept open: there may be no descriptor left when it is needed.
    written = os.open(_place(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def tell_tasks(_: int, __: FrameType | None) -> None:
        with os.fdopen(os.dup(written), "w") as told:
            with suppress(RuntimeError):  # no loop runs
                for task in asyncio.all_tasks(asyncio.get_running_loop()):
                    told.write(f"\n{task.get_name()}:\n")
                    task.print_stack(file=told)
            told.write("\nThat is all.\n")

    signal.signal(signal.SIGUSR1, tell_tasks)
    faulthandler.register(signal.SIGUSR1, file=written, chain=True)


def ask(pid: int) -> str:
    """The stacks of that process, or as much of them as it has written within some seconds."""
    place = _place(pid)
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + PATIENCE
    while "That is all." not in (told := place.read_text(errors="replace")) and time.monotonic() < until:
        time.sleep(0.05)
    return told[-LONGEST:]


def _place(pid: int) -> Path:
    return Path(tempfile.gettempdir()) / f"stacks-{pid}"
