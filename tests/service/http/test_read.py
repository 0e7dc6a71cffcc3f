"""GET /api/v1/tasks/{task_id}: the whole task, from the database, for its owner alone."""

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import StoredResult, TaskFailure, TaskStatus
from service.database import Connection
from tests.factories import StoredResultFactory, TaskFailureFactory, add_task
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, JSON, PHOTO, Api, User, problem


async def read(user: User, task_id: str) -> JSON:
    answer = await user.http.get(f"{API}/tasks/{task_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("status", TaskStatus)
async def test_the_whole_task_is_read_from_the_database(user: User, db: Connection, status: TaskStatus) -> None:
    columns = {"reference_image": "file_b", "config": {"size": "large"}, "priority": "high", "retry_of": "task_before"}
    record = await add_task(db, user.user_id, status, credits_consumed=45, **columns)
    task = await read(user, record.task_id)
    assert task["task_id"] == record.task_id
    assert (task["status"], task["mode"], task["attempts"]) == (status, "BACKGROUND_CHANGE", record.attempts)
    assert (task["source_image"], task["credits_consumed"]) == (record.source_image, 45)
    assert {name: task[name] for name in columns} == columns
    for name in ("created_at", "updated_at", "started_at", "completed_at", "failed_at", "cancelled_at"):
        moment = getattr(record, name)
        assert task[name] == (None if moment is None else moment.isoformat().replace("+00:00", "Z"))
    assert task["processing_time"] == (2.0 if status.ended else None)
    assert not {"lease_token", "webhook_url", "worker_id", "message_no", "dispatched_at"} & set(task)


async def test_a_results_urls_load_without_a_token(user: User, db: Connection, anonymous: httpx.AsyncClient) -> None:
    made = [(await user.upload(PHOTO)).json()["file_id"] for _ in range(3)]
    result = StoredResult(made[0], made[1], made[2], {"width": 96, "height": 80, "format": "jpeg"})
    record = await add_task(db, user.user_id, TaskStatus.DONE, result=result)
    shown = (await read(user, record.task_id))["result"]
    assert set(shown) == {"output_image", "thumbnail", "comparison_image", "output_file_id", "metadata"}
    assert (shown["output_file_id"], shown["metadata"]) == (made[0], result.metadata)
    for name in ("output_image", "thumbnail", "comparison_image"):
        assert shown[name].startswith(f"{API}/files/")
        assert (await anonymous.get(shown[name])).content == PHOTO


async def test_a_result_without_small_pictures_says_null(user: User, db: Connection) -> None:
    result = StoredResultFactory.build(thumbnail_file_id=None, comparison_file_id=None)
    record = await add_task(db, user.user_id, TaskStatus.DONE, result=result)
    shown = (await read(user, record.task_id))["result"]
    assert (shown["thumbnail"], shown["comparison_image"]) == (None, None)


async def test_urls_are_the_same_within_an_hour(user: User, db: Connection) -> None:
    record = await add_task(db, user.user_id, TaskStatus.DONE)
    first, second = [(await read(user, record.task_id))["result"] for _ in range(2)]
    # The hour may have turned between the two.
    assert first == second or (await read(user, record.task_id))["result"] == second


async def test_urls_are_absolute_with_a_public_url(new_user: NewUser, strict_api: Api, db: Connection) -> None:
    user = await new_user(strict_api)
    record = await add_task(db, user.user_id, TaskStatus.DONE)
    shown = (await read(user, record.task_id))["result"]
    assert shown["output_image"].startswith(f"https://photos.example.com{API}/files/")


async def test_why_a_task_failed_is_told(user: User, db: Connection) -> None:
    error: TaskFailure = TaskFailureFactory.build(details={"faces": 0})
    record = await add_task(db, user.user_id, TaskStatus.FAILED, error=error)
    assert (await read(user, record.task_id))["error"] == {
        "code": "NO_PERSON_DETECTED",
        "message": error.message,
        "details": {"faces": 0},
    }


async def test_another_users_task_is_not_found_on_every_route(user: User, new_user: NewUser, db: Connection) -> None:
    other = await new_user()
    for status in TaskStatus:
        record = await add_task(db, other.user_id, status)
        path = f"{API}/tasks/{record.task_id}"
        answers = [
            await user.http.get(path),
            await user.http.get(path, params={"wait": 5}),
            await user.http.post(f"{path}/cancel"),
            await user.http.post(f"{path}/retry"),
            await user.http.post(f"{path}/retry", headers={"Idempotency-Key": "k"}),
            await user.http.delete(path),
        ]
        never = await user.http.get(f"{API}/tasks/task_never")
        for answer in answers:
            body = problem(answer, Code.TASK_NOT_FOUND, 404)
            # Word for word what a task that never was gets.
            assert body["detail"] == never.json()["detail"].replace("task_never", record.task_id)
        kept = await db.fetchrow("SELECT status FROM tasks WHERE task_id = $1", record.task_id)
        assert kept is not None
        assert kept["status"] == status


async def test_nobodys_task_is_not_found(user: User, db: Connection) -> None:
    record = await add_task(db, None)
    problem(await user.http.get(f"{API}/tasks/{record.task_id}"), Code.TASK_NOT_FOUND, 404)


IMPOSSIBLE = ["%00", "task_%0A", "x" * 5000, "%FF", "task%20a", "%E2%80%AE", "'; DROP TABLE tasks; --"]


@pytest.mark.parametrize(("method", "action"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry")])
async def test_an_id_that_can_be_none_is_not_found(user: User, method: str, action: str) -> None:
    for task_id in IMPOSSIBLE:
        problem(await user.http.request(method, f"{API}/tasks/{task_id}{action}"), Code.TASK_NOT_FOUND, 404)
