"""Which worker does the chores: the one that holds a lease in the database."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from service.database import Pool, leading
from service.database.away import UNAVAILABLE
from service.processes.farewell import in_passing

LEASE = timedelta(seconds=5)
LOOK_EVERY = 1.0
"""Seconds between two looks, of the leader (who renews) and of those who wait. A dead leader is replaced within 6 s."""

log = structlog.get_logger(__name__)


class Leadership:
    """Stands for election as long as it runs. Only while it leads, its work runs."""

    def __init__(self, pool: Pool, holder: str) -> None:
        self._pool = pool
        self._holder = holder
        self._work: asyncio.Task[None] | None = None
        self._until = 0.0
        self._refused_at: float | None = None
        self._resigning = asyncio.Event()

    @property
    def leads(self) -> bool:
        return self._work is not None

    def shaken(self, seconds: float) -> bool:
        """Whether the database was away, or took no writes, within so many seconds."""
        return self._refused_at is not None and _now() < self._refused_at + seconds

    def resign(self) -> None:
        """Stop leading, and stand no more: another one takes over at its next look."""
        self._resigning.set()

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Stand for election until told to resign; whenever it leads, `work` runs, which is stopped when it doesn't."""
        try:
            while not self._resigning.is_set():
                await self._look(work)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._resigning.wait()
        finally:
            if self.leads:
                await self._step_down()
                await in_passing(self._hand_over())

    async def _look(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asked = _now()
        ours = await self._ask()
        if ours:
            self._until = asked + LEASE.total_seconds()
            self._lead(work)
        elif self.leads and (ours is False or _now() >= self._until - LOOK_EVERY):
            log.warning("another worker does the chores from here on" if ours is False else "lead not renewed in time")
            await self._step_down()

    async def _ask(self) -> bool | None:
        """Whether we lead; None when that can't be known."""
        patience = max(LOOK_EVERY, self._until - _now() - LOOK_EVERY) if self.leads else LEASE.total_seconds()
        try:
            async with asyncio.timeout(patience), self._pool.acquire() as connection:
                return await leading.take_lead(connection, leading.CHORES, self._holder, lease=LEASE)
        except UNAVAILABLE as error:
            self._refused_at = _now()
            log.debug("no election", error=type(error).__name__)
        except Exception:
            self._refused_at = _now()
            log.exception("election failed")
        return None

    def _lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._work is not None and self._work.done():
            log.error("the chores ended by themselves; they begin again", exc_info=self._work.exception())
            self._work = None
        if self._work is None:
            log.info("this worker does the chores for all")
            self._work = asyncio.create_task(work(), name=leading.CHORES)

    async def _step_down(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})
            self._work = None

    async def _hand_over(self) -> None:
        try:
            async with self._pool.acquire() as connection:
                await leading.resign(connection, leading.CHORES, self._holder)
        except UNAVAILABLE as error:
            log.debug("lead not handed over", error=type(error).__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()
