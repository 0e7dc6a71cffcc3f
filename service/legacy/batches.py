"""Batches: read ahead of the work, and large enough for it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

ROWS: Final = 4_000
"""Tasks that are written or compared at once: PostgreSQL takes less for each than with a thousand."""


def joined(batches: Iterator[list[T]], size: int) -> Iterator[list[T]]:
    """The same in batches of at least so many, but for the last."""
    gathered: list[T] = []
    for batch in batches:
        gathered += batch
        if len(gathered) >= size:
            yield gathered
            gathered = []
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
