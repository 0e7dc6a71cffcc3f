"""One look at everything: what waits, runs and ended, and who works."""

from datetime import datetime, timedelta

import msgspec

from schema.identifiers import is_id
from schema.models.operating import (
    EndedTask,
    EndedTasks,
    OperatorsTask,
    Overview,
    RunningTask,
    SeenWorker,
    TaskHistory,
    WaitingMode,
)
from schema.models.problems import ProblemCode
from service.database import Pool
from service.database.statements import load_queries
from service.refusals import Refused
from service.tasks import store
from service.tasks.events import timeline

QUERIES = load_queries("operating")

DAY = timedelta(days=1)
LATE = timedelta(minutes=1)
"""So long after a half hour is over ends of it may still be written; then it changes no more."""

WHOLE_EVERY = timedelta(minutes=10)
"""After so long the whole day is counted again: imports bring ends of hours ago, deletions take them, clocks jump."""

MOST_RUNNING = 200
MOST_WORKERS = 200
LAST_ENDED = 12


class Overviewer:
    """Looks, and remembers half hours that are over: a day of a million tasks is counted once, not at every look."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ended: list[EndedTasks] = []
        self._counted_at: datetime | None = None
        self._whole_at: datetime | None = None

    async def look(self) -> Overview:
        """Everything as it is now, by the database's clock, which ends are written by."""
        async with self._pool.acquire() as connection:
            now = await QUERIES["database_time"].value(connection)
            since = self._since(now)
            waiting = await QUERIES["waiting_by_mode"].rows(connection, WaitingMode)
            running = await QUERIES["running_now"].rows(connection, RunningTask, limit=MOST_RUNNING)
            running_tasks = await QUERIES["running_tasks"].value(connection)
            workers = await QUERIES["seen_workers"].rows(connection, SeenWorker, limit=MOST_WORKERS)
            recent = await QUERIES["ended_since"].rows(connection, EndedTasks, since=since)
            last_ended = await QUERIES["last_ended"].rows(connection, EndedTask, limit=LAST_ENDED)
        first = _half_hour(now - DAY)
        self._ended = [one for one in self._ended if first <= one.slot < since] + recent
        self._counted_at = now
        if since == first:
            self._whole_at = now
        return Overview(now, waiting, running_tasks, running, workers, self._ended, last_ended)

    def _since(self, now: datetime) -> datetime:
        """From when on ends are counted in this look; what is remembered of before is left as it is."""
        if self._counted_at is None or self._whole_at is None or not timedelta(0) <= now - self._whole_at < WHOLE_EVERY:
            return _half_hour(now - DAY)
        return _half_hour(max(now - DAY, min(now, self._counted_at) - LATE))


async def history_of(pool: Pool, task_id: str) -> TaskHistory:
    """Anybody's task, for operators.

    Raises:
        Refused: TASK_NOT_FOUND.
    """
    async with pool.acquire() as connection:
        found = await store.tasks_as_they_are(connection, [task_id]) if is_id(task_id) else {}
        task = found.get(task_id)
        if task is None:
            raise Refused(ProblemCode.TASK_NOT_FOUND, f"There is no task {task_id[:64]!r}.")
        events = await store.events_of_task(connection, task.user_id or "", task_id)
    return TaskHistory(msgspec.convert(task, OperatorsTask, from_attributes=True), timeline(task, events).events)


def _half_hour(moment: datetime) -> datetime:
    return moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)
