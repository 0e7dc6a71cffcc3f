"""Darkroom's own processes, for tests: started as users start them, on ports of their own."""

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

import httpx

from service.processes.ready_pipe import READY_FD
from service.settings import Settings
from tests.forking import MAIN, Process, start

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Saves every client the loading of certificates that nobody asks for."""

PATIENCE = 120.0
"""Seconds that a start may take on a machine that is busy with other things."""


def free_port() -> int:
    """For programs that can't be handed a socket: until they listen somebody else may have taken it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@cache
def nobodys_port() -> int:
    """A port that nobody answers at, as long as this process lives: it is taken, and not listened at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        probe.detach()
    return port


@contextmanager
def handed_socket() -> Generator[tuple[int, int]]:
    """A listening socket for an API to be, as file descriptor and port; afterwards it is the API's alone."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        yield listener.fileno(), listener.getsockname()[1]


def environment(settings: Settings, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process needs to run on the same servers as the test."""
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {
        **inherited,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "STORAGE_URL": settings.storage_url,
        "SECRET_KEY": ",".join(settings.secret_keys),
        # The usual one may be somebody's on this machine.
        "PORT": "0",
        **(extra or {}),
    }


def run_command(
    *arguments: str, settings: Settings, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`darkroom ...`, to its end."""
    return ran_to_its_end(MAIN, *arguments, environment=environment(settings, extra))


def ran_to_its_end(code: str, *arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What `code` did in a process of its own."""
    with TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        ran = start(code, *arguments, environment=environment, stdout=stdout, stderr=stderr)
        try:
            ran.wait(timeout=PATIENCE * 2)
        finally:
            ran.kill()
            ran.wait()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, ran.wait(), stdout.read(), stderr.read())


@contextmanager
def running(
    *arguments: str,
    settings: Settings,
    extra: Mapping[str, str] | None = None,
    log: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Generator[Process]:
    """`darkroom ...`, as long as the context lasts; it is killed at its end if it still runs."""
    with (log or Path(os.devnull)).open("ab") as written:
        process = start(
            MAIN,
            *arguments,
            environment=environment(settings, extra),
            stderr=written if log else None,
            pass_fds=pass_fds,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def running_api(settings: Settings, extra: Mapping[str, str] | None = None, log: Path | None = None) -> Generator[str]:
    """The API in a process of its own; its base URL."""
    with ExitStack() as stack:
        with handed_socket() as (fd, port):
            process = stack.enter_context(
                running("api", "--fd", str(fd), settings=settings, extra=extra, log=log, pass_fds=[fd])
            )
        wait_until_live(base_url := f"http://127.0.0.1:{port}", process)
        yield base_url


def wait_until_live(base_url: str, process: Process) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the API ended with {process.returncode}")
        try:
            httpx.get(f"{base_url}/livez", verify=NO_TLS)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the API did not answer within {PATIENCE:g} s")


@contextmanager
def running_worker(
    settings: Settings, extra: Mapping[str, str] | None = None, log: Path | None = None
) -> Generator[Process]:
    """A worker in a process of its own, that takes messages already."""
    reading, writing = os.pipe()
    with (log or Path(os.devnull)).open("ab") as written:
        process = start(
            MAIN,
            "worker",
            environment=environment(settings, {READY_FD: str(writing), **(extra or {})}),
            stderr=written if log else None,
            pass_fds=[writing],
        )
    os.close(writing)
    try:
        assert os.read(reading, 1) == b"1", "the worker did not start"
        yield process
    finally:
        os.close(reading)
        if process.poll() is None:
            process.kill()
        process.wait()
