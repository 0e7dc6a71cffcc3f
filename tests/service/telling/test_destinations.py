"""Files for people: regular ones are replaced as a whole, anything else is written through, and judged before."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.telling.destinations import CannotWriteError, Destination
from tests.homes import open_directory

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
ORDINARY = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


class Stopped(Exception):  # noqa: N818 - what happens to work
    pass


def put(path: Path, content: bytes = b"new", *, keep: str | None = None, stopped: bool = False) -> None:
    with Destination(path).writing(keep=keep) as file:
        file.write(content)
        if stopped:
            raise Stopped


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    put(tmp_path / "new")
    usual = tmp_path / "usual"
    usual.touch()
    assert (tmp_path / "new").read_bytes() == b"new"
    assert (tmp_path / "new").stat().st_mode == usual.stat().st_mode


def test_a_directory_in_memory_has_files_like_any_other() -> None:
    with open_directory(quick=True) as directory:
        put(directory / "new")
        put(directory / "new", b"newer")
        assert [path.read_bytes() for path in directory.iterdir()] == [b"newer"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"a long old content")
    path.chmod(mode)
    before = path.stat().st_ino
    put(path)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.stat().st_ino != before
    assert [one.name for one in tmp_path.iterdir()] == ["old"]


def test_what_was_there_stays_when_the_work_fails(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"old")
    with pytest.raises(Stopped):
        put(path, b"half of the n", stopped=True)
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["old"]


def test_what_was_written_can_stay_beside_it(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        put(tmp_path / "new", b"half", keep=".partial", stopped=True)
    assert [one.name for one in tmp_path.iterdir()] == ["new.partial"]
    assert (tmp_path / "new.partial").read_bytes() == b"half"


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    link.symlink_to("elsewhere/target")
    put(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert [one.name for one in target.parent.iterdir()] == ["target"]


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    destination = Destination(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    with destination.writing() as file:
        file.write(b"through")
    assert reader.communicate(timeout=30)[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]


@ROOT_ONLY
@pytest.mark.parametrize("linked", [False, True])
def test_a_device_is_written_through(tmp_path: Path, linked: bool) -> None:
    null = tmp_path / "null"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    path = tmp_path / "link" if linked else null
    if linked:
        path.symlink_to(null)
    put(path)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert {one.name for one in tmp_path.iterdir()} <= {"null", "link"}


@ROOT_ONLY
def test_a_device_that_takes_nothing_is_told(tmp_path: Path) -> None:
    full = tmp_path / "full"
    os.mknod(full, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    with pytest.raises(CannotWriteError, match=r"full can't be written: No space left on device$"):
        put(full)
    with pytest.raises(CannotWriteError, match="No space left"):
        put(full, b"more than a buffer holds" * 100_000)


def test_standard_output_is_written_through(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from service.telling.destinations import Destination\n"
        "with Destination(Path('/dev/stdout')).writing() as file: file.write(b'picture')"
    )
    into = tmp_path / "into"
    with into.open("wb") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
    assert into.read_bytes() == b"picture"
    through = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert through.stdout == b"picture"


def test_what_can_take_nothing_is_told_in_a_line_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, why in (
            ("", "it is a directory"),
            ("nowhere/at/all", "there is no directory"),
            ("file/x", "Not a directory"),
            ("loop", "no file can be there|symbolic links"),
            ("socket", "it is a socket"),
            ("x" * 300, "File name too long"),
            ("\0", "no file can be there"),
        ):
            with pytest.raises(CannotWriteError, match=rf"can't be written: .*({why})") as caught:
                Destination(tmp_path / name)
            assert "\n" not in str(caught.value)


@ORDINARY
def test_what_may_not_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "mine").write_bytes(b"old")
    (closed / "shut").touch(0o400)
    closed.chmod(0o500)
    with pytest.raises(CannotWriteError, match="no file can be made in"):
        Destination(closed / "new")
    with pytest.raises(CannotWriteError, match="Permission denied"):
        Destination(closed / "shut")
    # One file alone may be written: it can't be replaced, but filled.
    put(closed / "mine")
    assert (closed / "mine").read_bytes() == b"new"
