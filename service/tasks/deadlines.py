"""Tasks whose deadline is past: they fail, with their credits given back, whether or not a worker runs.

Whoever asks for anything of their own is told what is true at that moment: before each such request, and each look of a
stream, their tasks that are overdue are ended (`settle`). A chore ends everybody's. A claim passes them over, and a
result that comes too late isn't taken (`complete_task`).
"""

import time
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

import structlog

from schema.models.tasks import SHORTEST_DEADLINE, TaskRecord
from service.database import UNAVAILABLE, Connection, Pool
from service.sharing.newest import Newest
from service.sharing.refreshed import Refreshed
from service.sparing import Sparing
from service.tasks import lifecycle, store
from service.tasks.dispatch import Dispatcher
from service.tasks.store import OverdueTask
from service.tasks.watching import Changes

REMEMBERED_SECONDS: Final = SHORTEST_DEADLINE - 2.0
"""How long users without deadlines aren't looked at: what they create meanwhile has longer."""

MOST_USERS: Final = 10_000
"""With deadlines, as many are told apart from the others; of more, everybody is looked at."""

AT_ONCE: Final = 100

log = structlog.get_logger(__name__)


class Deadlines:
    """Ends what is overdue, and remembers for a moment who has deadlines at all: one look for all users."""

    def __init__(self, pool: Pool, dispatcher: Dispatcher) -> None:
        self._pool = pool
        self._dispatcher = dispatcher
        self._changes = Changes(dispatcher)
        self._with_deadlines: Refreshed[set[str] | None] = Refreshed(self._look, REMEMBERED_SECONDS)
        """None: too many to be told apart."""
        self._expected: Newest[str, float] = Newest(MOST_USERS)
        """Who has made one since, and until when that look may not know."""

    async def settle(self, user_id: str) -> None:
        """End those of a user's tasks whose deadline is past. Nobody is refused because that fails."""
        try:
            users = await self._with_deadlines.get()
            if users is None or user_id in users or self._expected.get(user_id, 0.0) > time.monotonic():
                await self._settle(user_id)
        except UNAVAILABLE as error:
            log.debug("deadlines not looked at", error=type(error).__name__)
        except Exception:
            log.exception("deadlines not settled")

    async def _look(self) -> set[str] | None:
        async with self._pool.acquire() as connection:
            users = await store.users_with_deadlines(connection, limit=MOST_USERS + 1)
        return None if len(users) > MOST_USERS else set(users)

    async def _settle(self, user_id: str) -> None:
        async with self._pool.acquire() as connection:
            left = await store.next_deadline(connection, user_id)
        if left is not None and left <= 0:
            await self._tell(await self._end_all(user_id))

    def expect(self, tasks: Sequence[TaskRecord]) -> None:
        """These were just created."""
        for task in tasks:
            if task.deadline_at is not None and task.user_id is not None:
                self._expected.put(task.user_id, time.monotonic() + REMEMBERED_SECONDS)

    async def sweep(self, *, limit: int, now: datetime | None = None) -> int:
        """End everybody's, in pages; how many."""
        sparing = Sparing(self._pool, "deadlines")
        ended = 0
        last: OverdueTask | None = None
        while True:
            async with self._pool.acquire() as connection:
                page = await store.overdue_tasks(connection, limit=limit, after=last, now=now)
            for user_id, tasks in groupby(sorted(page, key=_whose), _whose):

                async def fail(connection: Connection, some: Sequence[str], user_id: str = user_id) -> list[TaskRecord]:
                    return await lifecycle.fail_overdue(connection, user_id, some, now=now)

                for failed in await sparing.together([task.task_id for task in tasks], str, fail):
                    await self._tell(failed)
                    ended += len(failed)
            if len(page) < limit:
                return ended
            last = page[-1]

    async def _end_all(self, user_id: str) -> list[TaskRecord]:
        ended: list[TaskRecord] = []
        while True:
            async with self._pool.acquire() as connection:
                page = await store.overdue_tasks(connection, user_id=user_id, limit=AT_ONCE)
            failed = await lifecycle.fail_overdue(self._pool, user_id, [task.task_id for task in page])
            ended += failed
            if len(page) < AT_ONCE or not failed:
                return ended

    async def _tell(self, ended: list[TaskRecord]) -> None:
        for task in ended:
            log.warning("deadline missed", task_id=task.task_id, attempts=task.attempts)
        await self._dispatcher.withdraw(ended)
        await self._changes.tell_all(ended)


def _whose(task: OverdueTask) -> str:
    return task.user_id
