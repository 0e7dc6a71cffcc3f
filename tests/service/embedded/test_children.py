"""Processes of ours: ended in time, tied to us, told from others."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded.child import Child, describe_exit
from service.embedded.steps import Steps, finish, side_by_side
from service.embedded.strangers import command_of, signal_if
from service.processes.ready_pipe import READY_FD
from service.up.service_process import Worker
from tests.service.embedded.conftest import eventually, gone

STUBBORN = f"""
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(int(os.environ["{READY_FD}"]), b"!")
time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Iterator[Child]:
    child = Child(["/bin/sleep", "60"], dies_by=signal.SIGKILL, environment={})
    eventually(lambda: command_of(child.pid) == ["/bin/sleep", "60"])
    yield child
    child.kill()


def test_who_doesnt_stop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "patience", 0.2)
    worker = Worker("Worker", [sys.executable, "-c", STUBBORN], dict(os.environ))
    finish(worker.starting())
    assert worker.ready
    finish(worker.stopping())
    assert worker.exit_code() == -signal.SIGKILL
    assert not worker.ready


def test_a_worker_that_ends_before_it_is_ready() -> None:
    worker = Worker("Worker", [sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ))
    finish(worker.starting())
    assert not worker.ready
    assert worker.exit_code() == 3


def test_a_pid_that_is_somebody_elses_by_now(sleeper: Child) -> None:
    signal_if(sleeper.pid, lambda command: command == ["postgres"], signal.SIGKILL)
    assert sleeper.exit_code() is None
    signal_if(sleeper.pid, lambda command: command == ["/bin/sleep", "60"], signal.SIGKILL)
    eventually(lambda: sleeper.exit_code() == -signal.SIGKILL)
    sleeper.send(signal.SIGTERM)  # nobody's pid now
    signal_if(sleeper.pid, lambda _: True, signal.SIGTERM)


def test_a_blocked_signal_isnt_blocked_in_children() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        child = Child(["/bin/sleep", "60"], dies_by=signal.SIGKILL, environment={})
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    child.send(signal.SIGTERM)
    eventually(lambda: child.exit_code() == -signal.SIGTERM)


def test_children_are_refused_to_threads() -> None:
    """The kernel would end them together with the thread."""
    raised: list[str] = []

    def start() -> None:
        try:
            Child(["/bin/sleep", "60"], dies_by=signal.SIGKILL, environment={})
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert raised == ["children are started from the main thread"]


def test_what_a_killed_child_started_goes_with_it(tmp_path: Path) -> None:
    script = f"/bin/sleep 60 & echo $! > {tmp_path}/pid; wait"
    child = Child(["/bin/sh", "-c", script], dies_by=signal.SIGKILL, environment={})
    file = tmp_path / "pid"
    eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    child.kill()
    eventually(lambda: gone(int(file.read_text())))


def test_an_error_ends_what_goes_on_beside_it() -> None:
    undone: list[str] = []

    def endless() -> Steps:
        try:
            while True:
                yield
        finally:
            undone.append("yes")

    def failing() -> Steps:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        finish(side_by_side(endless(), failing()))
    assert undone == ["yes"]


@pytest.mark.parametrize(("code", "words"), [(3, "exit code 3"), (-9, "killed by SIGKILL")])
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no handle to begin with")
@pytest.mark.parametrize("handle", ["as it is", "refused", "unknown to this Python"])
async def test_its_end_is_heard_with_a_handle_and_without(handle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    if handle == "refused":
        monkeypatch.setattr(os, "pidfd_open", refuse)
    elif handle == "unknown to this Python":
        monkeypatch.delattr(os, "pidfd_open")
    child = Child(["/bin/sh", "-c", "sleep 0.1; exit 3"], dies_by=signal.SIGKILL, environment={})
    assert await child.ended() == 3
