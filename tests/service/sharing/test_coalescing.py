"""Work for all who ask: once for those who ask together, and not more often than it may cost."""

import asyncio

import pytest

from service.sharing.coalescing import BURST, Coalesced


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        self.done += 1
        number = self.done
        await self.gate.wait()
        return number


async def test_who_asks_seldom_gets_a_fresh_answer() -> None:
    answers = Coalesced(Work())
    assert [await answers.get() for _ in range(BURST)] == list(range(1, BURST + 1))


async def test_asked_more_often_it_is_an_earlier_one() -> None:
    work = Work()
    answers = Coalesced(work)
    assert len([await answers.get() for _ in range(1000)]) == 1000
    assert work.done <= BURST + 3


async def test_together_they_wait_for_one_and_who_leaves_stops_nobody() -> None:
    work = Work()
    work.gate.clear()
    answers = Coalesced(work)
    waiting = [asyncio.create_task(answers.get()) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [1] * 49


async def test_a_failure_is_told_to_all_and_not_for_ever() -> None:
    tries = 0

    async def fail_once() -> str:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0)
        if tries == 1:
            raise OSError("away")
        return "fine"

    answers = Coalesced(fail_once)
    failed = await asyncio.gather(*(answers.get() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in failed] == [OSError] * 3
    assert await answers.get() == "fine"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(Coalesced(asyncio.Event().wait).get(), 0.05)
