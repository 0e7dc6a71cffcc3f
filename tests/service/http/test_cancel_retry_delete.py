"""What a client does to tasks that are there already."""

import asyncio
from typing import Any

import pytest
import redis.asyncio as aioredis

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import StoredResult, TaskStatus
from service.database import Connection
from tests.factories import add_file, add_task
from tests.service.http.conftest import Fragile, NewUser
from tests.service.http.looking import (
    count_tasks,
    credits_of,
    is_queued,
    ledger,
    record_of,
    until_queued,
)
from tests.service.http.serving import API, Api, User, problem

ENDED = [status for status in TaskStatus if status.ended]
UNFINISHED = [status for status in TaskStatus if not status.ended]


async def test_cancelling_a_waiting_task_cancels_it_in_the_database_and_takes_it_out_of_the_queue(
    user: User, db: Connection, redis_client: aioredis.Redis
) -> None:
    task = await user.task()
    await until_queued(redis_client, db, task["task_id"])
    answer = await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")
    assert answer.status_code == 200
    cancelled = answer.json()
    assert (cancelled["status"], cancelled["credits_refunded"]) == ("cancelled", 36)
    assert cancelled["cancelled_at"]
    record = await record_of(db, task["task_id"])
    assert record.status is TaskStatus.CANCELLED
    assert not await is_queued(redis_client, record)
    assert await ledger(db, user) == [
        ("opening", 10_000, None),
        ("charge", -36, task["task_id"]),
        ("refund", 36, task["task_id"]),
    ]
    assert await credits_of(db, user) == 10_000
    assert (await user.me())["total_credits_used"] == 0


async def test_a_cancel_right_behind_the_create_leaves_no_message(
    user: User, db: Connection, redis_client: aioredis.Redis
) -> None:
    """The dispatch may be on its way while the cancel commits: whoever comes last takes the message out."""
    await user.photo()

    async def create_and_cancel() -> str:
        task_id = (await user.task())["task_id"]
        assert (await user.http.post(f"{API}/tasks/{task_id}/cancel")).status_code == 200
        return task_id

    cancelled = await asyncio.gather(*(create_and_cancel() for _ in range(20)))
    # Dispatches happen in order: once this one's message is there, those before have been settled.
    last = await user.task()
    await until_queued(redis_client, db, last["task_id"])
    assert [await is_queued(redis_client, await record_of(db, task_id)) for task_id in cancelled] == [False] * 20


async def test_cancelling_again_is_200_and_refunds_once(user: User, db: Connection) -> None:
    task = await user.task()
    first, second = [await user.http.post(f"{API}/tasks/{task['task_id']}/cancel") for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert await credits_of(db, user) == 10_000


async def test_twenty_cancels_at_once_refund_once(user: User, db: Connection) -> None:
    task = await user.task()
    path = f"{API}/tasks/{task['task_id']}/cancel"
    answers = await asyncio.gather(*(user.http.post(path) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"cancelled"}
    assert await credits_of(db, user) == 10_000
    assert [kind for kind, _, _ in await ledger(db, user)] == ["opening", "charge", "refund"]


async def test_a_running_task_is_cancelled_at_once(user: User, db: Connection) -> None:
    task = await user.task()
    await db.execute(
        "UPDATE tasks SET status = 'processing', lease_expires_at = now() + interval '10 s', started_at = now(),"
        " lease_token = 7 WHERE task_id = $1",
        task["task_id"],
    )
    answer = await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    record = await record_of(db, task["task_id"])
    assert (record.status, record.lease_token) == (TaskStatus.CANCELLED, 7)
    assert await credits_of(db, user) == 10_000


@pytest.mark.parametrize("status", [TaskStatus.DONE, TaskStatus.FAILED])
async def test_an_ended_task_is_not_cancellable(user: User, db: Connection, status: TaskStatus) -> None:
    record = await add_task(db, user.user_id, status, credits_consumed=36)
    problem(await user.http.post(f"{API}/tasks/{record.task_id}/cancel"), Code.TASK_NOT_CANCELLABLE, 409)
    assert await record_of(db, record.task_id) == record
    assert await credits_of(db, user) == 10_000


async def test_a_cancel_needs_no_redis(new_user: NewUser, fragile: Fragile, db: Connection) -> None:
    user = await new_user(fragile.api)
    task = await user.task()
    fragile.redis.shut()
    answer = await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await credits_of(db, user) == 10_000


@pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.CANCELLED])
async def test_a_retry_is_a_new_task_with_the_same_input_at_todays_price(
    user: User, db: Connection, redis_client: aioredis.Redis, status: TaskStatus
) -> None:
    photo = await user.photo()
    columns: dict[str, Any] = {
        "source_image": photo,
        "reference_image": photo,
        "config": {"quality": "high", "from_elsewhere": 1},
        "priority": "low",
        "webhook_url": "https://example.com/hook",
        "webhook_events": ["task.failed"],
        "credits_consumed": 7,
    }
    record = await add_task(db, user.user_id, status, **columns)
    answer = await user.http.post(f"{API}/tasks/{record.task_id}/retry")
    assert answer.status_code == 201
    task = answer.json()
    assert answer.headers["location"] == f"{API}/tasks/{task['task_id']}"
    assert task["task_id"] != record.task_id
    assert (task["status"], task["retry_of"], task["credits_consumed"]) == ("pending", record.task_id, 54)
    made = await until_queued(redis_client, db, task["task_id"])
    same = ("mode", "source_image", "reference_image", "config", "priority", "webhook_url", "webhook_events")
    assert [getattr(made, name) for name in same] == [getattr(record, name) for name in same]
    assert await record_of(db, record.task_id) == record
    assert await credits_of(db, user) == 10_000 - 54


@pytest.mark.parametrize("status", [*UNFINISHED, TaskStatus.DONE])
async def test_only_failed_and_cancelled_tasks_are_retryable(user: User, db: Connection, status: TaskStatus) -> None:
    record = await add_task(db, user.user_id, status, source_image=await user.photo())
    problem(await user.http.post(f"{API}/tasks/{record.task_id}/retry"), Code.TASK_NOT_RETRYABLE, 409)
    assert await count_tasks(db, user) == 1


async def test_a_retry_meets_what_a_create_meets(new_user: NewUser, strict_api: Api, db: Connection) -> None:
    user = await new_user(strict_api, credits_=35)
    photo = await user.photo()

    async def retry(**columns: Any) -> Any:
        record = await add_task(db, user.user_id, TaskStatus.FAILED, **columns)
        return await user.http.post(f"{API}/tasks/{record.task_id}/retry")

    problem(await retry(source_image="file_gone"), Code.FILE_NOT_FOUND, 404)
    problem(await retry(source_image=photo), Code.INSUFFICIENT_CREDITS, 402)
    problem(await retry(source_image=photo, mode="HEAD_SWAP", config={"size": "small"}), Code.INSUFFICIENT_CREDITS, 402)
    await db.execute("UPDATE users SET current_credits = 1000 WHERE user_id = $1", user.user_id)
    problem(await retry(source_image=photo, mode="HEAD_SWAP"), Code.MODE_NOT_AVAILABLE, 503)
    for _ in range(5):
        await add_task(db, user.user_id)
    problem(await retry(source_image=photo), Code.TOO_MANY_PENDING_TASKS, 429)


async def results_of(db: Connection, user: User, **columns: Any) -> tuple[str, list[str]]:
    """A done task of a user with three result files: its id and theirs."""
    made = [await add_file(db, user.user_id, task_id="task_to_be") for _ in range(3)]
    names = [file.file_id for file in made]
    record = await add_task(db, user.user_id, TaskStatus.DONE, result=StoredResult(*names, metadata={}), **columns)
    await db.execute("UPDATE files SET task_id = $1 WHERE file_id = ANY ($2)", record.task_id, names)
    return record.task_id, names


@pytest.mark.parametrize("status", ENDED)
async def test_an_ended_task_is_deleted(user: User, db: Connection, status: TaskStatus) -> None:
    record = await add_task(db, user.user_id, status)
    path = f"{API}/tasks/{record.task_id}"
    answer = await user.http.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for again in (await user.http.delete(path), await user.http.get(path), await user.http.post(f"{path}/cancel")):
        problem(again, Code.TASK_NOT_FOUND, 404)


@pytest.mark.parametrize("status", UNFINISHED)
async def test_an_unfinished_task_is_not_deleted(user: User, db: Connection, status: TaskStatus) -> None:
    record = await add_task(db, user.user_id, status)
    problem(await user.http.delete(f"{API}/tasks/{record.task_id}"), Code.TASK_NOT_FINISHED, 409)
    assert await record_of(db, record.task_id) == record


async def test_with_a_task_its_result_files_go_but_not_its_inputs(user: User, db: Connection) -> None:
    photo = await user.photo()
    task_id, made = await results_of(db, user, source_image=photo)
    assert (await user.http.delete(f"{API}/tasks/{task_id}")).status_code == 204
    left = await db.fetch("SELECT file_id FROM files WHERE file_id = ANY ($1)", [*made, photo])
    assert [row["file_id"] for row in left] == [photo]


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("column", ["source_image", "reference_image"])
async def test_a_result_that_is_another_tasks_input_stays(
    user: User, db: Connection, status: TaskStatus, column: str
) -> None:
    task_id, made = await results_of(db, user)
    await add_task(db, user.user_id, status, **{column: made[0]})
    assert (await user.http.delete(f"{API}/tasks/{task_id}")).status_code == 204
    left = await db.fetch("SELECT file_id FROM files WHERE file_id = ANY ($1)", made)
    assert [row["file_id"] for row in left] == [made[0]]


async def test_deleting_a_task_keeps_its_ledger(user: User, db: Connection) -> None:
    task = await user.task()
    await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")
    assert (await user.http.delete(f"{API}/tasks/{task['task_id']}")).status_code == 204
    assert [kind for kind, _, _ in await ledger(db, user)] == ["opening", "charge", "refund"]
    assert await credits_of(db, user) == 10_000
