"""Processes for these tests: whoever is started here is gone when its test is."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from service.embedded.strangers import command_of, signal_if

HERE = Path(__file__).parent


def eventually(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    """Wait until something is so, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped has no command line either."""
    return not command_of(pid)


@dataclass
class Holder:
    """A process that holds servers, and what it said about them."""

    process: subprocess.Popen[bytes]
    database_url: str
    redis_url: str
    postgres: int
    valkey: int

    def kill(self) -> None:
        """As kill -9 does it: it gets no chance to stop anything."""
        self.process.kill()
        self.process.wait()


Hold = Callable[..., Holder]
Spawn = Callable[..., subprocess.Popen[bytes]]


@contextmanager
def open_directory() -> Generator[Path, None, None]:
    """Not pytest's own, which root keeps closed to the servers' account."""
    path = Path(tempfile.mkdtemp(prefix="darkroom-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory to be."""
    with open_directory() as parent:
        yield parent / "data"


@pytest.fixture(scope="session")
def made() -> Iterator[Path]:
    """A data directory that several tests start and kill servers on, one after the other: making one takes a second."""
    with open_directory() as parent:
        yield parent / "data"


@pytest.fixture
def spawn() -> Generator[Spawn, None, None]:
    """Start one of the scripts next to this file; it is killed after the test, and its children with it."""
    spawned: list[subprocess.Popen[bytes]] = []

    def start(script: str, *arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, HERE / script, *arguments]
        process = cast("subprocess.Popen[bytes]", subprocess.Popen(command, **options))
        spawned.append(process)
        return process

    yield start
    for process in spawned:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def hold(spawn: Spawn) -> Generator[Hold, None, None]:
    """Start servers in a process of their own."""
    holders: list[Holder] = []

    def start(directory: Path, *options: str) -> Holder:
        environment = {name: value for name, value in os.environ.items() if name != "HOME"}
        process = spawn("hold_servers.py", directory, *options, stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        holders.append(Holder(process, **json.loads(process.stdout.readline())))
        return holders[-1]

    yield start
    # Whatever a failed test left without its holder.
    for holder in holders:
        if holder.process.poll() is not None:
            for pid in (holder.postgres, holder.valkey):
                signal_if(pid, _is_server, signal.SIGKILL)


def _is_server(command: list[str]) -> bool:
    return bool(command) and ("postgres" in command[0] or "valkey" in command[0])
