"""/tasks/batch, /batches, /tasks/cancel and lists of chosen tasks, as clients see them."""

from typing import Any

import httpx
import pytest
import redis.asyncio as aioredis

from schema.models.edits import Mode
from schema.models.problems import ProblemCode as Code
from service.database import Connection
from service.tasks.workers import forget_worker, see_worker
from tests.factories import add_task
from tests.service.http.conftest import NewUser
from tests.service.http.looking import eventually, until_queued
from tests.service.http.serving import API, JSON, Api, User, fields_of, problem

KEY = {"Idempotency-Key": "the-17th-order"}


async def edits(user: User, number: int, **body: Any) -> list[JSON]:
    return [{"mode": "BACKGROUND_CHANGE", "source_image": await user.photo(), **body} for _ in range(number)]


async def batch_of(user: User, number: int, **body: Any) -> JSON:
    answer = await user.http.post(f"{API}/tasks/batch", json={"tasks": await edits(user, number, **body)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def ids_of(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [task["task_id"] for task in answer.json()["tasks"]]


async def test_a_batch_is_created_once_counted_and_queued(
    user: User, db: Connection, redis_client: aioredis.Redis
) -> None:
    body = {"tasks": await edits(user, 100), "webhook_url": "https://example.com/hook"}
    answer = await user.http.post(f"{API}/tasks/batch", json=body, headers=KEY)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert set(made) == {"batch_id", "tasks"}
    assert {task["batch_id"] for task in made["tasks"]} == {made["batch_id"]}
    again = await user.http.post(f"{API}/tasks/batch", json=body, headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json()["batch_id"] == made["batch_id"]
    assert ids_of(again) == [task["task_id"] for task in made["tasks"]]
    other = await user.http.post(f"{API}/tasks/batch", json={"tasks": await edits(user, 1)}, headers=KEY)
    problem(other, Code.IDEMPOTENCY_KEY_REUSED, 422)
    assert (await user.me())["current_credits"] == 10_000 - 100 * 36
    counts = {"pending": 100, "processing": 0, "done": 0, "failed": 0, "cancelled": 0}
    batch = (await user.http.get(answer.headers["location"])).json()
    assert batch == {**batch, "batch_id": made["batch_id"], "total": 100, **counts, "ended_at": None}
    for task in made["tasks"][::33]:
        await until_queued(redis_client, db, task["task_id"])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"config": {"size": "huge"}}, "tasks[3].config.size"),
        ({"mode": "FACE_SWAP"}, "tasks[3].mode"),
        ({"source_image": 5}, "tasks[3].source_image"),
        ({"colour": "red"}, "tasks[3].colour"),
        ({"deadline_seconds": 9}, "tasks[3].deadline_seconds"),
        ({"deadline_seconds": 604_801}, "tasks[3].deadline_seconds"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_wrong_is_named_by_its_place(user: User, wrong: JSON, field: str) -> None:
    tasks = await edits(user, 5)
    tasks[3] |= wrong
    answer = problem(await user.http.post(f"{API}/tasks/batch", json={"tasks": tasks}), Code.INVALID_REQUEST, 400)
    assert fields_of(answer) == [field]
    if field.endswith("mode"):
        assert "BACKGROUND_CHANGE" in answer["detail"]


async def test_a_batch_has_bounds(user: User, strict_api: Api, new_user: NewUser) -> None:
    for number in (0, 101):
        answer = await user.http.post(f"{API}/tasks/batch", json={"tasks": await edits(user, number)})
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["tasks"]
    bad_hook = await user.http.post(
        f"{API}/tasks/batch", json={"tasks": await edits(user, 1), "webhook_url": "http://127.0.0.1/"}
    )
    assert fields_of(problem(bad_hook, Code.INVALID_REQUEST, 400)) == ["webhook_url"]
    limited = await new_user(strict_api)
    problem(
        await limited.http.post(f"{API}/tasks/batch", json={"tasks": await edits(limited, 6)}),
        Code.TOO_MANY_PENDING_TASKS,
        429,
    )
    poor = await new_user(credits_=100)
    refused = problem(
        await poor.http.post(f"{API}/tasks/batch", json={"tasks": await edits(poor, 3)}), Code.INSUFFICIENT_CREDITS, 402
    )
    assert (refused["required"], refused["current"], refused["deficit"]) == (108, 100, 8)
    assert (await poor.me())["current_credits"] == 100


async def test_lists_of_chosen_tasks(user: User, new_user: NewUser) -> None:
    batch = await batch_of(user, 25)
    made = [task["task_id"] for task in batch["tasks"]]
    alone = (await user.task())["task_id"]
    strangers = (await (await new_user()).task())["task_id"]
    wanted = ",".join([*made[:22], alone, strangers, "task_of_nobody"])
    assert ids_of(await user.http.get(f"{API}/tasks", params={"ids": wanted})) == [alone, *made[21::-1]]
    assert ids_of(await user.http.get(f"{API}/tasks", params={"ids": made[0], "status": "done"})) == []
    chosen = {"batch_id": batch["batch_id"], "page_size": 10}
    first = await user.http.get(f"{API}/tasks/history", params=chosen)
    assert ids_of(first) == made[:14:-1]
    pagination = first.json()["pagination"]
    assert (pagination["total"], pagination["total_pages"]) == (25, 3)
    assert ids_of(await user.http.get(f"{API}/tasks", params=chosen | {"page": 2})) == made[14:4:-1]
    cursor = pagination["next_cursor"]
    assert ids_of(await user.http.get(f"{API}/tasks", params=chosen | {"cursor": cursor})) == made[14:4:-1]
    for impossible in ({"batch_id": "a\0"}, {"ids": f"a\0,{alone}", "batch_id": "b"}, {"ids": "\0,'"}):
        assert ids_of(await user.http.get(f"{API}/tasks/history", params=impossible)) == []
    many = ",".join(f"task_{number}" for number in range(101))
    assert fields_of(problem(await user.http.get(f"{API}/tasks?ids={many}"), Code.INVALID_REQUEST, 400)) == ["ids"]


@pytest.mark.parametrize(
    "path",
    [
        "/tasks?status=done&status=failed",
        "/tasks?mode=HEAD_SWAP&mode=all",
        "/tasks?page=1&page=2",
        "/tasks/history?cursor=a&cursor=b",
        "/tasks/task_1?wait=0&wait=1",
        "/files?cursor=a&cursor=b",
        "/me/credits?page_size=1&page_size=2",
    ],
)
async def test_a_parameter_that_is_given_twice_is_refused(user: User, path: str) -> None:
    name = path.partition("?")[2].partition("=")[0]
    assert fields_of(problem(await user.http.get(API + path), Code.INVALID_REQUEST, 400)) == [name]
    assert (await user.http.get(f"{API}/tasks?unknown=1&unknown=2")).status_code == 200


async def test_many_are_cancelled_in_one_request(user: User, db: Connection) -> None:
    batch = await batch_of(user, 3)
    others = [(await add_task(db, user.user_id)).task_id for _ in range(2)]
    answer = await user.http.post(f"{API}/tasks/cancel", json={"ids": [others[0], "task_of_nobody", "\0"]})
    assert answer.json() == {"cancelled": 1, "refunded": 0, "not_cancellable": ["\0", "task_of_nobody"]}
    answer = await user.http.post(f"{API}/tasks/cancel", json={"batch_id": batch["batch_id"]})
    assert answer.json() == {"cancelled": 3, "refunded": 108, "not_cancellable": []}
    assert (await user.http.get(f"{API}/batches/{batch['batch_id']}")).json()["ended_at"]
    answer = await user.http.post(f"{API}/tasks/cancel", json={"status": "pending", "mode": "BACKGROUND_CHANGE"})
    assert answer.json() == {"cancelled": 1, "refunded": 0, "not_cancellable": []}
    wrong: list[tuple[JSON, str]] = [
        ({}, "ids"),
        ({"ids": [], "status": "pending"}, "ids"),
        ({"ids": ["a"], "batch_id": "b"}, "batch_id"),
        ({"status": "done"}, "status"),
        ({"status": "pending", "created_before": "2026-01-01T00:00:00"}, "created_before"),
        ({"status": "pending", "created_before": "yesterday"}, "created_before"),
        ({"status": "pending", "created_before": "0001-01-01T00:00:00+14:00"}, "created_before"),
        ({"status": "pending", "created_before": "9999-12-31T23:59:59-14:00"}, "created_before"),
    ]
    for body, field in wrong:
        answer = await user.http.post(f"{API}/tasks/cancel", json=body)
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == [field], body
    problem(await user.http.post(f"{API}/tasks/cancel", json={"batch_id": "batch_1"}), Code.NOT_FOUND, 404)


async def test_a_missed_deadline_is_told_wherever_one_looks(user: User, db: Connection) -> None:
    """While no worker runs: by a list, the counts, the account, a wait, a retry and the events."""

    async def missed() -> str:
        task = await user.task(deadline_seconds=10)
        assert task["deadline_at"] > task["created_at"]
        await db.execute("UPDATE tasks SET deadline_at = now() WHERE task_id = $1", task["task_id"])
        return task["task_id"]

    task_id = await missed()
    assert ids_of(await user.http.get(f"{API}/tasks", params={"status": "failed"})) == [task_id]
    await missed()
    assert (await user.http.get(f"{API}/tasks/stats")).json()["failed"] == 2
    await missed()
    assert (await user.me())["current_credits"] == 10_000
    problem(await user.http.post(f"{API}/tasks/{await missed()}/cancel"), Code.TASK_NOT_CANCELLABLE, 409)
    task_id = await missed()
    again = (await user.http.post(f"{API}/tasks/{task_id}/retry", json={"deadline_seconds": 60})).json()
    assert again["deadline_at"]
    waited = (await user.http.get(f"{API}/tasks/{task_id}")).json()
    assert (waited["status"], waited["error"]["code"]) == ("failed", "DEADLINE_EXCEEDED")
    waiting = await user.task(deadline_seconds=10)
    await db.execute("UPDATE tasks SET deadline_at = now() + interval '1 s' WHERE task_id = $1", waiting["task_id"])
    ended = (await user.http.get(f"{API}/tasks/{waiting['task_id']}", params={"wait": 20})).json()
    assert ended["status"] == "failed"
    plain = await user.http.post(f"{API}/tasks/{task_id}/retry")
    assert (plain.status_code, plain.json()["deadline_at"]) == (201, None)


async def test_a_waiting_task_tells_its_place_in_line(user: User, db: Connection) -> None:
    await see_worker(db, "worker_of_this_test", slots=1, modes=[Mode.BACKGROUND_CHANGE])
    ids = [(await user.task())["task_id"] for _ in range(2)]

    async def place(task_id: str) -> JSON | None:
        return (await user.http.get(f"{API}/tasks/{task_id}")).json()["queue"]

    async def told() -> bool:
        return await place(ids[1]) is not None

    await eventually(told, "a place")
    first, second = [await place(task_id) for task_id in ids]
    assert first is not None
    assert second is not None
    assert 1 <= first["position"] < second["position"]
    assert 0 <= first["seconds"] <= second["seconds"]
    listed = (await user.http.get(f"{API}/tasks")).json()["tasks"]
    assert [task["queue"] for task in listed] == [None, None]
    await forget_worker(db, "worker_of_this_test")
