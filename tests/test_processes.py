"""What a run in several processes tells: as much as one in a single process, and more where a process dies."""

import os
import re
import subprocess
import sys
from pathlib import Path

HOOKS = "from tests.processes import pytest_addoption, pytest_runtestloop, pytest_terminal_summary"

ONE = """
import os, pytest

@pytest.fixture(scope="session")
def closing():
    yield os.getpid()
    raise OSError("taken down too late")

def test_passes(tmp_path): assert tmp_path.parent.name == "shared"
def test_fails(): print("printed before"); assert 1 + 1 == 3
def test_is_skipped(): pytest.skip("not today")
def test_sets_something_up(closing): assert closing == os.getpid()
"""

TWO = """
import os, signal

def test_comes_first(): pass
def test_kills_its_process(): os.kill(os.getpid(), signal.SIGKILL)
def test_comes_after(): pass
"""

KILLS = """
import os, signal

def test_kills_its_process(): os.kill(os.getpid(), signal.SIGKILL)
"""

HANGS = """
import asyncio, threading

async def never(): await asyncio.Event().wait()
def test_hangs(): asyncio.run(never())
def test_is_deaf(): threading.Lock().acquire(); threading.Thread(target=print).start(); deaf()
def deaf():
    lock = threading.Lock(); lock.acquire(); lock.acquire()
"""

THREE = """
def test_prints_as_well(capfd): print("printed elsewhere"); assert capfd.readouterr().out == "printed elsewhere\\n"
"""


CLOCKED = """
from pathlib import Path

def test_is_late_once():
    been = Path(__file__).with_name("been")
    assert been.exists() or been.touch()

def test_is_always_late(): assert False
def test_is_in_time(): pass
"""

FILES = {"test_one": ONE, "test_two": TWO, "test_three": THREE}


def run(directory: Path, *options: str, files: dict[str, str] = FILES) -> str:
    """What pytest prints about these files in three processes."""
    for name, text in {"conftest": HOOKS, **files}.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / f"{name}.py").write_text(text)
    arguments = ["--processes=3", "--color=no", "-ra", f"--basetemp={directory / 'shared'}", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *options, f"--rootdir={directory}", directory],
        env={**os.environ, "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    return ran.stdout


def test_all_are_told_and_a_process_that_dies_takes_one_test_along(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert "3 failed, 5 passed, 1 skipped" in told, told
    assert "assert (1 + 1) == 3" in told
    assert told.count("printed before") == 2
    assert "printed elsewhere" not in told
    assert "test_two.py::test_kills_its_process - The process that ran this test ended, with exit code -9" in told
    # Whichever that was: the process that had set something up may have run others' tests since.
    assert len(re.findall(r"::\w+ - The process that ran this test last ended with", told)) == 1, told


def test_of_one_that_hangs_it_is_told_where(tmp_path: Path) -> None:
    impatient = f"{HOOKS}\nfrom tests import processes, stacks\nprocesses.HANGS_AFTER = 2.0\nstacks.PATIENCE = 1.0"
    told = run(tmp_path, files={"conftest": impatient, "test_hangs": HANGS, "test_two": "def test_passes(): pass"})
    assert "2 failed, 1 passed" in told, told
    assert "in never" in told
    assert "in deaf" in told


def test_it_stops_at_the_first_failure_where_that_is_asked_for(tmp_path: Path) -> None:
    told = run(tmp_path, "-x", "-k", "fails or sets_something_up")
    assert "stopping after 1 failures" in told, told
    assert "1 failed, 6 deselected" in told


def test_however_many_processes_die_all_others_tests_are_run(tmp_path: Path) -> None:
    killing = {f"test_{number}": KILLS for number in range(4)}
    told = run(tmp_path, files={**killing, "test_last": "def test_passes(): pass"})
    assert "4 failed, 1 passed" in told, told


def test_what_is_told_by_a_clock_and_fails_beside_others_is_run_again_alone(tmp_path: Path) -> None:
    told = run(tmp_path, files={"security/test_bounds": CLOCKED, "test_other": "def test_passes(): pass"})
    assert "1 failed, 3 passed" in told, told
    assert [line.split(":")[2] for line in told.splitlines() if line.startswith("AGAIN")] == [
        "test_is_late_once",
        "test_is_always_late",
    ]
