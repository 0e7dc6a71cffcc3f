"""Ctrl-C while modules are loaded, which may swallow whatever is raised in them."""

import signal
import subprocess
import sys

import pytest

WITHIN = """
import signal
from service.cli.interrupting import ending_at_once
signal.signal(signal.SIGINT, signal.{handler})
with ending_at_once():
    {what}
assert signal.getsignal(signal.SIGINT) is signal.{handler}
"""

SWALLOWS = """
import signal, sys

class Swallows:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException:
                print("swallowed")

MODULE = sys.argv.pop(1)
sys.meta_path.insert(0, Swallows())
signal.signal(signal.SIGINT, signal.default_int_handler)
from service.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("handler", "what", "code"),
    [
        ("default_int_handler", "signal.raise_signal(signal.SIGINT)", -signal.SIGINT),
        ("default_int_handler", "pass", 0),
        ("SIG_IGN", "signal.raise_signal(signal.SIGINT)", 0),
    ],
)
def test_it_ends_the_process_where_it_is_heard_at_all(handler: str, what: str, code: int) -> None:
    program = WITHIN.format(handler=handler, what=what)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == code


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("up", "service.cli.up"),
        ("up --port 0", "service.up.supervisor"),
        ("api", "service.http.server"),
        ("worker", "actors.worker"),
        ("webhook listen", "service.webhooks.listening"),
    ],
)
def test_what_runs_until_it_is_stopped_is_stopped_while_it_loads(command: str, module: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SWALLOWS, module, *command.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (-signal.SIGINT, ""), ran.stderr
