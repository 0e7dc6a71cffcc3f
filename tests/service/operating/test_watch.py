"""One look for all who watch, for as long as somebody does."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from service.operating import watch as watching
from service.operating.watch import OVERVIEW, TROUBLE, Look, Watch


class Counted:
    """A look that counts; told to, it fails."""

    def __init__(self) -> None:
        self.looks = 0
        self.fails_with: Exception | None = None
        self.broken_off = asyncio.Event()

    async def __call__(self) -> dict[str, int]:
        self.looks += 1
        if self.fails_with is not None:
            raise self.fails_with
        return {"look": self.looks}

    async def rest(self) -> None:
        """A look that lasts until nobody watches any more."""
        try:
            await asyncio.Event().wait()
        finally:
            self.broken_off.set()


async def next_of(followers: list[AsyncGenerator[tuple[str, bytes]]]) -> list[tuple[str, bytes]]:
    return await asyncio.gather(*(anext(one) for one in followers))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REST", 0)


@pytest.mark.usefixtures("hasty")
async def test_all_watchers_share_each_look_and_the_last_one_ends_them() -> None:
    counted = Counted()
    watch = Watch([Look(OVERVIEW, 0.05, counted), Look("resting", 1.0, counted.rest)])
    followers = [watch.follow() for _ in range(5)]
    first, second = await next_of(followers), await next_of(followers)
    assert len(set(first)) == len(set(second)) == 1
    assert [json.loads(told[0][1])["look"] for told in (first, second)] == [1, 2]
    for one in followers:
        assert not counted.broken_off.is_set()
        await one.aclose()
    await counted.broken_off.wait()
    looks = counted.looks
    again = watch.follow()
    assert (await anext(again))[0] == OVERVIEW
    assert counted.looks == looks + 1
    watch.stop()
    with pytest.raises(StopAsyncIteration):
        await anext(again)


@pytest.mark.usefixtures("hasty")
async def test_trouble_is_told_until_it_is_over() -> None:
    counted = Counted()
    watch = Watch([Look(OVERVIEW, 0.01, counted)])
    follower = watch.follow()
    assert (await anext(follower))[0] == OVERVIEW
    for error in (ConnectionRefusedError(), ValueError("a secret")):
        counted.fails_with = error
        while (told := await anext(follower))[0] != TROUBLE:
            pass
        assert b"secret" not in told[1]
    counted.fails_with = None
    assert (await anext(follower))[0] in {TROUBLE, OVERVIEW}
    while (await anext(follower))[0] != OVERVIEW:
        pass
    late = watch.follow()
    assert (await anext(late))[0] == OVERVIEW
    await late.aclose()
    await follower.aclose()


async def test_one_look_that_took_long_keeps_nobody_waiting_for_the_next() -> None:
    """As after a database that said nothing for half a minute: nobody looked for ten more."""
    counted, answered = Counted(), asyncio.Event()

    async def hesitating() -> dict[str, int]:
        told = await counted()
        if counted.looks == 2:
            await answered.wait()
        return told

    watch = Watch([Look(OVERVIEW, 0.01, hesitating)])
    follower = watch.follow()
    assert (await anext(follower))[0] == OVERVIEW
    await asyncio.sleep(2.0)
    answered.set()
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        assert (await anext(follower))[0] == OVERVIEW
    assert asyncio.get_running_loop().time() - began < 20.0, "it was to rest for 40 s"
    await follower.aclose()


async def test_a_look_that_takes_long_is_told_and_so_is_that_there_is_nothing_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page that hears nothing can't tell it from a server that is gone."""
    monkeypatch.setattr(watching, "AGAIN", 0.05)
    monkeypatch.setattr(watching, "SLOW_AFTER", 0.2)
    counted = Counted()
    watch = Watch([Look(OVERVIEW, 30.0, counted), Look("resting", 1.0, counted.rest)])
    follower = watch.follow()
    assert [(await anext(follower))[0] for _ in range(3)] == [OVERVIEW] * 3
    while (told := await anext(follower))[0] != TROUBLE:
        pass
    assert b"takes long" in told[1]
    assert (await anext(follower))[0] == TROUBLE
    assert counted.looks == 1
    await follower.aclose()
