"""One look at everything: what waits, runs and ended, and who works."""

from datetime import UTC, datetime, timedelta

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

MOST_RUNNING = 200
MOST_WORKERS = 200
LAST_ENDED = 12


class Overviewer:
    """Looks, and remembers half hours that are over: a day of a million tasks is counted once, not at every look."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._ended: list[EndedTasks] = []
        self._counted_at: datetime | None = None

    async def look(self) -> Overview:
        """Everything as it is now."""
        now = datetime.now(UTC)
        since = _half_hour(now - DAY if self._counted_at is None else max(now - DAY, self._counted_at - LATE))
        async with self._pool.acquire() as connection:
            waiting = await QUERIES["waiting_by_mode"].rows(connection, WaitingMode)
            running = await QUERIES["running_now"].rows(connection, RunningTask, limit=MOST_RUNNING)
            workers = await QUERIES["seen_workers"].rows(connection, SeenWorker, limit=MOST_WORKERS)
            recent = await QUERIES["ended_since"].rows(connection, EndedTasks, since=since)
            last_ended = await QUERIES["last_ended"].rows(connection, EndedTask, limit=LAST_ENDED)
        first = _half_hour(now - DAY)
        self._ended = [one for one in self._ended if first <= one.slot < since] + recent
        self._counted_at = now
        return Overview(now, waiting, running, workers, self._ended, last_ended)


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
