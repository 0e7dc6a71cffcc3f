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


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REST", 0)


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
