"""Directories of processes: a dead one's goes, whoever comes next; a living one's stays, however many start."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.settings.sources import SettingsError
from service.workspaces import PREFIX, own_directory, remove_abandoned

HOLD = """
import sys
from service.workspaces import own_directory
with own_directory() as directory:
    (directory / "photo").write_bytes(b"a face")
    print(directory, flush=True)
    sys.stdin.read()
"""

CROWD = """
from service.workspaces import own_directory
for _ in range(30):
    with own_directory() as directory:
        (directory / "photo").write_bytes(b"a face")
        assert (directory / "photo").read_bytes() == b"a face"
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory of this test and of the processes that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def holding() -> Generator[tuple[Path, "subprocess.Popen[str]"]]:
    """Another process, with a photo in its directory."""
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Path(process.stdout.readline().strip()), process
    finally:
        process.kill()
        process.communicate()


def test_it_is_private_and_goes_with_its_context(temporary: Path) -> None:
    with own_directory() as directory:
        assert directory.parent == temporary
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "photo").write_bytes(b"a face")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_a_living_ones_stays() -> None:
    with holding() as (kept, _), holding() as (left, victim):
        assert remove_abandoned() == 0
        victim.kill()
        victim.wait()
        assert (left / "photo").exists()
        with own_directory() as ours:
            assert not left.exists()
            assert (kept / "photo").read_bytes() == b"a face"
            assert remove_abandoned() == 0
            assert ours.exists()


def test_processes_that_start_at_once_leave_each_other_alone(temporary: Path) -> None:
    crowd = [subprocess.Popen([sys.executable, "-c", CROWD], stderr=subprocess.PIPE) for _ in range(4)]
    said = [process.communicate()[1].decode() for process in crowd]
    assert [process.returncode for process in crowd] == [0] * 4, said
    assert list(temporary.iterdir()) == []


def test_only_our_users_directories_are_touched(temporary: Path) -> None:
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    (temporary / f"{PREFIX}file").touch()
    strangers = temporary / f"{PREFIX}strangers"
    strangers.mkdir()
    if os.geteuid() == 0:
        os.chown(strangers, 1, 1)
    else:
        strangers.chmod(0)
    before = set(temporary.iterdir())
    assert remove_abandoned() == 0
    assert set(temporary.iterdir()) == before
    assert (elsewhere / "precious").exists()


def test_without_any_place_to_write_it_says_so(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    with pytest.raises(SettingsError, match=r"TMPDIR: .*: No such file"), own_directory():
        pytest.fail("there is no such directory")
