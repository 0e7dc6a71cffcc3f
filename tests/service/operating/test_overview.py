"""What operators see is what there is, and a day that was counted isn't counted again."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from schema.models.edits import Mode
from schema.models.operating import Overview
from schema.models.problems import FailureCode
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.operating import overview
from service.operating.overview import WHOLE_EVERY, Overviewer, history_of
from service.refusals import Refused
from service.tasks.workers import see_worker
from tests import lives
from tests.factories import TaskFailureFactory, add_task


async def add_ended(connection: Connection, user_id: str, status: TaskStatus, ago: timedelta, mode: Mode) -> str:
    ended = datetime.now(UTC) - ago
    failure = TaskFailureFactory.build(code=FailureCode.NO_FACE_DETECTED) if status is TaskStatus.FAILED else None
    column = {TaskStatus.DONE: "completed_at", TaskStatus.FAILED: "failed_at"}[status]
    values = {"mode": mode, "error": failure, "created_at": ended - timedelta(seconds=9), column: ended}
    return (await add_task(connection, user_id, status, **values)).task_id


async def test_an_overview_counts_what_waits_runs_and_ended(pool: Pool) -> None:
    async with pool.acquire() as connection:
        user_id = await lives.add_user(connection)
        await see_worker(connection, "worker:a", slots=2, modes=[Mode.POSE_CHANGE])
        await see_worker(connection, "worker:b", slots=1, modes=[], trouble="no model")
        for _ in range(2):
            await add_task(connection, user_id, mode=Mode.HEAD_SWAP)
        running = await add_task(connection, user_id, TaskStatus.PROCESSING, mode=Mode.POSE_CHANGE)
        for hours, status in (
            (1, TaskStatus.DONE),
            (1, TaskStatus.DONE),
            (3, TaskStatus.FAILED),
            (26, TaskStatus.DONE),
        ):
            await add_ended(connection, user_id, status, timedelta(hours=hours), Mode.HEAD_SWAP)
    overviewer = Overviewer(pool)
    seen = await overviewer.look()
    assert [(one.mode, one.tasks) for one in seen.waiting] == [(Mode.HEAD_SWAP, 2)]
    assert 0 <= seen.waiting[0].oldest_seconds < 60
    assert [one.task_id for one in seen.running] == [running.task_id]
    assert seen.running_tasks == 1
    assert [(one.worker_id, one.slots, one.trouble) for one in seen.workers] == [
        ("worker:a", 2, None), ("worker:b", 1, "no model"),
    ]  # fmt: skip
    counted = sorted((one.status, one.code, one.tasks) for one in seen.ended if one.status is TaskStatus.FAILED)
    assert counted == [(TaskStatus.FAILED, "NO_FACE_DETECTED", 1)]
    assert sum(one.tasks for one in seen.ended if one.status is TaskStatus.DONE) == 2
    assert len(seen.last_ended) == 4
    assert seen.last_ended[-1].ended_at < seen.last_ended[0].ended_at

    async with pool.acquire() as connection:
        latest = await add_ended(connection, user_id, TaskStatus.DONE, timedelta(0), Mode.HEAD_SWAP)
        # Half hours that are over aren't read again.
        await connection.execute("DELETE FROM tasks WHERE failed_at IS NOT NULL")
    again = await overviewer.look()
    assert again.last_ended[0].task_id == latest
    assert sum(one.tasks for one in again.ended if one.status is TaskStatus.DONE) == 3
    assert sum(one.tasks for one in again.ended if one.status is TaskStatus.FAILED) == 1


def of_status(seen: Overview, status: TaskStatus) -> int:
    return sum(one.tasks for one in seen.ended if one.status is status)


async def test_what_was_counted_once_is_counted_again_after_a_while_and_whatever_clocks_do(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    overviewer, clock = Overviewer(pool), Clock()
    monkeypatch.setitem(overview.QUERIES, "database_time", cast("Any", clock))
    async with pool.acquire() as connection:
        user_id = await lives.add_user(connection)
        assert of_status(await overviewer.look(), TaskStatus.DONE) == 0
        # As an import brings it, or whoever writes while this process's clock is ahead.
        await add_ended(connection, user_id, TaskStatus.DONE, timedelta(hours=3), Mode.HEAD_SWAP)
        assert of_status(await overviewer.look(), TaskStatus.DONE) == 0
        clock.ahead = WHOLE_EVERY
        assert of_status(await overviewer.look(), TaskStatus.DONE) == 1
        await add_ended(connection, user_id, TaskStatus.DONE, timedelta(0), Mode.HEAD_SWAP)
        clock.ahead = timedelta(hours=-2)
        assert of_status(await overviewer.look(), TaskStatus.DONE) == 2


class Clock:
    """The database's, set."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    async def value(self, _: Connection) -> datetime:
        return datetime.now(UTC) + self.ahead


async def test_anybodys_history_is_told(pool: Pool) -> None:
    async with pool.acquire() as connection:
        task = await add_task(connection, await lives.add_user(connection), TaskStatus.DONE)
    history = await history_of(pool, task.task_id)
    assert (history.task.task_id, history.task.user_id) == (task.task_id, task.user_id)
    assert history.events[-1].status is TaskStatus.DONE
    with pytest.raises(Refused):
        await history_of(pool, "task_nobodys")
