"""While the switch goes on, tasks that weren't imported yet are read in the old Redis, by their owners alone."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import msgspec
import pytest
import redis.asyncio as aioredis
from msgspec import Struct

from schema.models.problems import ProblemCode as Code
from service.database import Connection
from service.embedded.servers import EmbeddedServers
from service.legacy.moving import Wishes, import_everything
from service.legacy.readthrough import PATIENCE
from service.legacy.source import LegacyRedis
from service.legacy.telling import Everybody
from service.settings import Settings
from tests.databases import url_of_database
from tests.factories import add_file
from tests.service.http.conftest import NewUser
from tests.service.http.proxy import Proxy, proxied
from tests.service.http.serving import API, JSON, Api, User, problem, serving

OLD_DATABASE = 2
BUDGET = 0.1
"""Seconds that an answer may be delayed by."""
BUSY = 1.0
"""So much longer an answer may take on a busy machine; a Redis that is waited for takes longer still."""


class Old(Struct, frozen=True):
    """An API that reads through to an old Redis, which can be taken away."""

    api: Api
    redis: Proxy


@pytest.fixture(scope="module")
def old_session(servers: EmbeddedServers, http_settings: Settings, logs: Path) -> Generator[Old]:
    with proxied(url_of_database(servers.redis_url, str(OLD_DATABASE))) as redis:
        extra = {"LEGACY_REDIS_URL": redis.url, "RATE_LIMIT_PER_MINUTE": "0"}
        with serving(http_settings, logs / "old.log", extra) as running:
            yield Old(running, redis)


@pytest.fixture
def old(old_session: Old) -> Generator[Old]:
    yield old_session
    old_session.redis.let_through()


@pytest.fixture
async def old_redis(servers: EmbeddedServers) -> AsyncGenerator[aioredis.Redis]:
    client = aioredis.Redis.from_url(url_of_database(servers.redis_url, str(OLD_DATABASE)))
    yield client
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def owner(old: Old, new_user: NewUser) -> User:
    return await new_user(old.api)


async def put(client: aioredis.Redis, user_id: str | None, status: str = "done", **fields: Any) -> str:
    """Write a task as the old system does; its id."""
    task_id = f"task_1764915114_{token_hex(3)}"
    data = {"mode": "HEAD_SWAP", "source_image": "file_1764915114_a1b2c3", "config": {"quality": "high", "old": "键"}}
    hash_: dict[str, Any] = {
        "task_id": task_id,
        "status": status,
        "data": msgspec.json.encode({**data, "user_id": user_id, "credits_consumed": 72}),
        "created_at": "2025-12-05T06:11:54",
        "updated_at": "2025-12-05T06:12:04",
    }
    if status == "done":
        result: JSON = {
            "output_image": "/results/a/output.jpg",
            "thumbnail": None,
            "comparison_image": None,
            "metadata": {},
        }
        hash_ |= {"result": msgspec.json.encode(result), "completed_at": "2025-12-05T06:12:04", "progress": "100"}
    if status == "failed":
        hash_ |= {"error": msgspec.json.encode({"code": "OLD_CODE", "message": "It failed."})}
    await client.hset(f"formy:task:data:{task_id}", mapping={**hash_, **fields})
    return task_id


async def ask(owner: User, method: str, path: str, **request: Any) -> httpx.Response:
    """An answer in which the old Redis had its say: on a busy machine it may not have one in time at first."""
    deadline = time.monotonic() + 30
    while (answer := await owner.http.request(method, f"{API}/tasks/{path}", **request)).status_code == 503:
        assert time.monotonic() < deadline, answer.text
    return answer


async def look(owner: User, task_id: str) -> JSON:
    return (await ask(owner, "GET", task_id)).raise_for_status().json()


async def test_its_stream_tells_what_the_old_system_does(owner: User, old_redis: aioredis.Redis) -> None:
    task_id = await put(old_redis, owner.user_id, "processing")
    await look(owner, task_id)
    reading = asyncio.create_task(ask(owner, "GET", f"{task_id}/events"))
    done, _ = await asyncio.wait([reading], timeout=1)
    assert not done
    await old_redis.hset(f"formy:task:data:{task_id}", "status", "cancelled")
    told = (await reading).text
    assert re.findall(r'event: (\w+)\s+data: .*?"status":"(\w+)"', told) == [
        ("status", "processing"),
        ("status", "cancelled"),
    ]
    last = {"Last-Event-ID": re.findall(r"id: (\S+)", told)[-1]}
    assert (await ask(owner, "GET", f"{task_id}/events", headers=last)).status_code == 204


async def test_the_owner_sees_a_task_that_was_not_imported(owner: User, old_redis: aioredis.Redis) -> None:
    task_id = await put(old_redis, owner.user_id)
    task = await look(owner, task_id)
    assert (task["task_id"], task["status"], task["mode"]) == (task_id, "done", "HEAD_SWAP")
    assert task["result"]["output_image"] == "/results/a/output.jpg"
    assert task["config"] == {"quality": "high", "old": "键"}
    assert (task["credits_consumed"], task["processing_time"]) == (72, 10.0)
    assert (task["created_at"], task["completed_at"]) == ("2025-12-05T06:11:54Z", "2025-12-05T06:12:04Z")


async def test_it_looks_the_same_once_it_was_imported(
    owner: User, old_redis: aioredis.Redis, db: Connection, servers: EmbeddedServers
) -> None:
    ids = [await put(old_redis, owner.user_id, status) for status in ("done", "failed", "cancelled", "pending")]
    before = [await look(owner, task_id) for task_id in ids]
    source = LegacyRedis(url_of_database(servers.redis_url, str(OLD_DATABASE)), "formy:")
    await import_everything(db, source, Wishes(prefix="formy:"), Everybody())
    await old_redis.flushdb()
    assert [await look(owner, task_id) for task_id in ids] == before


async def test_a_running_one_is_seen_as_it_is_now_though_it_was_imported(
    owner: User, old_redis: aioredis.Redis, db: Connection, servers: EmbeddedServers
) -> None:
    task_id = await put(old_redis, owner.user_id, "processing", progress="10")
    source = LegacyRedis(url_of_database(servers.redis_url, str(OLD_DATABASE)), "formy:")
    await import_everything(db, source, Wishes(prefix="formy:"), Everybody())
    await old_redis.hset(f"formy:task:data:{task_id}", "progress", "60")  # pyright: ignore[reportGeneralTypeIssues]
    assert (await look(owner, task_id))["progress"] == 60
    problem(await ask(owner, "POST", f"{task_id}/cancel"), Code.TASK_NOT_CANCELLABLE, 409)
    problem(await ask(owner, "DELETE", task_id), Code.TASK_NOT_FINISHED, 409)


@pytest.mark.parametrize("theirs", ["somebody_elses", None])
async def test_nobody_else_sees_it(owner: User, old_redis: aioredis.Redis, theirs: str | None) -> None:
    task_id = await put(old_redis, theirs)
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
        answer = await ask(owner, method, task_id + path)
        problem(answer, Code.TASK_NOT_FOUND, 404)
    assert await old_redis.exists(f"formy:task:data:{task_id}")


@pytest.mark.parametrize("broken", [{"data": "{"}, {"status": "?"}])
async def test_what_cannot_be_read_is_not_found(owner: User, old_redis: aioredis.Redis, broken: JSON) -> None:
    task_id = await put(old_redis, owner.user_id, **broken)
    problem(await ask(owner, "GET", task_id), Code.TASK_NOT_FOUND, 404)


async def test_what_lies_under_its_key_need_not_be_a_task(owner: User, old_redis: aioredis.Redis) -> None:
    await old_redis.set("formy:task:data:task_20251117_xyz789", "a string")
    problem(await ask(owner, "GET", "task_20251117_xyz789"), Code.TASK_NOT_FOUND, 404)


async def test_a_waiting_one_cannot_be_cancelled_nor_deleted_here(owner: User, old_redis: aioredis.Redis) -> None:
    task_id = await put(old_redis, owner.user_id, "pending")
    problem(await ask(owner, "POST", f"{task_id}/cancel"), Code.TASK_NOT_CANCELLABLE, 409)
    problem(await ask(owner, "DELETE", task_id), Code.TASK_NOT_FINISHED, 409)
    assert (await look(owner, task_id))["status"] == "pending"


async def test_a_deleted_one_stays_away_though_the_old_system_keeps_it(
    owner: User, old_redis: aioredis.Redis, db: Connection, servers: EmbeddedServers
) -> None:
    task_id = await put(old_redis, owner.user_id)
    assert (await ask(owner, "DELETE", task_id)).status_code == 204
    problem(await ask(owner, "GET", task_id), Code.TASK_NOT_FOUND, 404)
    source = LegacyRedis(url_of_database(servers.redis_url, str(OLD_DATABASE)), "formy:")
    await import_everything(db, source, Wishes(prefix="formy:"), Everybody())
    problem(await ask(owner, "GET", task_id), Code.TASK_NOT_FOUND, 404)
    assert await old_redis.exists(f"formy:task:data:{task_id}")


async def test_a_failed_one_can_be_retried_here(owner: User, old_redis: aioredis.Redis, db: Connection) -> None:
    task_id = await put(old_redis, owner.user_id, "failed")
    problem(await ask(owner, "POST", f"{task_id}/retry"), Code.FILE_NOT_FOUND, 404)
    await add_file(db, owner.user_id, file_id="file_1764915114_a1b2c3")
    answer = await ask(owner, "POST", f"{task_id}/retry")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["retry_of"], answer.json()["credits_consumed"]) == (task_id, 72)
    await db.execute("DELETE FROM files WHERE file_id = 'file_1764915114_a1b2c3'")


async def test_a_retry_of_what_was_never_judged_fits_and_is_judged(owner: User, old_redis: aioredis.Redis) -> None:
    data = {"mode": "HEAD_SWAP", "source_image": "file_1764915114_a1b2c3", "user_id": owner.user_id}
    odd = msgspec.json.encode({**data, "config": {"blend_strength": "very"}})
    task_id = await put(old_redis, owner.user_id, "failed", data=odd)
    answer = problem(await ask(owner, "POST", f"{task_id}/retry"), Code.FILE_NOT_FOUND, 404)
    assert answer["errors"][0]["field"] == "source_image"


async def test_who_waits_hears_of_its_end(owner: User, old_redis: aioredis.Redis) -> None:
    task_id = await put(old_redis, owner.user_id, "processing")
    answer = await ask(owner, "GET", task_id, params={"wait": 2})
    assert answer.json()["status"] == "processing"
    assert 1.9 < answer.elapsed.total_seconds() < 4
    await old_redis.hset(f"formy:task:data:{task_id}", "status", "failed")  # pyright: ignore[reportGeneralTypeIssues]
    assert (await ask(owner, "GET", task_id, params={"wait": 30})).json()["status"] == "failed"


@pytest.mark.parametrize("away", [Proxy.shut, Proxy.fall_silent])
async def test_an_old_redis_that_is_away_delays_nothing(
    old: Old, owner: User, old_redis: aioredis.Redis, away: Callable[[Proxy], None]
) -> None:
    assert PATIENCE < BUDGET
    mine = await owner.task()
    theirs = await put(old_redis, owner.user_id)
    never = "task_0123456789abcdefghjkmnpqrs"
    away(old.redis)
    began = time.monotonic()
    assert (await owner.http.get(f"{API}/tasks/{mine['task_id']}")).status_code == 200
    problem(await owner.http.get(f"{API}/tasks/{never}"), Code.TASK_NOT_FOUND, 404)
    without = (time.monotonic() - began) / 2
    for _ in range(3):
        began = time.monotonic()
        problem(await owner.http.get(f"{API}/tasks/{theirs}"), Code.SERVICE_UNAVAILABLE, 503)
        assert time.monotonic() - began < without + PATIENCE + BUSY
    old.redis.let_through()
    deadline = time.monotonic() + 5
    while (answer := await owner.http.get(f"{API}/tasks/{theirs}")).status_code != 200:
        problem(answer, Code.SERVICE_UNAVAILABLE, 503)
        assert time.monotonic() < deadline


async def test_one_that_is_far_away_is_waited_for(old: Old, owner: User, old_redis: aioredis.Redis) -> None:
    theirs = await put(old_redis, owner.user_id)
    # No connection that is there already helps.
    old.redis.shut()
    old.redis.let_through()
    old.redis.move_away(PATIENCE)
    for _ in range(3):
        assert (await ask(owner, "GET", theirs)).status_code == 200
