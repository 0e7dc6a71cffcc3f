"""Batches that an import reads ahead."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from itertools import count, islice
from typing import Any

import pytest

from service.legacy.source.batches import FIRST, MOST, ahead, growing, one_ahead


async def grown(batches: list[list[int]], **bounds: Any) -> list[list[int]]:
    async def told() -> AsyncGenerator[list[int]]:
        for batch in batches:
            yield batch

    return [batch async for batch in growing(told(), **bounds)]


async def test_they_begin_small_and_double_up_to_a_bound() -> None:
    numbers = count()
    hundreds = [list(islice(numbers, 100)) for _ in range(400)]
    batches = await grown(hundreds)
    assert [len(batch) for batch in batches] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, MOST, MOST, 5 * FIRST]
    assert [number for batch in batches for number in batch] == list(range(40_000))


async def test_a_bound_of_their_own_holds() -> None:
    assert [len(batch) for batch in await grown([[0] * 700] * 5, most=FIRST)] == [1400, 1400, 700]


async def test_nothing_is_no_batch() -> None:
    assert await grown([]) == []


async def test_what_fails_while_it_is_read_ahead_fails_in_its_turn() -> None:
    def reading() -> Generator[int]:
        yield 1
        yield 2
        raise ValueError("torn")

    batches = ahead(reading())
    assert [await anext(batches), await anext(batches)] == [1, 2]
    with pytest.raises(ValueError, match="torn"):
        await anext(batches)


async def test_what_was_asked_for_ahead_ends_with_whoever_asked() -> None:
    """And no later: a connection that it uses is free again."""
    ended: list[str] = []

    async def looking() -> AsyncGenerator[int]:
        yield 1
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("rolled back")

    async with aclosing(one_ahead(looking())) as batches:
        assert await anext(batches) == 1
        await asyncio.sleep(0)
    assert ended == ["rolled back"]


async def test_many_are_gathered_until_they_are_heavy() -> None:
    assert [len(batch) for batch in await grown([[4 << 20]] * 7, weigh=int)] == [3, 3, 1]
