"""A PostgreSQL that is full: whoever gets no connection is told to come back, within seconds; nothing is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from msgspec import structs

from service.accounts.users import create_user
from service.database import Pool
from service.settings import Settings
from tests import lives
from tests.chaos.crew import quick_worker
from tests.service.http.serving import API, User, client_of, problem, serving

FOR_EVERYBODY = 5
CREDITS = 10_000
A_FEW_SECONDS = 8.0
PATIENCE = 40.0
UNLIMITED = {"RATE_LIMIT_PER_MINUTE": "0"}


@pytest.fixture
async def crowded(settings: Settings, pool: Pool) -> AsyncGenerator[Settings]:
    """This test's database for a role that may have five connections, whoever uses it."""
    role, password = f"few_{token_hex(4)}", token_hex(8)
    async with pool.acquire() as connection:
        await connection.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD '{password}' CONNECTION LIMIT {FOR_EVERYBODY};"
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
        )
    parts = urlsplit(settings.database_url)
    netloc = f"{role}:{password}@{parts.netloc.rpartition('@')[2]}"
    yield structs.replace(settings, database_url=parts._replace(netloc=netloc).geturl())
    async with pool.acquire() as connection:
        await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def a_user(pool: Pool, client: httpx.AsyncClient) -> User:
    async with pool.acquire() as connection:
        made = await create_user(connection, f"{token_hex(6)}@example.com", credits_=CREDITS)
    client.headers["Authorization"] = f"Bearer {made.api_key}"
    return User(made.user_id, made.api_key, client)


def come_back(answer: httpx.Response) -> None:
    """It is told that this passes, and when."""
    problem(answer, answer.json()["code"], 503)
    assert answer.json()["code"] == "SERVICE_UNAVAILABLE"


async def timed(request: Any) -> tuple[float, httpx.Response]:
    began = time.monotonic()
    answer = await request
    return time.monotonic() - began, answer


@asynccontextmanager
async def nobody_else_writes_to(pool: Pool, table: str) -> AsyncGenerator[None]:
    """Whoever needs this table waits: it and its connection are held busy."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def create_in_the_end(user: User, number: int, refusals: Counter[int]) -> dict[str, Any]:
    """A task, asked for with the same key until somebody makes it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            took, answer = await timed(user.create(headers={"Idempotency-Key": f"task-{number}"}))
            assert took < A_FEW_SECONDS
            refusals[answer.status_code] += 1
            if answer.status_code in {200, 201}:
                return answer.json()
            come_back(answer)
            await asyncio.sleep(0.05)


async def done_in_the_end(user: User, task_id: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await user.http.get(f"{API}/tasks/{task_id}", params={"wait": 5})
            if answer.status_code == 200 and answer.json()["status"] == "done":
                return
            if answer.status_code != 200:
                come_back(answer)
                await asyncio.sleep(0.05)


async def charged_once(pool: Pool, users: dict[str, list[dict[str, Any]]]) -> None:
    """Every user has exactly the tasks they know of, and paid for each of them once."""
    await lives.assert_balanced(pool)
    for user_id, tasks in users.items():
        async with pool.acquire() as connection:
            ids = await connection.fetch("SELECT task_id FROM tasks WHERE user_id = $1", user_id)
        assert {row["task_id"] for row in ids} == {task["task_id"] for task in tasks}
        assert await lives.balance(pool, user_id) == CREDITS - sum(task["credits_consumed"] for task in tasks)


async def test_five_connections_for_everybody_are_enough(crowded: Settings, pool: Pool, tmp_path: Path) -> None:
    refusals: Counter[int] = Counter()
    with (
        quick_worker(crowded, tmp_path / "worker.log", {"WORKER_SLOTS": "2"}),
        serving(crowded, tmp_path / "api.log", UNLIMITED) as api,
    ):
        async with AsyncExitStack() as clients:
            users = [await a_user(pool, await clients.enter_async_context(client_of(api))) for _ in range(2)]
            for user in users:
                await user.photo()
            made: dict[str, list[dict[str, Any]]] = {user.user_id: [] for user in users}
            for task in await asyncio.gather(
                *(create_in_the_end(user, number, refusals) for user in users for number in range(30))
            ):
                made[task["user_id"]].append(task)
            for user in users:
                await asyncio.gather(*(done_in_the_end(user, task["task_id"]) for task in made[user.user_id]))
    assert refusals.keys() <= {200, 201, 503}
    await charged_once(pool, made)


async def test_with_every_connection_taken_the_answer_is_to_come_back(
    crowded: Settings, pool: Pool, tmp_path: Path
) -> None:
    refusals: Counter[int] = Counter()
    with (
        quick_worker(crowded, tmp_path / "worker.log"),
        serving(crowded, tmp_path / "api.log", UNLIMITED) as api,
    ):
        async with client_of(api) as client, AsyncExitStack() as taken:
            user = await a_user(pool, client)
            await user.photo()
            first = await create_in_the_end(user, 0, refusals)
            await done_in_the_end(user, first["task_id"])
            # Everything that is left of the role's five.
            while True:
                try:
                    held = await asyncpg.connect(crowded.database_url)
                except asyncpg.TooManyConnectionsError:
                    break
                taken.push_async_callback(held.close)
            async with nobody_else_writes_to(pool, "users"):
                began = time.monotonic()
                blocked = [asyncio.create_task(create_in_the_end(user, number, refusals)) for number in range(1, 9)]
                # Two are served when the table is free; the others wait in line for a connection, and are refused then.
                while refusals[503] < 6:
                    assert time.monotonic() - began < PATIENCE
                    await asyncio.sleep(0.01)
                assert (await client.get("/livez")).status_code == 200
            rest = await asyncio.gather(*blocked)
            for task in rest:
                await done_in_the_end(user, task["task_id"])
    await charged_once(pool, {user.user_id: [first, *rest]})


async def test_an_exhausted_pool_answers_within_seconds(settings: Settings, pool: Pool, tmp_path: Path) -> None:
    with serving(settings, tmp_path / "api.log", {**UNLIMITED, "DATABASE_POOL_SIZE": "2"}) as api:
        async with client_of(api) as client:
            user = await a_user(pool, client)
            await user.photo()
            async with nobody_else_writes_to(pool, "tasks"):
                # Two of them hold the pool's connections; the others wait for one.
                asked = [
                    asyncio.create_task(timed(user.create(headers={"Idempotency-Key": f"task-{number}"})))
                    for number in range(8)
                ]
                async with pool.acquire() as looking:
                    await lives.until_blocked(looking, 2)
                told = await asyncio.gather(
                    timed(user.http.get(f"{API}/me")),
                    timed(user.http.get(f"{API}/tasks")),
                    timed(user.upload(b"\xff\xd8 no photo")),
                )
                ready = await client.get("/readyz")
                assert (ready.status_code, ready.json()["database"]) == (503, "away")
                assert (await client.get("/livez")).status_code == 200
                refused = [task for task in asked if task.done()]
                assert len(refused) == 6
                for seconds, answer in [*told[:2], *(task.result() for task in refused)]:
                    come_back(answer)
                    assert seconds < A_FEW_SECONDS
                assert told[2][0] < A_FEW_SECONDS
            answers = [answer for _, answer in await asyncio.gather(*asked)]
            tasks = [answer.json() for answer in answers if answer.status_code == 201]
            assert len(tasks) == 2
            await charged_once(pool, {user.user_id: tasks})
            # The same keys now make the tasks that weren't made, and no others.
            again = [await user.create(headers={"Idempotency-Key": f"task-{number}"}) for number in range(8)]
            assert Counter(answer.status_code for answer in again) == {201: 6, 200: 2}
            await charged_once(pool, {user.user_id: [answer.json() for answer in again]})
