"""Where a waiting task stands, and when it may begin: estimated, and remembered for a moment however many ask."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import PlaceInLine, TaskRecord, TaskStatus
from service.database import UNAVAILABLE, Pool
from service.sharing.newest import Newest
from service.tasks import workers
from service.tasks.rehearsal import MOST_STEPS, Places, Times, rehearse
from service.tasks.store import line as store

KEPT_SECONDS: Final = 1.0
KEPT_USERS: Final = 10_000
PAUSES: Final = 20
"""How many times as long as a look took it is good for: with a hundred thousand waiting, looks stay some percent."""

AGAIN_AFTER: Final = 0.2
"""The part of that time after which somebody who isn't found makes us look again."""

MEDIANS_KEPT_SECONDS: Final = 15.0
LATEST_EDITS: Final = 500


log = structlog.get_logger(__name__)


class _Seen(Struct, frozen=True):
    """What was seen last: which modes are made at all, and everybody's places."""

    modes: frozenset[Mode]
    places: Places
    again_from: float
    until: float


class Line:
    """Estimates for everybody. One per process: each looks for itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seen = _Seen(frozenset(), {}, 0.0, 0.0)
        self._times = Times({})
        self._times_until = 0.0
        self._looking = asyncio.Lock()
        self._own: Newest[str, tuple[float, Sequence[str]]] = Newest(KEPT_USERS)

    async def place_of(self, task: TaskRecord) -> PlaceInLine | None:
        """Where it stands; None where that isn't known.

        It waits no more, nobody makes its mode, it is far behind, or the database can't be asked.
        """
        if task.status is not TaskStatus.PENDING or task.elsewhere or task.user_id is None:
            return None
        try:
            place = await self._place_in(await self._look(), task.user_id, task)
            if place is None and time.monotonic() >= self._seen.again_from:
                # It has just begun to wait.
                place = await self._place_in(await self._look(again=True), task.user_id, task)
        except UNAVAILABLE as error:
            log.debug("line not looked at", error=type(error).__name__)
            return None
        return place

    async def _place_in(self, seen: _Seen, user_id: str, task: TaskRecord) -> PlaceInLine | None:
        if task.mode not in seen.modes:
            return None
        own = await self._line_of(user_id, seen)
        places = seen.places.get(user_id, ())
        if task.task_id not in own or (ahead := own.index(task.task_id)) >= len(places):
            return None
        return places[ahead]

    async def _line_of(self, user_id: str, seen: _Seen) -> Sequence[str]:
        """As it was at that look, or a moment later."""
        until, own = self._own.get(user_id, (0.0, ()))
        if until != seen.until:
            async with self._pool.acquire() as connection:
                own = await store.own_line(connection, user_id, modes=seen.modes, limit=MOST_STEPS)
            self._own.put(user_id, (seen.until, own))
        return own

    async def _look(self, *, again: bool = False) -> _Seen:
        if not again and time.monotonic() < self._seen.until:
            return self._seen
        async with self._looking:
            began = time.monotonic()
            if began < (self._seen.again_from if again else self._seen.until):
                return self._seen
            async with self._pool.acquire() as connection:
                living = await workers.living_workers(connection)
                modes = frozenset(Mode(mode) for worker in living for mode in worker.modes if mode in set(Mode))
                slots = sum(worker.slots for worker in living)
                if began >= self._times_until:
                    self._times = Times(await store.recent_medians(connection, limit=LATEST_EDITS))
                    self._times_until = began + MEDIANS_KEPT_SECONDS
                lines = await store.everybodys_lines(connection, modes=modes) if modes else []
                running = await store.running(connection) if lines else []
            places = rehearse(lines, running, max(1, slots), self._times)
            ended = time.monotonic()
            good_for = max(KEPT_SECONDS, PAUSES * (ended - began))
            self._seen = _Seen(modes, places, ended + AGAIN_AFTER * good_for, ended + good_for)
            return self._seen
