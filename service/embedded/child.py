"""A process of ours that ends when we end, however we end."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from service.embedded.account import Account

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_CLONE_NEWUSER = 0x10000000
# Loaded here, not in the forked child, where only system calls are safe.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

# For systems without prctl: waits until the pipe that only we write to is closed, which the kernel does for us even
# after kill -9, and then ends the child. A child it misses (we died between the two forks) is found at the next start.
_WATCHDOG = 'read -r _; kill -s "$1" "$2"'


class Child:
    """A running process, in a session of its own (a Ctrl-C in the terminal is for us, and we pass it on in order).

    `dies_by` is the signal it gets when we are gone without having stopped it. `stdin` (at most a page) is what it
    reads; `output` and `errors` are file descriptors, ours when None. `known_as`: to itself it has that account's
    numbers, to everybody else ours (a user namespace; where the system allows none it has ours).

    Raises:
        OSError: the program can't be run.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        dies_by: signal.Signals,
        environment: Mapping[str, str],
        account: Account | None = None,
        known_as: Account | None = None,
        directory: Path | None = None,
        stdin: bytes | None = None,
        output: int | None = None,
        errors: int | None = None,
        inherited: Collection[int] = (),
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            # The kernel ties a child to the thread that forked it: it would end together with that thread.
            raise RuntimeError("children are started from the main thread")
        source = subprocess.DEVNULL if stdin is None else _filled_pipe(stdin)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                [os.fspath(part) for part in command],
                stdin=source,
                stdout=output,
                stderr=errors,
                env=dict(environment),
                cwd=directory,
                pass_fds=tuple(inherited),
                start_new_session=True,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else (),
                preexec_fn=_before_exec(os.getpid(), dies_by, known_as),  # noqa: PLW1509 - system calls only, one thread
            )
        finally:
            if source != subprocess.DEVNULL:
                os.close(source)
        self._watchdog = None if _libc is not None else _watch(self._process.pid, dies_by)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs, a negative number if a signal ended it."""
        code = self._process.poll()
        if code is not None and self._watchdog is not None:
            # Before the pid can belong to somebody else.
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
        return code

    async def ended(self) -> int:
        """Its exit code, once it has ended. The kernel tells; where it can't, a thread waits."""
        code = self.exit_code()
        if code is None:
            handle = _handle_of(self._process.pid)
            await (asyncio.to_thread(self._process.wait) if handle is None else _end_of(handle))
            code = self.exit_code()
        return code or 0

    def send(self, number: signal.Signals) -> None:
        """Signal it; does nothing once it has ended (its pid may be another's by then)."""
        if self.exit_code() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, with what it started in its session, and wait for that."""
        if self.exit_code() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.exit_code()


class Program:
    """Something that is run as a child of ours, and again: what is told here is of the last one."""

    _child: Child | None = None
    _ready = False
    """Whether it works, as far as that is known when it starts."""

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def ready(self) -> bool:
        return self._ready and self.exit_code() is None

    def exit_code(self) -> int | None:
        """None while it runs (or before it ever did)."""
        return None if self._child is None else self._child.exit_code()

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        return 0 if self._child is None else await self._child.ended()


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _handle_of(pid: int) -> int | None:
    """What can be read once a child of ours has ended; None where the kernel, a sandbox or this Python has none."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


async def _end_of(handle: int) -> None:
    """Return when the child has ended, which nobody else reaps."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _filled_pipe(content: bytes) -> int:
    """A pipe to read that from.

    Filled beforehand: a server whose parent died half-way would run on an empty configuration, without its password.
    """
    reader, writer = os.pipe()
    os.write(writer, content)  # less than a page, so it fits
    os.close(writer)
    return reader


def _before_exec(parent: int, dies_by: signal.Signals, known_as: Account | None) -> Callable[[], None]:
    prctl = None if _libc is None else _libc.prctl
    unshare = None if _libc is None or known_as is None else _libc.unshare
    maps = {} if known_as is None else _maps_to(known_as)

    def prepare() -> None:
        # Runs between fork and exec, after the change of account, which would undo prctl.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # what our parent blocked, a child would never hear
        if prctl is not None and unshare is not None:
            prctl(_PR_SET_DUMPABLE, 1)  # /proc/self is closed to a process that changed its account
            if unshare(_CLONE_NEWUSER) == 0:
                with suppress(OSError):  # what it lacks then, the program tells better
                    for path, content in maps.items():
                        path.write_bytes(content)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(dies_by))
            if os.getppid() != parent:  # it died before we asked, so no signal will come
                os._exit(1)

    return prepare


def _maps_to(account: Account) -> dict[Path, bytes]:
    """What makes our user and group the account's inside a user namespace, in this order (user_namespaces(7))."""
    return {
        Path("/proc/self/setgroups"): b"deny",
        Path("/proc/self/uid_map"): f"{account.uid} {os.geteuid()} 1".encode(),
        Path("/proc/self/gid_map"): f"{account.gid} {os.getegid()} 1".encode(),
    }


def _watch(pid: int, dies_by: signal.Signals) -> subprocess.Popen[bytes]:
    name = dies_by.name.removeprefix("SIG")
    return subprocess.Popen(  # noqa: S603 - as above
        ["/bin/sh", "-c", _WATCHDOG, "sh", name, str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )
