"""A head that the upper border of its photo cuts is made whole, if but little of it is missing."""

from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from PIL import Image

from actors.engines.local.arrays import as_rgb
from actors.engines.local.head.crown import crowned
from actors.engines.local.head.edit import swapped
from actors.engines.local.head.faces import the_person
from actors.engines.local.head.frame import frame
from actors.engines.local.head.portrait import Portrait, portrait
from actors.engines.local.raster import extent
from actors.engines.local.runtimes import Runtimes
from schema.models.edits import HeadSwapConfig
from tests.actors.engines.head.conftest import ASTRONAUT, HOPPER, opened, quiet


@pytest.fixture(scope="module")
def whole(runtimes: Runtimes) -> Portrait:
    photo = opened(ASTRONAUT)
    return portrait(photo, the_person(photo, "source", runtimes), scale=1, effort=None, runtimes=runtimes)


def _cut(whole: Portrait, share: float) -> tuple[Portrait, int]:
    """`whole` if its photo began so many heights of the face below the head's top, and how many rows that are."""
    found = extent(whole.alpha > 0.5)
    assert found is not None
    rows = found[0].start + round(share * whole.frame.height)
    up = np.array([0, rows], np.float32)
    return structs.replace(
        whole,
        image=np.ascontiguousarray(whole.image[rows:]),
        alpha=np.ascontiguousarray(whole.alpha[rows:]),
        face=structs.replace(whole.face, points=whole.face.points - up),
        pose=None,
        frame=structs.replace(whole.frame, centre=whole.frame.centre - up),
        box=structs.replace(whole.box, top=0),
    ), rows


@pytest.mark.parametrize("share", [0.08, 0.1, 0.14, 0.18])
def test_a_little_that_is_missing_comes_back_nearly_as_it_was(whole: Portrait, share: float) -> None:
    cut, rows = _cut(whole, share)
    made = crowned(cut)
    more = made.alpha.shape[0] - cut.alpha.shape[0]
    assert np.array_equal(made.alpha[more + 10 :], cut.alpha[10:])
    assert made.frame.centre == pytest.approx(frame(made.face.points).centre, abs=0.01)
    both = min(rows, more)
    was, now = whole.alpha[rows - both : rows], made.alpha[more - both : more]
    assert np.abs(was - now).sum() < 0.05 * whole.frame.height**2
    colours, share_of_hair = as_rgb(made.image), made.alpha[..., None]
    crown, hair = (
        (colours[rows] * share_of_hair[rows]).sum(axis=(0, 1)) / share_of_hair[rows].sum()
        for rows in (slice(more), slice(more + 5, more + 15))
    )
    assert crown == pytest.approx(hair, abs=0.15)


@pytest.mark.parametrize("share", [-0.05, 0.3])
def test_what_is_whole_or_lacks_more_stays_as_it_is(whole: Portrait, share: float) -> None:
    cut, _ = _cut(whole, share)
    assert crowned(cut) is cut


def test_such_a_head_is_worn_and_said_to_be_made_up(runtimes: Runtimes, whole: Portrait, tmp_path: Path) -> None:
    _, rows = _cut(whole, 0.1)
    path = tmp_path / "cut.png"
    Image.fromarray(opened(ASTRONAUT).image[rows:]).save(path)
    made = swapped(opened(path), opened(HOPPER), HeadSwapConfig(), runtimes, quiet())
    assert [warning for warning in made.warnings if "made up from the hair" in warning]
    # It ends in a curve, not in a line.
    top = (made.head > 0.5).argmax(axis=0)[(made.head > 0.5).any(axis=0)]
    assert (top < top.min() + 3).sum() < 0.3 * len(top)
