"""`darkroom edit`, as a process of its own."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from actors.engines import registry
from actors.engines.seam import EditRequest, Finished
from schema.models.edits import CONFIG_TYPES, LOCAL, Mode, Size
from service.cli.main import main
from service.files.judging import UnacceptableImage, judge
from tests.actors.engines.scenes import ASTRONAUT, CHINA, FIGURE, HOPPER, loaded
from tests.actors.scripted import PICTURE, FakeEngine, picture
from tests.forking import MAIN
from tests.heif import saved
from tests.quick_matte import quick_matte
from tests.running import ran_to_its_end

QUICK = "from tests.actors.engines.test_edit_command import quickly; quickly()"
"""The command with an engine that makes its picture at once."""


def run(*arguments: str | Path, program: str = MAIN, extra: Mapping[str, str] | None = None) -> "CompletedProcess[str]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return ran_to_its_end(program, "edit", *map(str, arguments), environment=environ | dict(extra or {}))


def quick(*arguments: str | Path) -> "CompletedProcess[str]":
    return run("background_change", ASTRONAUT, *arguments, program=QUICK)


class Quick(FakeEngine):
    """Says on stderr that it works, and makes the picture."""

    def __init__(self, *, threads: int) -> None:
        assert threads > 0
        super().__init__(self.work, picture(), Finished({"warnings": []}))

    async def work(self, edit: EditRequest) -> None:
        sys.stderr.write(f"working: {edit.mode} of {edit.source.name} with {edit.reference}, {edit.config}\n")


def quickly() -> None:
    """In the command's process."""
    registry.ENGINES[LOCAL] = Quick
    main()


def test_an_edit_of_any_formats_writes_its_result(tmp_path: Path) -> None:
    photo = loaded(ASTRONAUT).convert("RGB")
    (sent := tmp_path / "sent").mkdir()
    (sent / "source.heic").write_bytes(saved(photo, b"hvc1"))
    (sent / "reference.avif").write_bytes(saved(loaded(CHINA).convert("RGB"), b"av01"))
    (made := tmp_path / "made").mkdir()
    output = made / "out.jpg"
    arguments = sent / "source.heic", sent / "reference.avif", "-o", output, "--config", '{"size": "small"}'
    done = run("BACKGROUND_CHANGE", *arguments, extra=quick_matte(tmp_path))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    told = re.fullmatch(rf"{output}: 512 x 512 pixels, ([0-9,]+) bytes, in [0-9]+\.[0-9] s\n", done.stderr)
    assert told is not None, done.stderr
    assert int(told[1].replace(",", "")) == output.stat().st_size
    assert loaded(output).size == photo.size == (512, 512)
    assert list(made.iterdir()) == [output]


@pytest.mark.parametrize(("mode", "source"), [("HEAD_SWAP", HOPPER), ("POSE_CHANGE", FIGURE)])
def test_every_mode_has_a_default_and_needs_no_reference(tmp_path: Path, mode: str, source: Path) -> None:
    """What its engine then makes, tests of head and posing tell, and what /llms.txt prints, over the whole stack."""
    output = tmp_path / "out.jpg"
    done = run(mode, source, "-o", output, "--config", '{"size": "small"}', program=QUICK)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    working, told = done.stderr.splitlines()
    assert working == f"working: {mode} of {source.name} with None, {CONFIG_TYPES[Mode(mode)](size=Size.SMALL)}"
    assert told.startswith(f"{output}: ")
    assert output.read_bytes() == MADE


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    (made := tmp_path / "made").mkdir()
    done = run("head_swap", CHINA, "-o", made / "out.jpg", extra=quick_matte(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("darkroom: No face was found")
    assert len(done.stderr.splitlines()) == 1
    assert list(made.iterdir()) == []


def test_other_formats_are_named_as_over_http(tmp_path: Path) -> None:
    loaded(ASTRONAUT).convert("RGB").save(tmp_path / "moving.gif")
    arguments = tmp_path / "moving.gif", "-o", tmp_path / "out.png"
    done = run("background_change", *arguments, extra=quick_matte(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    with pytest.raises(UnacceptableImage) as caught:
        judge(tmp_path / "moving.gif", max_pixels=1_000_000)
    assert done.stderr.strip().endswith(caught.value.message)


def test_a_missing_file_and_directory_are_told(tmp_path: Path) -> None:
    for arguments in (("gone.jpg", "-o", tmp_path / "a.jpg"), (ASTRONAUT, "-o", tmp_path / "no" / "a.jpg")):
        done = run("BACKGROUND_CHANGE", *arguments)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "JSON is incomplete"),
        ('{"colour": 1}', "colour: there is no such field"),
        ('{"edge_blur": 11}', "edge_blur: takes a number up to 10"),
        ("null", "takes an object, not null"),
        ("[" * 20_000, "takes an object, not a list"),
        ('{"background_image": "file_1"}', "background_image: names an upload"),
        ('{"reference_image": "file_1"}', "reference_image: names an upload"),
    ],
)
def test_a_wrong_configuration_is_a_usage_error(tmp_path: Path, config: str, words: str) -> None:
    done = run("BACKGROUND_CHANGE", ASTRONAUT, "-o", tmp_path / "a.jpg", "--config", config)
    assert done.returncode == 2
    assert f"--config: {words}" in done.stderr


def test_an_unknown_mode_is_a_usage_error(tmp_path: Path) -> None:
    done = run("CROP", ASTRONAUT, "-o", tmp_path / "a.jpg")
    assert done.returncode == 2
    assert "'HEAD_SWAP', 'BACKGROUND_CHANGE', 'POSE_CHANGE'" in done.stderr


MADE = PICTURE + b"output"


def test_a_pipe_gets_the_picture(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    done = quick("-o", pipe)
    assert (done.returncode, reader.communicate(timeout=30)[0]) == (0, MADE)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_stays_one(tmp_path: Path) -> None:
    null, link = tmp_path / "null", tmp_path / "link"
    os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    link.symlink_to("null")
    for output in (null, link):
        done = quick("-o", output)
        assert done.returncode == 0, done.stderr
    assert stat.S_ISCHR(null.stat().st_mode)
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "null"]


def test_standard_output_gets_the_picture_alone() -> None:
    command = [sys.executable, "-c", QUICK, "edit", "POSE_CHANGE", str(ASTRONAUT), "-o", "/dev/stdout"]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == MADE


def test_a_link_is_followed_and_a_mode_kept(tmp_path: Path) -> None:
    old, link = tmp_path / "old.jpg", tmp_path / "link.jpg"
    old.write_bytes(b"old")
    old.chmod(0o640)
    link.symlink_to("old.jpg")
    assert quick("-o", link).returncode == 0
    assert link.is_symlink()
    assert (old.read_bytes(), stat.S_IMODE(old.stat().st_mode)) == (MADE, 0o640)


def test_what_can_take_no_picture_is_told_before_the_work(tmp_path: Path) -> None:
    for output in (tmp_path, tmp_path / "no" / "a.jpg", ASTRONAUT / "a.jpg"):
        done = quick("-o", output)
        assert done.returncode == 1
        assert done.stderr.startswith(f"darkroom: {output} can't be written: ")
        assert "working" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
