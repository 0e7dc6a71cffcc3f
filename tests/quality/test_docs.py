"""What the pages say of the samples is what `make quality-docs` measured, in both languages."""

import re
from collections import Counter
from pathlib import Path
from statistics import fmean, median
from typing import Final

import msgspec
import pytest

from schema.models.edits import Mode
from tests.quality.__main__ import Row

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = ("quality.md", "quality.zh-CN.md")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return msgspec.json.decode((DOCS / "quality" / "quality.json").read_bytes(), type=list[Row])


def measured(rows: list[Row], mode: Mode, name: str) -> list[float]:
    """The measure of that name of each sample of `mode` that was made, ascending."""
    values = (row.measures.get(name) for row in rows if row.mode is mode and row.outcome == "done")
    return sorted(value for value in values if value is not None)


def section(page: str, mode: Mode) -> str:
    """What `page` says of the samples of `mode`: the first paragraph below its sheet."""
    text = (DOCS / page).read_text().split(f"## {mode.value}\n")[1]
    return " ".join(text.strip().split("\n\n")[1].split())


@pytest.mark.parametrize("page", PAGES)
def test_the_samples_numbers_are_those_that_were_measured(page: str, rows: list[Row]) -> None:
    overlap, sad = (measured(rows, Mode.BACKGROUND_CHANGE, name) for name in ("overlap", "sad"))
    told = [f"{fmean(overlap):.3f}", f"{median(overlap):.3f}", f"{overlap[0]:.3f}", f"{fmean(sad):.1f}"]
    assert re.findall(r"\d+\.\d+", section(page, Mode.BACKGROUND_CHANGE)) == told
    told = list[str]()
    for name, digits in (("landmarks", 3), ("to_source", 2), ("to_figure", 2), ("proportion", 2), ("neck_step", 2)):
        values = measured(rows, Mode.HEAD_SWAP, name)
        told += [f"{values[0]:.{digits}f}", f"{values[-1]:.{digits}f}"]
    assert re.findall(r"\d+\.\d+", section(page, Mode.HEAD_SWAP)) == told
    angles = measured(rows, Mode.POSE_CHANGE, "angle")
    told = [f"{fmean(angles):.1f}", f"{angles[-1]:.1f}"]
    assert re.findall(r"\d+\.\d+", section(page, Mode.POSE_CHANGE)) == told


def test_both_languages_tell_the_same_numbers() -> None:
    english, chinese = (Counter(re.findall(r"\d+\.\d+", (DOCS / page).read_text())) for page in PAGES)
    assert english == chinese
