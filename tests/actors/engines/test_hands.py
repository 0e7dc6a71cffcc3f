"""What is a hand, and what only looks like one."""

from pathlib import Path

import pytest

from actors.engines.local.perception import hands as module
from actors.engines.local.perception.hands import hands
from actors.engines.local.pictures.opening import open_picture
from actors.engines.local.runtimes import Runtimes
from tests.actors.engines.conftest import MAX_PIXELS
from tests.actors.engines.scenes import HOPPER, SAMPLES


def found(path: Path, runtimes: Runtimes) -> list[tuple[float, float]]:
    """The middles of the hands in a sample, from left to right."""
    image = open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=1024).image
    places = (hand.middle for hand in hands(image, runtimes))
    return sorted((float(x), float(y)) for x, y in places)


def test_both_hands_of_somebody_are_found_where_they_are(runtimes: Runtimes) -> None:
    right, left = found(SAMPLES / "man_arms_out.jpg", runtimes)
    assert right == pytest.approx((73, 230), abs=12)
    assert left == pytest.approx((520, 218), abs=12)


def test_a_chin_above_a_collar_passes_for_a_palm_and_is_no_hand(
    runtimes: Runtimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not found(HOPPER, runtimes)
    monkeypatch.setattr(module, "_HAND", -1)
    assert found(HOPPER, runtimes)
