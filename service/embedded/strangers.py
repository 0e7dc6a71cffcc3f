"""Telling leftovers of a killed run from everybody else's processes, and never signalling the latter."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def running() -> Iterator[tuple[int, list[str]]]:
    """Every process on the machine with its command line (empty for the kernel's).

    The command line, not the executable or the working directory: root without CAP_SYS_PTRACE, as in a container,
    can't read those of another account. Where there is no /proc, words are split at spaces.
    """
    if sys.platform == "linux":
        for entry in _PROC.iterdir():
            if entry.name.isdecimal():
                yield int(entry.name), command_of(int(entry.name))
        return
    listing = subprocess.run(["/bin/ps", "-axo", "pid=,command="], capture_output=True, check=True, text=True)
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command.split()


def command_of(pid: int) -> list[str]:
    """A process's command line; empty when there is no such process, or only its exit code is left of it."""
    if sys.platform == "linux":
        with suppress(OSError):
            line = os.fsdecode((_PROC / str(pid) / "cmdline").read_bytes()).rstrip("\0")
            return line.split("\0") if line else []
        return []
    listing = subprocess.run(  # noqa: S603 - a number
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return listing.stdout.split()


def signal_if(pid: int, is_ours: Callable[[list[str]], bool], number: signal.Signals) -> None:
    """Signal a process that isn't our child, if it is still the one we mean.

    A pid names whoever has it now. Holding a pidfd while looking keeps it from passing on between look and signal;
    where there are none the gap is some microseconds.
    """
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform != "linux":
            if is_ours(command_of(pid)):
                os.kill(pid, number)
            return
        handle = os.pidfd_open(pid)
        try:
            if is_ours(command_of(pid)):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
