"""Darkroom's processes for tests, forked from one that has loaded all of Darkroom: a start costs a fiftieth.

They are processes of their own in every other respect: environment, descriptors, signals; and their end, but that they
don't take down what they have loaded.
"""

import atexit
import gc
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[1]
NOWHERE = "/"
"""Where processes stand: beside no `.env` and no `.darkroom`, as a checkout has them in which a stack runs."""

MAIN = "from service.cli.main import main; main()"
UNLOADED = ("actors.engines.local.", "actors.standalone", "service.cli.main")
"""What is native, which no worker loads into its own process; what connects when it is loaded; what is to run."""

SPELLING = "PYTHONIOENCODING"
CONTROL_FD = "TEST_CONTROL_FD"
LARGEST_ORDER = 1 << 17
MOST_FILES = 64


class Start(Struct, frozen=True, tag=True):
    """Run this code in a new process; `files` are the numbers that the descriptors sent along get there."""

    code: str
    arguments: list[str]
    environment: dict[str, str]
    files: list[int]


class Serve(Struct, frozen=True, tag=True):
    """Fork another server, for whoever is at the other end of the socket sent along; nothing is answered."""


class Reap(Struct, frozen=True, tag=True):
    """Tell how this process ended, which has."""

    pid: int


class Forked:
    """As much of `subprocess.Popen` as tests need."""

    def __init__(self, server: "_Server", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """How it ended, None while it runs."""
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self._reap()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("darkroom", timeout or 0)
            self._reap()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _reap(self) -> None:
        with self._server.line:
            if self.returncode is None:
                self.returncode = os.waitstatus_to_exitcode(self._server.told(Reap(self.pid)))
                os.close(self._ended)


Process = subprocess.Popen[bytes] | Forked


def start(
    code: str,
    *arguments: str,
    environment: Mapping[str, str],
    stdout: IO[Any] | None = None,
    stderr: IO[Any] | None = None,
    pass_fds: Sequence[int] = (),
) -> Process:
    """A process that runs `code` with these arguments, and reads nothing; a new Python where it is told of PYTHON..."""
    if sys.platform != "linux" or any(name.startswith("PYTHON") for name in environment.keys() - {SPELLING}):
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            cwd=NOWHERE,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
        )
    order = Start(code, list(arguments), dict(environment), [0, 1, 2, *pass_fds])
    server = _server()
    with Path(os.devnull).open("rb") as nothing, server.line:
        outputs = [stream.fileno() if stream else number for number, stream in ((1, stdout), (2, stderr))]
        return Forked(server, server.told(order, [nothing.fileno(), *outputs, *pass_fds]))


class _Server:
    """The process that forks, which ends when this one does; `line` is to be held by whoever speaks to it."""

    def __init__(self, control: socket.socket, begun: "subprocess.Popen[bytes]") -> None:
        self._control = control
        self._begun = begun
        self.line = threading.RLock()

    @classmethod
    def begin(cls) -> "_Server":
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        with theirs:
            begun = subprocess.Popen(
                [sys.executable, "-m", "tests.forking"],
                env={**inherited, CONTROL_FD: str(theirs.fileno())},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        return cls(ours, begun)

    def another(self) -> "_Server":
        """One forked from this one, for a process that was forked from the one that had begun it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._control:
            socket.send_fds(self._control, [msgspec.json.encode(Serve())], [theirs.fileno()])
        return _Server(ours, self._begun)

    def end(self) -> None:
        self._control.close()
        self._begun.kill()
        self._begun.wait()

    def told(self, order: Start | Reap, files: Sequence[int] = ()) -> int:
        """What it answers."""
        socket.send_fds(self._control, [msgspec.json.encode(order)], files)
        return int(self._control.recv(LARGEST_ORDER))


_servers: list[_Server] = []
"""At most one."""


def _server() -> _Server:
    if not _servers:
        begin_server()
    return _servers[0]


def begin_server() -> None:
    """Load Darkroom beside whatever this process does now."""
    _servers.append(_Server.begin())


def end_server() -> None:
    """Where it was begun."""
    while _servers:
        _servers.pop().end()


def take_own_server() -> None:
    """Where a process has been forked from one that had begun a server."""
    _servers[:] = [server.another() for server in _servers]


def _load_everything() -> None:
    from litestar import Litestar, get  # noqa: PLC0415 - whoever asks this process doesn't need it

    for room in ("service", "actors"):
        for module in pkgutil.walk_packages(import_module(room).__path__, f"{room}."):
            if not module.name.startswith(UNLOADED):
                import_module(module.name)
    from tests import versions  # noqa: PLC0415 - nor redis-py

    versions.read_once()
    # It loads the rest when there is something to route.
    Litestar([get("/", sync_to_thread=False)(_load_everything)], logging_config=None)
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "a thread wouldn't survive the fork"
    gc.freeze()


def _next_child(control: socket.socket) -> Start:
    """Serve until the line is closed; returns in each child, with what it is to do."""
    while True:
        message, files, _, _ = socket.recv_fds(control, LARGEST_ORDER, MOST_FILES)
        if not message:
            os._exit(0)
        order = msgspec.json.decode(message, type=Start | Serve | Reap)
        if isinstance(order, Reap):
            _, status = os.waitpid(order.pid, 0)
            control.send(str(status).encode())
            continue
        if isinstance(order, Serve):
            if os.fork() == 0:
                control.close()
                control = socket.socket(fileno=files[0])
            else:
                os.close(files[0])
            continue
        pid = os.fork()
        if pid == 0:
            control.close()
            _place(files, order.files)
            return order
        for descriptor in files:
            os.close(descriptor)
        control.send(str(pid).encode())


def _place(files: Sequence[int], numbers: Sequence[int]) -> None:
    """Give descriptors these numbers, above which they first go out of each other's way."""
    beyond = max([*files, *numbers]) + 1
    away = [os.dup2(descriptor, beyond + place) for place, descriptor in enumerate(files)]
    for descriptor in files:
        os.close(descriptor)
    for descriptor, number in zip(away, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _spell(encoding: str, errors: str = "strict") -> None:
    """As Python itself does what PYTHONIOENCODING says."""
    for stream, its_errors in ((sys.stdout, errors), (sys.stderr, "backslashreplace")):
        assert isinstance(stream, TextIOWrapper)
        stream.reconfigure(encoding=encoding, errors=its_errors)


def _leave(code: int) -> None:
    """End as Python does, but for taking down all that is loaded: half of what a short process costs.

    Returns where Python has more to do: there are threads to be waited for, or a reader that is gone is to be told of.
    """
    if threading.active_count() > 1:
        return
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    gc.collect()  # what complains when it goes does
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code & 0xFF)


def main() -> None:
    control = socket.socket(fileno=int(os.environ.pop(CONTROL_FD)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _load_everything()
    order = _next_child(control)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    os.chdir(NOWHERE)
    if SPELLING in order.environment:
        _spell(*order.environment[SPELLING].split(":"))
    tempfile.tempdir = None  # what was found out of the other environment
    sys.argv[1:] = order.arguments
    try:
        exec(compile(order.code, "<test>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the tests' own
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):  # Python has something to say
            raise
        _leave(ended.code or 0)
        raise
    _leave(0)


if __name__ == "__main__":
    main()
