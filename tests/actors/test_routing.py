"""Which engine makes a mode, by what its errors told; and which slot a claim gets."""

import asyncio
from collections.abc import Mapping

import pytest

from actors.engines.seam import Engine, Standing
from actors.routing import LONGEST_PAUSE, REFUSING_FOR, TRIED_EVERY, RoutedSlot, Routes
from actors.slots import Slots
from schema.models.edits import Mode
from tests.actors.scripted import FakeEngine

MODE = Mode.HEAD_SWAP
NAMES = {MODE: ("runninghub", "local"), Mode.POSE_CHANGE: ("local",)}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def routes(clock: Clock) -> Routes:
    return Routes(NAMES, away_seconds=30, at_once={"runninghub": 2}, clock=clock)


def test_the_next_engine_takes_over_after_a_while_and_gives_back_once_the_first_is_well(
    routes: Routes, clock: Clock
) -> None:
    routes.tell("runninghub", Standing.AWAY)
    assert routes.engine_of(MODE) == "runninghub", "not yet"
    clock.now += 30
    routes.tell("runninghub", Standing.AWAY)
    assert routes.engine_of(MODE) == "local"
    assert routes.instead_of(MODE, "local") == "runninghub"
    assert routes.instead_of(Mode.POSE_CHANGE, "local") is None
    clock.now += TRIED_EVERY
    assert routes.engine_of(MODE) == "runninghub", "tried again"
    routes.well("runninghub")
    assert routes.engine_of(MODE) == "runninghub"


def test_one_that_refuses_is_passed_over_at_once_and_the_last_one_is_always_asked(routes: Routes, clock: Clock) -> None:
    routes.tell("runninghub", Standing.REFUSING)
    assert routes.next_after(MODE, "runninghub")
    routes.tell("local", Standing.REFUSING)
    assert routes.engine_of(MODE) == "local"
    clock.now += REFUSING_FOR
    assert routes.engine_of(MODE) == "runninghub"


def test_one_without_a_place_is_waited_for_longer_and_longer(routes: Routes, clock: Clock) -> None:
    pauses = [routes.tell("runninghub", Standing.FULL) for _ in range(6)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    assert routes.engine_of(MODE) is None
    assert routes.engine_of(Mode.POSE_CHANGE) == "local"
    clock.now += LONGEST_PAUSE
    assert routes.engine_of(MODE) == "runninghub"


def test_no_more_are_begun_with_an_engine_than_it_takes_at_once(routes: Routes) -> None:
    routes.begun("runninghub")
    assert routes.engine_of(MODE) == "runninghub"
    routes.begun("runninghub")
    assert routes.engine_of(MODE) is None
    routes.ended("runninghub")
    assert routes.engine_of(MODE) == "runninghub"


async def test_a_claim_keeps_the_slot_of_its_kind_and_no_other(routes: Routes) -> None:
    hub, local = FakeEngine(), FakeEngine()
    elsewhere: Mapping[str, Engine] = {"runninghub": hub}
    slots = Slots([RoutedSlot(routes, elsewhere), RoutedSlot(routes, elsewhere), RoutedSlot(routes, {"local": local})])
    first = slots.take()
    assert first is not None
    assert first.modes() == {MODE, Mode.POSE_CHANGE}
    assert first.use(Mode.POSE_CHANGE) is local
    second, third = slots.take(), slots.take()
    assert second is not None
    assert third is not None
    assert second.modes() == third.modes() == {MODE}
    assert second.use(MODE) is hub
    assert slots.take() is None
    assert len({first.number, second.number, third.number}) == 3
    stopping = asyncio.Event()
    assert not await slots.wait(frozenset({"local"}), stopping, 0.01)
    waiting = asyncio.create_task(slots.wait(frozenset({"local"}), stopping))
    await asyncio.sleep(0)
    first.release()
    assert await waiting
