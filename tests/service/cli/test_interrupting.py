"""Ctrl-C while modules are loaded, which may swallow whatever is raised in them."""

import signal
import subprocess
import sys

import pytest

SWALLOWS = """
import signal
from service.cli.interrupting import ending_at_once
signal.signal(signal.SIGINT, signal.{handler})
with ending_at_once():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        pass
assert signal.getsignal(signal.SIGINT) is signal.{handler}
"""


@pytest.mark.parametrize(("handler", "code"), [("default_int_handler", -signal.SIGINT), ("SIG_IGN", 0)])
def test_it_ends_the_process_where_it_is_heard_at_all(handler: str, code: int) -> None:
    assert subprocess.run([sys.executable, "-c", SWALLOWS.format(handler=handler)], check=False).returncode == code


def test_afterwards_it_is_raised_again() -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            SWALLOWS.format(handler="default_int_handler").replace("raise_signal(signal.SIGINT)", "x"),
        ],
        check=False,
    )
    assert ran.returncode == 0
