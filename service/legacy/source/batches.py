"""Batches: read ahead of the work, and as large as it wants them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

FIRST: Final = 1_000
MOST: Final = 10_000
HEAVY: Final = 12 << 20
"""Bytes: some ten thousand ordinary tasks have as many."""


def cut(values: Iterable[T], size: int) -> Generator[list[T]]:
    """Into batches of this size."""
    remaining = iter(values)
    while batch := list(islice(remaining, size)):
        yield batch


async def growing(
    batches: AsyncIterator[list[T]], most: int = MOST, *, weigh: Callable[[T], int] = lambda _: 0
) -> AsyncGenerator[list[T]]:
    """The same in batches of FIRST and more, each twice the one before, up to `most`, or until they are HEAVY.

    Many rows at once, sorted, cost PostgreSQL less each; but something is to be seen, and to be kept, soon.
    `weigh` tells the bytes of a record.
    """
    gathered: list[T] = []
    size = FIRST
    weight = 0
    async for batch in batches:
        gathered += batch
        weight += sum(map(weigh, batch))
        if len(gathered) >= size or weight >= HEAVY:
            yield gathered
            gathered, weight = [], 0
            size = min(2 * size, most)
    if gathered:
        yield gathered


async def ahead(batches: Iterator[T]) -> AsyncGenerator[T]:
    """Batches from a thread, one read ahead while the one before is worked on."""
    reading = asyncio.create_task(asyncio.to_thread(next, batches, None))
    try:
        while (batch := await reading) is not None:
            reading = asyncio.create_task(asyncio.to_thread(next, batches, None))
            yield batch
    finally:
        reading.cancel()


async def one_ahead(batches: AsyncIterator[T]) -> AsyncGenerator[T]:
    """The same, one asked for ahead while the one before is worked on."""
    reading = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await reading) is not None:
            reading = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)  # what it has begun ends with it
