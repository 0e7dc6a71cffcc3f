"""Other people's pairs: what a manifest may say, and what comes of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schema.models.edits import HeadSwapConfig, Mode
from tests.actors.engines.scenes import ASTRONAUT, CHINA
from tests.quality.judging import missed_and_known
from tests.quality.pairs import MANIFEST, KnownMiss, ManifestError, read_manifest


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    shutil.copy(ASTRONAUT, tmp_path / "portrait.jpg")
    shutil.copy(CHINA, tmp_path / "pagoda.jpg")
    return tmp_path


def write(directory: Path, *entries: dict[str, Any]) -> None:
    (directory / MANIFEST).write_text(json.dumps(entries))


def test_a_manifest_names_pairs(directory: Path) -> None:
    write(directory, {"mode": "HEAD_SWAP", "source": "portrait.jpg", "config": {"blend_strength": 0.5}})
    (pair,) = read_manifest(directory)
    assert (pair.mode, pair.source, pair.reference) == (Mode.HEAD_SWAP, directory / "portrait.jpg", None)
    assert pair.config == HeadSwapConfig(blend_strength=0.5)
    assert (pair.expected, pair.name) == ("done", "portrait")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"mode": "CROP", "source": "portrait.jpg"}, "CROP"),
        ({"mode": "HEAD_SWAP", "source": "gone.jpg"}, "gone.jpg"),
        ({"mode": "HEAD_SWAP", "source": "portrait.jpg", "expected": "fine"}, "fine"),
        ({"mode": "HEAD_SWAP", "source": "portrait.jpg", "config": {"edge_blur": 1}}, "edge_blur"),
        ({"mode": "HEAD_SWAP", "source": "portrait.jpg", "refrence": "pagoda.jpg"}, "refrence"),
    ],
)
def test_what_can_not_be_meant_is_told(directory: Path, entry: dict[str, Any], told: str) -> None:
    write(directory, entry)
    with pytest.raises(ManifestError, match=told):
        read_manifest(directory)


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("value", "missed", "known"),
    [(0.97, 0, 0), (0.95, 0, 1), (0.9, 0, 1), (0.89, 1, 0), (1.2, 1, 0), (None, 0, 0)],
)
def test_a_known_miss_is_one_as_far_as_its_bound(value: float | None, missed: int, known: int) -> None:
    miss = {"overlap": KnownMiss(0.9, "the dahlia is as red as the shirt")}
    found = missed_and_known({"overlap": value}, {"overlap": (0.96, 1)}, miss)
    assert (len(found[0]), len(found[1])) == (missed, known)
    assert all("dahlia" in line for line in found[1])


def test_what_is_not_known_to_miss_has_missed() -> None:
    assert missed_and_known({"sad": 17.0, "overlap": 1}, {"sad": (0, 16), "overlap": (0.96, 1)}, {}) == (
        ("sad 17 (asked 0 to 16)",),
        (),
    )


def test_a_manifest_tells_what_is_known_to_miss(directory: Path) -> None:
    known = {"overlap": {"bound": 0.9, "reason": "hair"}}
    write(directory, {"mode": "HEAD_SWAP", "source": "portrait.jpg", "known": known})
    (pair,) = read_manifest(directory)
    assert pair.known == {"overlap": KnownMiss(0.9, "hair")}
    write(directory, {"mode": "HEAD_SWAP", "source": "portrait.jpg", "known": {"overlap": {"bound": 0.9}}})
    with pytest.raises(ManifestError, match="reason"):
        read_manifest(directory)


def judge(directory: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.quality", str(directory), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_own_pairs_are_judged_with_numbers_and_a_sheet_per_mode(directory: Path, tmp_path: Path) -> None:
    small = {"size": "small"}
    write(
        directory,
        {"mode": "BACKGROUND_CHANGE", "source": "portrait.jpg", "reference": "pagoda.jpg", "config": small},
        {"mode": "POSE_CHANGE", "source": "portrait.jpg", "expected": "POSE_EXTRACTION_FAILED"},
    )
    out = tmp_path / "out"
    done = judge(directory, out)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {"quality.json", "background_change.jpg", "pose_change.jpg"}
    background, pose = json.loads((out / "quality.json").read_text())
    assert (background["outcome"], background["missed"]) == ("done", [])
    assert (pose["outcome"], pose["missed"]) == ("POSE_EXTRACTION_FAILED", [])
    assert "photo" in pose["message"]


def test_an_outcome_that_was_not_expected_fails(directory: Path, tmp_path: Path) -> None:
    write(directory, {"mode": "POSE_CHANGE", "source": "portrait.jpg"})
    done = judge(directory, tmp_path / "out")
    assert done.returncode == 1
    assert "POSE_EXTRACTION_FAILED instead of done" in done.stdout
    assert judge(tmp_path / "nowhere", tmp_path / "out").returncode == 2
