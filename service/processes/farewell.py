"""What is done on leaving if it can be: nobody waits long for it."""

import asyncio
from collections.abc import Coroutine, Iterable

PATIENCE = 1.0
"""Seconds: a database that says nothing keeps no process from ending."""


async def ended(running: Iterable["asyncio.Task[None]"]) -> None:
    """Wait until all of them are over, however they end."""
    await asyncio.gather(*running, return_exceptions=True)


async def in_passing(work: Coroutine[object, object, None], within: float = PATIENCE) -> "asyncio.Task[None]":
    """Begin it, and go on without it when it takes too long. It ends at the latest with its connection."""
    leaving = asyncio.create_task(work)
    await asyncio.wait({leaving}, timeout=within)
    leaving.cancel()
    return leaving
