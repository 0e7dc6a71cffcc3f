"""Idempotency-Key: a request that is sent twice is served once."""

import asyncio
from collections import Counter

import pytest

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.database import Connection
from tests.factories import add_task
from tests.service.http.conftest import NewUser
from tests.service.http.looking import count_tasks, credits_of
from tests.service.http.serving import API, User, fields_of, problem

KEY = {"Idempotency-Key": "order-4711"}


async def cancel(user: User, task_id: str) -> None:
    assert (await user.http.post(f"{API}/tasks/{task_id}/cancel")).status_code == 200


async def test_the_same_json_in_another_spelling_gives_the_same_task(user: User, db: Connection) -> None:
    photo = await user.photo()
    spellings = (
        f'{{"mode":"BACKGROUND_CHANGE","source_image":"{photo}","config":{{"size":"small","edge_blur":1.5}}}}',
        f'{{ "config": {{"edge_blur": 1.5,\n"size":"small"}}, "source_image":"{photo}",\t"mode":"BACKGROUND_CHANGE" }}',
    )
    first, second = [await user.http.post(f"{API}/tasks", content=body, headers=KEY) for body in spellings]
    assert (first.status_code, second.status_code) == (201, 200)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert second.json() == first.json()
    assert await count_tasks(db, user) == 1
    assert await credits_of(db, user) == 10_000 - 30


async def test_a_replay_tells_the_tasks_state_of_now(user: User) -> None:
    first = (await user.create(KEY)).json()
    await cancel(user, first["task_id"])
    again = await user.create(KEY)
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


async def test_another_body_is_422(user: User, db: Connection) -> None:
    await user.create(KEY, config={"size": "small"})
    for other in ({"config": {"size": "large"}}, {}, {"config": {"size": "small"}, "priority": "normal"}):
        problem(await user.create(KEY, **other), Code.IDEMPOTENCY_KEY_REUSED, 422)
    assert await count_tasks(db, user) == 1


@pytest.mark.parametrize("path", ["tasks", "tasks/batch", "tasks/{}/retry"])
async def test_two_keys_are_refused(user: User, db: Connection, path: str) -> None:
    """The one that counted would be a secret, and the other would be free to be charged again."""
    task = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    failed = await add_task(db, user.user_id, TaskStatus.FAILED)
    body = {"tasks": {**task}, "tasks/batch": {"tasks": [task]}}.get(path, {})
    keys = [("Idempotency-Key", "one"), ("Idempotency-Key", "another")]
    answer = await user.http.post(f"{API}/{path.format(failed.task_id)}", json=body, headers=keys)
    assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["Idempotency-Key"]
    assert await credits_of(db, user) == 10_000


async def test_twenty_twins_at_once_make_one_task_and_one_charge(user: User, db: Connection) -> None:
    await user.photo()
    answers = await asyncio.gather(*(user.create(KEY) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 19}
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    assert await count_tasks(db, user) == 1
    assert await credits_of(db, user) == 10_000 - 36


async def test_twins_with_credits_for_one_get_the_same_task(new_user: NewUser, db: Connection) -> None:
    user = await new_user(credits_=36)
    await user.photo()
    answers = await asyncio.gather(*(user.create(KEY) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 19}
    assert await credits_of(db, user) == 0


async def test_twins_that_differ_are_told_apart(user: User, db: Connection) -> None:
    await user.photo()
    sizes = ["small", "large"] * 10
    answers = await asyncio.gather(*(user.create(KEY, config={"size": size}) for size in sizes))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 9, 422: 10}
    assert await count_tasks(db, user) == 1


async def test_after_the_tasks_deletion_it_is_404_and_costs_nothing(user: User, db: Connection) -> None:
    first = (await user.create(KEY)).json()
    await cancel(user, first["task_id"])
    assert (await user.http.delete(f"{API}/tasks/{first['task_id']}")).status_code == 204
    problem(await user.create(KEY), Code.TASK_NOT_FOUND, 404)
    assert await count_tasks(db, user) == 0
    assert await credits_of(db, user) == 10_000


async def test_errors_are_not_kept(new_user: NewUser, db: Connection) -> None:
    user = await new_user(credits_=10)
    problem(await user.create(KEY), Code.INSUFFICIENT_CREDITS, 402)
    problem(await user.create(KEY, source_image="file_none"), Code.FILE_NOT_FOUND, 404)
    problem(await user.create(KEY, config={"x": 1}), Code.INVALID_REQUEST, 400)
    await db.execute("UPDATE users SET current_credits = 100 WHERE user_id = $1", user.user_id)
    assert (await user.create(KEY)).status_code == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "späß", "tab\there"], ids=repr)
async def test_a_key_is_up_to_255_visible_ascii_characters(user: User, db: Connection, key: str) -> None:
    answer = await user.http.post(
        f"{API}/tasks",
        json={"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()},
        headers=[(b"Idempotency-Key", key.encode())],
    )
    problem(answer, Code.INVALID_REQUEST, 400)
    assert await count_tasks(db, user) == 0


async def test_the_longest_key_and_the_oddest_serve(user: User) -> None:
    for key in ("x" * 255, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"):
        for status in (201, 200):
            assert (await user.create({"Idempotency-Key": key})).status_code == status


async def test_a_key_serves_for_24_hours(user: User, db: Connection) -> None:
    first = (await user.create(KEY)).json()
    age = "UPDATE idempotency_keys SET created_at = now() - $2::interval WHERE user_id = $1"
    await db.execute(age.replace("$2", "'23 hours 59 minutes'"), user.user_id)
    assert (await user.create(KEY)).json()["task_id"] == first["task_id"]
    await db.execute(age.replace("$2", "'24 hours 1 second'"), user.user_id)
    answers = await asyncio.gather(*(user.create(KEY, config={"size": "small"}) for _ in range(5)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 4}
    assert {answer.json()["task_id"] for answer in answers} != {first["task_id"]}
    assert await count_tasks(db, user) == 2


async def test_a_key_is_its_users_own(user: User, new_user: NewUser) -> None:
    other = await new_user()
    answers = [await one.create(KEY) for one in (user, other)]
    assert [answer.status_code for answer in answers] == [201, 201]


async def test_a_retry_takes_a_key_of_its_own(user: User, db: Connection) -> None:
    photo = await user.photo()
    assert (await user.create(KEY)).status_code == 201
    failed = await add_task(db, user.user_id, TaskStatus.FAILED, source_image=photo)
    other = await add_task(db, user.user_id, TaskStatus.FAILED, source_image=photo)
    retry = f"{API}/tasks/{failed.task_id}/retry"
    answers = await asyncio.gather(*(user.http.post(retry, headers=KEY) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 9}
    (made,) = {answer.json()["task_id"] for answer in answers}
    assert await credits_of(db, user) == 10_000 - 2 * 36
    problem(await user.http.post(f"{API}/tasks/{other.task_id}/retry", headers=KEY), Code.IDEMPOTENCY_KEY_REUSED, 422)
    # Also once the task that was tried again is gone.
    assert (await user.http.delete(f"{API}/tasks/{failed.task_id}")).status_code == 204
    replayed = await user.http.post(retry, headers=KEY)
    assert (replayed.status_code, replayed.json()["task_id"]) == (200, made)
    assert replayed.headers["idempotent-replayed"] == "true"
