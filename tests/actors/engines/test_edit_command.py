"""`darkroom edit`, as a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from schema.models.edits import ENGINE_MODES, Mode
from tests.actors.engines.scenes import ASTRONAUT, CHINA, loaded

PROGRAM = "from service.cli.edit import edit; edit(prog_name='darkroom edit')"


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_edit_writes_its_result(tmp_path: Path) -> None:
    output = tmp_path / "out.jpg"
    done = run("BACKGROUND_CHANGE", ASTRONAUT, CHINA, "-o", output, "--config", '{"size": "small"}')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert loaded(output).size == (512, 512)
    assert list(tmp_path.iterdir()) == [output]


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    done = run("background_change", CHINA, "-o", tmp_path / "out.jpg")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No person was found")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_and_directory_are_told(tmp_path: Path) -> None:
    for arguments in (("gone.jpg", "-o", tmp_path / "a.jpg"), (ASTRONAUT, "-o", tmp_path / "no" / "a.jpg")):
        done = run("BACKGROUND_CHANGE", *arguments)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("config", ["{", '{"colour": 1}', '{"edge_blur": 11}'])
def test_a_wrong_configuration_is_a_usage_error(tmp_path: Path, config: str) -> None:
    done = run("BACKGROUND_CHANGE", ASTRONAUT, "-o", tmp_path / "a.jpg", "--config", config)
    assert done.returncode == 2
    assert "--config" in done.stderr


def test_an_unknown_mode_is_a_usage_error(tmp_path: Path) -> None:
    assert run("CROP", ASTRONAUT, "-o", tmp_path / "a.jpg").returncode == 2


@pytest.mark.parametrize("mode", sorted(set(Mode) - ENGINE_MODES["local"]))
def test_a_mode_that_is_not_there_yet_says_so(tmp_path: Path, mode: Mode) -> None:
    done = run(mode, ASTRONAUT, "-o", tmp_path / "a.jpg")
    assert done.returncode == 1
    assert f"{mode} isn't available yet" in done.stderr
