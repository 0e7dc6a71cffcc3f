"""Deadlines: what isn't done in time fails, once and refunded, whoever looks first."""

import asyncio
from datetime import datetime, timedelta

import pytest

from schema.models.problems import FailureCode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection, Pool
from service.queue import Queue
from service.tasks import lifecycle
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from tests import lives


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


@pytest.fixture
def deadlines(pool: Pool, queue: Queue) -> Deadlines:
    return Deadlines(pool, Dispatcher(pool, queue))


async def miss(connection: Connection, *tasks: TaskRecord) -> datetime:
    """Let these have had a deadline; when."""
    return await connection.fetchval(
        "UPDATE tasks SET deadline_at = clock_timestamp() WHERE task_id = ANY ($1) RETURNING deadline_at",
        [task.task_id for task in tasks],
    )


async def test_what_waits_and_what_runs_has_failed_for_whoever_looks(
    deadlines: Deadlines, pool: Pool, connection: Connection, queue: Queue, user_id: str
) -> None:
    await lives.create(connection, user_id)
    running = await lives.claim(pool)
    waiting = await lives.create(connection, user_id)
    in_time = await lives.create(connection, user_id, deadline_seconds=60)
    await queue.send([(waiting.task_id, 0), (in_time.task_id, 0)])
    assert await lifecycle.fail_overdue(pool, user_id, [in_time.task_id]) == []
    await deadlines.settle(user_id)
    await miss(connection, running.task, waiting)
    await asyncio.gather(*(deadlines.settle(user_id) for _ in range(3)))
    for task_id in (running.task_id, waiting.task_id):
        failed = await lives.get(pool, task_id)
        assert (failed.status, failed.credits_refunded) == (TaskStatus.FAILED, lives.PRICE)
        assert failed.error is not None
        assert failed.error.code == FailureCode.DEADLINE_EXCEEDED
    assert (await lives.get(pool, in_time.task_id)).status is TaskStatus.PENDING
    assert await lives.messages(queue) == [f"{in_time.task_id}.0"]
    assert not await lifecycle.is_held(pool, running)
    await lives.assert_balanced(pool)


async def test_where_too_many_have_deadlines_everybody_is_looked_at(
    deadlines: Deadlines, pool: Pool, connection: Connection, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tasks.deadlines.MOST_USERS", 1)
    late = await lives.create(connection, user_id)
    for _ in range(2):
        await lives.create(connection, await lives.add_user(connection), deadline_seconds=60)
    await deadlines.settle(user_id)  # and it is remembered that they are too many
    await miss(connection, late)
    await deadlines.settle(user_id)
    assert (await lives.get(pool, late.task_id)).status is TaskStatus.FAILED


async def test_a_result_that_is_late_is_not_taken(
    deadlines: Deadlines, pool: Pool, connection: Connection, user_id: str
) -> None:
    """Also where nobody has looked yet: what is told of a task never depends on that."""
    await lives.create(connection, user_id)
    held = await lives.claim(pool)
    late = await miss(connection, held.task)
    assert await lifecycle.complete_task(pool, held, lives.a_result(), []) is None
    assert await lifecycle.cancel_task(pool, user_id, held.task_id) is None
    await deadlines.sweep(limit=10)
    failed = await lives.get(pool, held.task_id)
    assert failed.failed_at is not None
    assert failed.failed_at >= late
    again = await lives.create(connection, user_id, deadline_seconds=10)
    assert again.deadline_at == again.created_at + timedelta(seconds=10)


async def test_the_chore_ends_everybodys_in_pages(deadlines: Deadlines, pool: Pool, connection: Connection) -> None:
    others = [await lives.add_user(connection) for _ in range(3)]
    missed = [await lives.create(connection, one) for one in others for _ in range(3)]
    await lives.create(connection, others[0], deadline_seconds=60)
    await miss(connection, *missed)
    assert await deadlines.sweep(limit=4) == 9
    assert await deadlines.sweep(limit=4) == 0
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE status = 'pending'") == 1
    await lives.assert_balanced(pool)


async def test_who_has_no_deadlines_is_looked_at_once(
    deadlines: Deadlines, pool: Pool, connection: Connection, user_id: str
) -> None:
    """Until they create something that has one."""
    await deadlines.settle(user_id)
    task = await lives.create(connection, user_id, deadline_seconds=10)
    await miss(connection, task)
    await deadlines.settle(user_id)
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.PENDING
    deadlines.expect([task])
    await deadlines.settle(user_id)
    assert (await lives.get(pool, task.task_id)).status is TaskStatus.FAILED
