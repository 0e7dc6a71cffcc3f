"""As process 1 `up` reaps what loses its parent, and passes signals on."""

import signal
import subprocess
import sys

import pytest

from tests.service.embedded.conftest import Spawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux's")


def test_orphans_leave_no_zombies(spawn: Spawn) -> None:
    assert spawn("first_process.py", "orphan").wait(15) == 7


def test_a_signal_reaches_the_one_that_works(spawn: Spawn) -> None:
    first = spawn("first_process.py", "wait", stdout=subprocess.PIPE)
    assert first.stdout is not None
    assert first.stdout.readline() == b"ready\n"
    first.send_signal(signal.SIGTERM)
    assert first.wait(15) == 9
