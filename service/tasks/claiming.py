"""Claims for all of a process's free slots that ask at the same time, in one statement.

Claims go one at a time, each until it is on disk: together they wait for that once.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from schema.models.edits import Mode
from service.database import Pool
from service.sharing.together import Together
from service.tasks import store
from service.tasks.store import Claim, Seen

LEASE = timedelta(seconds=10)

LOOK_AFRESH_AFTER = 30.0
"""Seconds after which a claim looks at everybody who waits, whatever the last one saw: a clock may have gone back."""


class Turn(Struct, frozen=True):
    """What a slot was given, if anything waited for it; and the ids of all that was claimed with it."""

    claim: Claim | None
    together: frozenset[str]


class Turns:
    """Gives waiting tasks to a process's slots, and keeps what the last claim saw of who waits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._by_modes: dict[frozenset[Mode], Together[str, Turn]] = {}
        self._seen: dict[frozenset[Mode], tuple[Seen, float]] = {}

    async def next(self, slot: str, modes: frozenset[Mode], *, now: datetime | None = None) -> Turn:
        """The task whose turn it is. Who stops waiting for it leaves it to its lease."""
        if now is not None:
            return (await self._claim(modes, [slot], now=now))[0]
        if modes not in self._by_modes:
            self._by_modes[modes] = Together(partial(self._claim_as_seen, modes))
        return await self._by_modes[modes].ask(slot)

    async def _claim_as_seen(self, modes: frozenset[Mode], slots: Sequence[str]) -> list[Turn]:
        clock = asyncio.get_running_loop().time()
        seen, looked_at = self._seen.pop(modes, (None, clock))
        if clock - looked_at >= LOOK_AFRESH_AFTER:
            seen, looked_at = None, clock
        return await self._claim(modes, slots, seen=seen, looked_at=looked_at)

    async def _claim(
        self,
        modes: frozenset[Mode],
        slots: Sequence[str],
        *,
        seen: Seen | None = None,
        looked_at: float | None = None,
        now: datetime | None = None,
    ) -> list[Turn]:
        async with self._pool.acquire() as connection:
            claimed = await store.claim_tasks(
                connection, slots=slots, modes=sorted(modes), lease=LEASE, seen=seen, now=now
            )
        if claimed.seen is not None and looked_at is not None:
            self._seen[modes] = claimed.seen, looked_at
        ids = frozenset(claim.task_id for claim in claimed.by_slot.values())
        return [Turn(claimed.by_slot.get(slot), ids) for slot in slots]
