"""`darkroom edit`, as a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.actors.engines.scenes import ASTRONAUT, CHINA, FIGURE, HOPPER, loaded

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


@pytest.mark.parametrize(("mode", "source"), [("HEAD_SWAP", HOPPER), ("POSE_CHANGE", FIGURE)])
def test_every_mode_has_a_default_and_needs_no_reference(tmp_path: Path, mode: str, source: Path) -> None:
    output = tmp_path / "out.jpg"
    done = run(mode, source, "-o", output, "--config", '{"size": "small"}')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert max(loaded(output).size) <= 768


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
