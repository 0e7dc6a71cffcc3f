"""An end and the row that has it told are one transaction's; the row outlives the task, and not its owner."""

import asyncpg
import pytest

from schema.identifiers import new_id
from schema.models.events import event_id
from schema.models.tasks import TaskEnd, TaskStatus
from service.accounts import users
from service.database import Connection, Pool
from service.tasks import lifecycle, retention, store
from tests import lives

URL = "https://Hooks.Example.com:8443/ended?of=us"


async def deliveries(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch("SELECT * FROM webhook_deliveries ORDER BY created_at, delivery_id")


async def end(pool: Pool, user_id: str, status: TaskStatus, events: list[TaskEnd] | None = None) -> str:
    """A task of a user that wants to be told, at this end; its id."""
    async with pool.acquire() as connection:
        task = await lives.create(connection, user_id, webhook_url=URL, webhook_events=events)
    if status is TaskStatus.CANCELLED:
        await lives.cancel(pool, user_id, task.task_id)
        return task.task_id
    held = await lives.claim(pool, task.task_id)
    if status is TaskStatus.DONE:
        await lifecycle.complete_task(pool, held, lives.a_result(), [])
    else:
        await lifecycle.fail_task(pool, held, lives.FAILURE)
    return task.task_id


@pytest.mark.parametrize("status", [TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELLED])
async def test_each_end_is_told_once_and_by_its_events_name(
    pool: Pool, connection: Connection, status: TaskStatus
) -> None:
    user_id = await lives.add_user(connection)
    task_id = await end(pool, user_id, status)
    (row,) = await deliveries(connection)
    last = (await store.events_of_task(connection, user_id, task_id))[-1]
    assert row["event_id"] == last.event_id == event_id(task_id, last.seq)
    assert (row["user_id"], row["task_id"], row["type"], row["url"]) == (user_id, task_id, f"task.{status}", URL)
    assert (row["host"], row["status"], row["attempts"]) == ("hooks.example.com:8443", "waiting", 0)
    assert row["created_at"] == row["next_attempt_at"] == last.at


async def test_who_asked_for_some_ends_is_told_those_and_who_asked_for_none_nothing(
    pool: Pool, connection: Connection
) -> None:
    user_id = await lives.add_user(connection)
    chosen = [TaskEnd.FAILED, TaskEnd.CANCELLED]
    told = {await end(pool, user_id, status, chosen) for status in (TaskStatus.FAILED, TaskStatus.CANCELLED)}
    await end(pool, user_id, TaskStatus.DONE, chosen)
    await lives.reach(pool, user_id, TaskStatus.DONE)
    assert {row["task_id"] for row in await deliveries(connection)} == told


async def test_an_end_that_is_rolled_back_is_not_told(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    task = await lives.create(connection, user_id, webhook_url=URL)
    outer = connection.transaction()
    await outer.start()
    assert await store.cancel_task(connection, user_id, task.task_id)
    assert len(await deliveries(connection)) == 1
    await outer.rollback()
    assert await deliveries(connection) == []
    # Going back to the line is no end.
    held = await lives.claim(pool, task.task_id)
    await lifecycle.give_back(pool, held)
    assert await deliveries(connection) == []


async def test_what_waits_to_be_told_outlives_its_task_and_not_its_owner(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    task_id = await end(pool, user_id, TaskStatus.DONE)
    assert await retention.delete_task(pool, user_id, task_id)
    (row,) = await deliveries(connection)
    assert (row["data"]["task_id"], row["data"]["status"]) == (task_id, "done")
    await store.forget_histories(connection, [task_id])
    (row,) = await deliveries(connection)
    assert row["forget_at"] is not None
    await users.erase_user(connection, user_id)
    assert await deliveries(connection) == []


async def test_something_else_that_ends_is_told_by_a_call(connection: Connection) -> None:
    user_id, batch_id = await lives.add_user(connection), new_id("batch")
    tell = "SELECT tell_webhook_v1($1, $2, 'batch.done', $3, NULL, $4, now())"
    for _ in range(2):
        await connection.execute(tell, user_id, f"{batch_id}.1", URL, batch_id)
    (row,) = await deliveries(connection)
    assert (row["batch_id"], row["event_id"], row["type"]) == (batch_id, f"{batch_id}.1", "batch.done")
