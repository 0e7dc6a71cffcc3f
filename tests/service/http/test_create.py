"""POST /api/v1/tasks: what is written, what it costs, and everything that is refused."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
import redis.asyncio as aioredis

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.database import Connection
from tests.factories import add_file, add_task
from tests.service.http.conftest import Fragile, NewUser
from tests.service.http.looking import (
    count_tasks,
    credits_of,
    eventually,
    is_queued,
    ledger,
    record_of,
    until_queued,
)
from tests.service.http.serving import API, PHOTO, Api, User, fields_of, problem


async def test_the_task_is_in_the_database_its_id_in_the_queue_and_the_right_task_is_returned(
    user: User, db: Connection, redis_client: aioredis.Redis
) -> None:
    photo = await user.photo()
    answer = await user.http.post(f"{API}/tasks", json={"mode": "HEAD_SWAP", "source_image": photo, "config": {}})
    assert answer.status_code == 201
    task = answer.json()
    assert answer.headers["location"] == f"{API}/tasks/{task['task_id']}"
    assert "idempotent-replayed" not in answer.headers
    assert (await user.http.get(answer.headers["location"])).json() == task
    assert task == {
        **task,
        "user_id": user.user_id,
        "status": "pending",
        "mode": "HEAD_SWAP",
        "progress": 0,
        "current_step": None,
        "source_image": photo,
        "reference_image": None,
        "config": {},
        "result": None,
        "error": None,
        "credits_consumed": 48,
        "credits_refunded": 0,
        "attempts": 0,
        "priority": "normal",
        "retry_of": None,
        "started_at": None,
        "completed_at": None,
        "failed_at": None,
        "cancelled_at": None,
        "processing_time": None,
    }
    record = await until_queued(redis_client, db, task["task_id"])
    assert (record.user_id, record.status, record.source_image) == (user.user_id, TaskStatus.PENDING, photo)
    assert await ledger(db, user) == [("opening", 10_000, None), ("charge", -48, task["task_id"])]
    assert await credits_of(db, user) == 10_000 - 48


async def test_dispatched_tasks_lose_their_mark(user: User, db: Connection, redis_client: aioredis.Redis) -> None:
    task = await user.task()
    await until_queued(redis_client, db, task["task_id"])

    async def struck_off() -> bool:
        return (await record_of(db, task["task_id"])).dispatched_at is not None

    await eventually(struck_off, "dispatched_at")


async def test_a_task_has_the_contracts_fields(user: User) -> None:
    assert set(await user.task()) == {
        "task_id", "user_id", "status", "mode", "progress", "current_step", "source_image", "reference_image", "config",
        "result", "error", "credits_consumed", "credits_refunded", "attempts", "priority", "retry_of", "created_at",
        "updated_at", "started_at", "completed_at", "failed_at", "cancelled_at", "processing_time", "events_url",
        "batch_id", "deadline_at", "queue",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "config", "price"),
    [
        ("HEAD_SWAP", {"size": "small"}, 40),
        ("HEAD_SWAP", {}, 48),
        ("HEAD_SWAP", {"size": None, "quality": None}, 48),
        ("HEAD_SWAP", {"quality": "low"}, 48),
        ("HEAD_SWAP", {"quality": "medium", "size": "medium"}, 48),
        ("HEAD_SWAP", {"quality": "high"}, 72),
        ("HEAD_SWAP", {"quality": "ultra", "size": "xlarge"}, 160),
        ("BACKGROUND_CHANGE", {"size": "small", "quality": "standard"}, 30),
        ("BACKGROUND_CHANGE", {}, 36),
        ("BACKGROUND_CHANGE", {"quality": "high"}, 54),
        ("BACKGROUND_CHANGE", {"quality": "high", "size": "large"}, 68),  # 67.5
        ("BACKGROUND_CHANGE", {"quality": "ultra", "size": "medium"}, 72),
        ("POSE_CHANGE", {"size": "small"}, 50),
        ("POSE_CHANGE", {}, 60),
        ("POSE_CHANGE", {"quality": "high", "size": "large"}, 113),  # 112.5
        ("POSE_CHANGE", {"quality": "ultra", "size": "xlarge"}, 200),
    ],
)
async def test_the_price_is_by_mode_quality_and_size(
    user: User, db: Connection, mode: str, config: dict[str, Any], price: int
) -> None:
    task = await user.task(mode=mode, config=config)
    assert (task["credits_consumed"], task["config"]) == (price, config)
    assert await credits_of(db, user) == 10_000 - price
    me = await user.me()
    assert (me["current_credits"], me["total_credits_used"]) == (10_000 - price, price)


@pytest.mark.parametrize(
    ("mode", "alias"),
    [
        *(("HEAD_SWAP", alias) for alias in ("reference_image", "target_face_image", "cloth_image")),
        *(("BACKGROUND_CHANGE", alias) for alias in ("reference_image", "background_image", "bg_image")),
        *(("POSE_CHANGE", alias) for alias in ("reference_image", "pose_reference", "pose_image")),
    ],
)
async def test_the_reference_may_travel_in_config(user: User, mode: str, alias: str) -> None:
    photo = await user.photo()
    assert (await user.task(mode=mode, config={alias: photo}))["reference_image"] == photo
    same = await user.task(mode=mode, reference_image=photo, config={alias: photo})
    assert same["reference_image"] == photo
    differing = await user.create(mode=mode, reference_image=photo, config={alias: "file_other"})
    assert fields_of(problem(differing, Code.INVALID_REQUEST, 400)) == [f"config.{alias}"]
    unknown = await user.create(mode=mode, config={alias: "file_other"})
    problem(unknown, Code.FILE_NOT_FOUND, 404)


async def test_a_custom_background_needs_a_reference(user: User) -> None:
    config = {"background_type": "custom"}
    assert fields_of(problem(await user.create(config=config), Code.INVALID_REQUEST, 400)) == ["reference_image"]
    assert (await user.create(config=config, reference_image=await user.photo())).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"user_id": "usr_other"}, "user_id"),
        ({"config": {"colour": "red"}}, "config.colour"),
        ({"config": {"smoothness": 0.5}}, "config.smoothness"),
        ({"mode": "FACE_SWAP"}, "mode"),
        ({"mode": None}, "mode"),
        ({"mode": 1}, "mode"),
        ({"source_image": 1}, "source_image"),
        ({"source_image": None}, "source_image"),
        ({"source_image": ""}, "source_image"),
        ({"source_image": "../../etc/passwd"}, "source_image"),
        ({"source_image": "file_a\n"}, "source_image"),
        ({"source_image": "file_\0"}, "source_image"),
        ({"source_image": "x" * 200_000}, "source_image"),
        ({"source_image": ["file_a"]}, "source_image"),
        ({"reference_image": "../../etc/passwd"}, "reference_image"),
        ({"reference_image": 5}, "reference_image"),
        ({"config": None}, "config"),
        ({"config": []}, "config"),
        ({"config": "{}"}, "config"),
        ({"config": {"quality": "best"}}, "config.quality"),
        ({"config": {"size": 1024}}, "config.size"),
        ({"config": {"edge_blur": 10.1}}, "config.edge_blur"),
        ({"config": {"edge_blur": -1}}, "config.edge_blur"),
        ({"config": {"edge_blur": "3"}}, "config.edge_blur"),
        ({"config": {"edge_blur": True}}, "config.edge_blur"),
        ({"config": {"color_match": "true"}}, "config.color_match"),
        ({"config": {"color_match": 1}}, "config.color_match"),
        ({"config": {"background_type": "blur"}}, "config.background_type"),
        ({"config": {"background_preset": "../secret"}}, "config.background_preset"),
        ({"config": {"background_preset": "nonexistent"}}, "config.background_preset"),
        ({"config": {"bg_image": "../../etc/passwd"}}, "config.bg_image"),
        ({"mode": "HEAD_SWAP", "config": {"blend_strength": 1.01}}, "config.blend_strength"),
        ({"mode": "HEAD_SWAP", "config": {"blend_strength": 10**4000}}, "config.blend_strength"),
        ({"mode": "POSE_CHANGE", "config": {"preserve_face": None, "smoothness": []}}, "config.smoothness"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": 1}, "priority"),
        ({"webhook_url": 1}, "webhook_url"),
        ({"webhook_url": "x" * 2001}, "webhook_url"),
        ({"webhook_url": "ftp://example.com/"}, "webhook_url"),
        ({"webhook_url": "http://example.com/\0"}, "webhook_url"),
        ({"webhook_url": "http://127.0.0.1/hook"}, "webhook_url"),
        ({"webhook_url": "http://[::1]/hook"}, "webhook_url"),
        ({"webhook_url": "http://10.1.2.3/hook"}, "webhook_url"),
        ({"webhook_url": "http://169.254.169.254/latest"}, "webhook_url"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_bad_input_is_named(user: User, db: Connection, body: dict[str, Any], field: str) -> None:
    answer = problem(await user.create(**body), Code.INVALID_REQUEST, 400)
    assert fields_of(answer) == [field]
    assert len(str(answer)) < 2000
    assert await count_tasks(db, user) == 0
    assert await credits_of(db, user) == 10_000


async def test_missing_fields_are_named(user: User) -> None:
    for body, field in (({"mode": "HEAD_SWAP"}, "source_image"), ({"source_image": "file_a"}, "mode")):
        answer = await user.http.post(f"{API}/tasks", json=body)
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == [field]


async def test_a_config_of_100_000_elements_is_refused(user: User, db: Connection) -> None:
    for config in (
        {f"k{n}": 1 for n in range(90_000)},
        {"edge_blur": [1] * 100_000},
        {f"k{n}": n for n in range(100_000)},
    ):
        problem(await user.create(config=config), Code.INVALID_REQUEST, 400)
    assert await count_tasks(db, user) == 0


@pytest.mark.parametrize(
    ("url", "priority"), [("https://example.com/hook?x=1", "high"), ("https://93.184.216.34:8443/", "low")]
)
async def test_a_webhook_and_a_priority_are_kept(user: User, db: Connection, url: str, priority: str) -> None:
    task = await user.task(webhook_url=url, priority=priority)
    record = await record_of(db, task["task_id"])
    assert (record.webhook_url, record.priority, task["priority"]) == (url, priority, priority)
    assert record.line == {"high": 1, "low": 3}[priority]


async def test_unknown_and_foreign_files_are_not_found(user: User, new_user: NewUser, db: Connection) -> None:
    other = await new_user()
    mine, theirs, nobodys = await user.photo(), await other.photo(), await add_file(db, None)
    for name in (theirs, nobodys.file_id, "file_none"):
        wrong: list[dict[str, Any]] = [{"source_image": name}, {"source_image": mine, "reference_image": name}]
        for body in wrong:
            answer = problem(await user.create(**body), Code.FILE_NOT_FOUND, 404)
            assert name in answer["detail"]
    assert await count_tasks(db, user) == 0


async def test_too_few_credits_are_402(new_user: NewUser, db: Connection) -> None:
    poor = await new_user(credits_=35)
    answer = problem(await poor.create(), Code.INSUFFICIENT_CREDITS, 402)
    assert (answer["required"], answer["current"], answer["deficit"]) == (36, 35, 1)
    assert await count_tasks(db, poor) == 0
    assert await credits_of(db, poor) == 35
    # 30 are enough for a small one.
    assert (await poor.task(config={"size": "small"}))["credits_consumed"] == 30


async def test_an_unavailable_mode_writes_and_charges_nothing(
    new_user: NewUser, strict_api: Api, db: Connection
) -> None:
    user = await new_user(strict_api)
    answer = await user.create({"Idempotency-Key": "a"}, mode="HEAD_SWAP")
    problem(answer, Code.MODE_NOT_AVAILABLE, 503)
    assert await count_tasks(db, user) == 0
    assert await ledger(db, user) == [("opening", 10_000, None)]
    # Errors aren't kept: the same key serves for the next.
    assert (await user.create({"Idempotency-Key": "a"}, mode="BACKGROUND_CHANGE")).status_code == 201


async def test_where_several_errors_apply_the_contracts_order_decides(
    new_user: NewUser, strict_api: Api, db: Connection
) -> None:
    """401, 400, idempotency, 404, pending 429, 402, 503; the rate's 429, after 401, is in test_limits.py."""
    user = await new_user(strict_api, credits_=36)
    photo = await user.photo()
    used = {"Idempotency-Key": "used"}
    assert (await user.create(used)).status_code == 201
    for _ in range(4):
        await add_task(db, user.user_id)
    wrong: dict[str, Any] = {"mode": "HEAD_SWAP", "source_image": "file_none", "reference_image": None}
    unauthorized = await user.http.post(f"{API}/tasks", json={**wrong, "x": 1}, headers={"Authorization": "Bearer x"})
    problem(unauthorized, Code.UNAUTHORIZED, 401)
    problem(await user.create(used, **wrong, x=1), Code.INVALID_REQUEST, 400)
    problem(await user.create(used, **wrong), Code.IDEMPOTENCY_KEY_REUSED, 422)
    problem(await user.create(**wrong), Code.FILE_NOT_FOUND, 404)
    wrong["source_image"] = photo
    problem(await user.create(**wrong), Code.TOO_MANY_PENDING_TASKS, 429)
    await db.execute("DELETE FROM tasks WHERE user_id = $1 AND credits_consumed = 0", user.user_id)
    problem(await user.create(**wrong), Code.INSUFFICIENT_CREDITS, 402)
    await db.execute("UPDATE users SET current_credits = 1000 WHERE user_id = $1", user.user_id)
    problem(await user.create(**wrong), Code.MODE_NOT_AVAILABLE, 503)


async def test_fifty_creates_at_once_with_credits_for_twenty_make_exactly_twenty(
    new_user: NewUser, db: Connection
) -> None:
    user = await new_user(credits_=20 * 36 + 35)
    await user.photo()
    answers = await asyncio.gather(*(user.create() for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 20, 402: 30}
    assert await count_tasks(db, user) == 20
    assert await credits_of(db, user) == 35
    charges = [entry for entry in await ledger(db, user) if entry[0] == "charge"]
    assert sorted(task_id for _, _, task_id in charges if task_id) == sorted(
        answer.json()["task_id"] for answer in answers if answer.status_code == 201
    )


async def test_the_cap_on_waiting_tasks_is_strict_under_thirty_creates_at_once(
    new_user: NewUser, strict_api: Api, db: Connection
) -> None:
    user = await new_user(strict_api)
    await user.photo()
    answers = await asyncio.gather(*(user.create() for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {201: 5, 429: 25}
    refused = next(answer for answer in answers if answer.status_code == 429)
    problem(refused, Code.TOO_MANY_PENDING_TASKS, 429)
    assert await count_tasks(db, user) == 5
    assert await credits_of(db, user) == 10_000 - 5 * 36
    # One that is cancelled makes place for one.
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    assert (await user.http.post(f"{API}/tasks/{made['task_id']}/cancel")).status_code == 200
    assert [(await user.create()).status_code for _ in range(2)] == [201, 429]


async def test_redis_being_away_does_not_fail_a_create(
    new_user: NewUser, fragile: Fragile, db: Connection, redis_client: aioredis.Redis
) -> None:
    user = await new_user(fragile.api)
    await user.photo()
    fragile.redis.shut()
    task = await user.task()
    record = await record_of(db, task["task_id"])
    assert (record.status, record.dispatched_at) == (TaskStatus.PENDING, None)
    assert not await is_queued(redis_client, record)
    assert await credits_of(db, user) == 10_000 - 36


async def test_postgresql_being_away_is_503_and_nothing_happens(
    new_user: NewUser, fragile: Fragile, db: Connection
) -> None:
    user = await new_user(fragile.api)
    await user.photo()
    fragile.database.shut()
    problem(await user.create(), Code.SERVICE_UNAVAILABLE, 503)
    problem(await user.upload(PHOTO), Code.SERVICE_UNAVAILABLE, 503)
    problem(await user.http.get(f"{API}/tasks"), Code.SERVICE_UNAVAILABLE, 503)
    fragile.database.let_through()
    assert (await user.http.get(f"{API}/tasks/stats")).json()["total"] == 0
    assert await ledger(db, user) == [("opening", 10_000, None)]
    assert (await user.create()).status_code == 201


async def test_a_body_in_any_spelling_of_json_is_understood(user: User) -> None:
    photo = await user.photo()
    body = f'\n{{"source_image" :"{photo}" , "m\\u006fde":"BACKGROUND_CHANGE"}}\t'.encode()
    for content_type in ("application/json", "application/json; charset=utf-8", "text/plain"):
        answer = await user.http.post(f"{API}/tasks", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 201


async def test_another_method_or_an_anonymous_client_creates_nothing(anonymous: httpx.AsyncClient) -> None:
    problem(await anonymous.post(f"{API}/tasks", json={"mode": "HEAD_SWAP"}), Code.UNAUTHORIZED, 401)
    problem(await anonymous.put(f"{API}/tasks", json={}), Code.METHOD_NOT_ALLOWED, 405)
