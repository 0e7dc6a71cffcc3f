"""Claims for all of a process's free slots that ask at the same time, in one statement.

Claims go one at a time, each until it is on disk: together they wait for that once.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from schema.models.edits import Mode
from service.database import Pool
from service.tasks import store
from service.tasks.store import Claim, Seen

LEASE = timedelta(seconds=10)

LOOK_AFRESH_AFTER = 30.0
"""Seconds after which a claim looks at everybody who waits, whatever the last one saw: a clock may have gone back."""


class Turn(Struct, frozen=True):
    """What a slot was given, if anything waited for it; and the ids of all that was claimed with it."""

    claim: Claim | None
    together: frozenset[str]


class _Asking(Struct, frozen=True, eq=False):
    slot: str
    modes: frozenset[Mode]
    now: datetime | None
    answer: "asyncio.Future[Turn]"


class Turns:
    """Gives waiting tasks to a process's slots, and keeps what the last claim saw of who waits."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asking: list[_Asking] = []
        self._serving: asyncio.Task[None] | None = None
        self._seen: dict[frozenset[Mode], tuple[Seen, float]] = {}

    async def next(self, slot: str, modes: frozenset[Mode], *, now: datetime | None = None) -> Turn:
        """The task whose turn it is. Raises what the claim raises, to all who asked together."""
        loop = asyncio.get_running_loop()
        asking = _Asking(slot, modes, now, loop.create_future())
        self._asking.append(asking)
        if self._serving is None:
            self._serving = loop.create_task(self._serve())
        return await asking.answer

    async def _serve(self) -> None:
        try:
            while self._asking:
                first, *_ = waiting = self._asking
                together = [one for one in waiting if (one.modes, one.now) == (first.modes, first.now)]
                self._asking = [one for one in waiting if one not in together]
                await self._claim_for([one for one in together if not one.answer.done()])
        finally:
            self._serving = None

    async def _claim_for(self, asking: Sequence[_Asking]) -> None:
        try:
            by_slot = await self._claim(asking) if asking else {}
        except Exception as error:  # noqa: BLE001 - theirs who asked
            for one in asking:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        ids = frozenset(claim.task_id for claim in by_slot.values())
        for one in asking:
            # Who has stopped waiting leaves a claim to its lease, as whoever is cut off in the middle of one.
            if not one.answer.done():
                one.answer.set_result(Turn(by_slot.get(one.slot), ids))

    async def _claim(self, asking: Sequence[_Asking]) -> dict[str, Claim]:
        modes, now = asking[0].modes, asking[0].now
        clock = asyncio.get_running_loop().time()
        seen, looked_at = self._seen.pop(modes, (None, clock))
        if clock - looked_at >= LOOK_AFRESH_AFTER or now is not None:
            seen, looked_at = None, clock
        async with self._pool.acquire() as connection:
            claimed = await store.claim_tasks(
                connection, slots=[one.slot for one in asking], modes=sorted(modes), lease=LEASE, seen=seen, now=now
            )
        if claimed.seen is not None and now is None:
            self._seen[modes] = claimed.seen, looked_at
        return dict(claimed.by_slot)
