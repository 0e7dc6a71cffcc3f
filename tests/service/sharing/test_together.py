"""What several ask for is done for all of them at once, and nobody waits for an answer that won't come."""

import asyncio
from collections.abc import Sequence

import pytest

from service.sharing.together import Together
from tests.lives import PATIENCE


async def test_who_asks_meanwhile_gathers_for_the_next_time() -> None:
    done: list[list[int]] = []
    first, go_on = asyncio.Event(), asyncio.Event()

    async def doubled(numbers: Sequence[int]) -> list[int]:
        done.append(list(numbers))
        first.set()
        await go_on.wait()
        return [2 * number for number in numbers]

    together = Together(doubled)
    asked = [asyncio.ensure_future(together.ask(1))]
    await first.wait()
    asked += [asyncio.ensure_future(together.ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)  # both have asked then
    go_on.set()
    assert await asyncio.gather(*asked) == [2, 4, 6]
    assert done == [[1], [2, 3]]


async def test_what_is_broken_off_answers_nobody_later() -> None:
    async def broken_off(_: Sequence[int]) -> list[int]:
        raise asyncio.CancelledError

    asked = asyncio.ensure_future(Together(broken_off).ask(1))
    await asyncio.wait({asked}, timeout=PATIENCE)
    with pytest.raises(asyncio.CancelledError):
        asked.result()
