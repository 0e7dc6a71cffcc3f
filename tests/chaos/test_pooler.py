"""Everything through a pooler in transaction mode, which gives each transaction another session."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec import Struct, structs

from service.accounts.users import create_user
from service.database import Pool, connect
from service.database.migrations import all_migrations
from service.database.statements import load_queries
from service.health.diagnosis import examine
from service.health.findings import Health
from service.settings import Settings
from tests import lives
from tests.chaos.crew import quick_worker
from tests.chaos.pgbouncer import Bouncer, needs_pgbouncer, pooled
from tests.running import environment, run_command
from tests.service.http.serving import API, Api, User, client_of, problem, serving

pytestmark = needs_pgbouncer

SESSIONS = 4
POOLED = {"DATABASE_POOLER": "transaction", "RATE_LIMIT_PER_MINUTE": "0"}
PATIENCE = 30.0
ENDED = {"done", "failed", "cancelled"}
KEPT_BY_THE_POOLER = {"application_name", "client_encoding", "DateStyle", "standard_conforming_strings", "TimeZone"}
"""Settings of a session that pgbouncer itself follows from client to client."""


class Stack(Struct, frozen=True):
    """Two APIs, two users, and the pooler between them, a worker and PostgreSQL."""

    apis: list[Api]
    users: list[User]
    bouncer: Bouncer


async def through(url: str) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(url, statement_cache_size=0)


@pytest.fixture
async def stack(settings: Settings, pool: Pool, tmp_path: Path) -> AsyncGenerator[Stack]:
    async with AsyncExitStack() as clients:
        with ExitStack() as processes:
            bouncer = processes.enter_context(pooled(settings.database_url, tmp_path, sessions=SESSIONS))
            behind = structs.replace(settings, database_url=bouncer.url)
            processes.enter_context(quick_worker(behind, tmp_path / "worker.log", POOLED))
            apis = [processes.enter_context(serving(behind, tmp_path / f"api{n}.log", POOLED)) for n in range(2)]
            users: list[User] = []
            for n, api in enumerate(apis):
                async with pool.acquire() as connection:
                    made = await create_user(connection, f"user{n}@example.com", credits_=10_000)
                client = await clients.enter_async_context(client_of(api, made.api_key))
                users.append(User(made.user_id, made.api_key, client))
            yield Stack(apis, users, bouncer)


async def ended(user: User, task_id: str) -> dict[str, Any]:
    """The task once it has ended; answers that tell to come back are obeyed."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await user.http.get(f"{API}/tasks/{task_id}", params={"wait": 5})
            if answer.status_code == 200 and answer.json()["status"] in ENDED:
                return answer.json()
            assert answer.status_code in {200, 503}, answer.text


async def eventually_created(user: User, headers: dict[str, str]) -> httpx.Response:
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await user.create(headers=headers)
            if answer.status_code != 503:
                assert answer.status_code == 201, answer.text
                return answer
            await asyncio.sleep(0.05)


async def sessions_keep_nothing(bouncer: Bouncer) -> None:
    """Look into every session that the pooler has: by a transaction in each of them at the same time."""
    clients = [await through(bouncer.url) for _ in range(bouncer.sessions)]
    try:
        for client in clients:
            await client.execute("BEGIN")
        seen = {await client.fetchval("SELECT pg_backend_pid()") for client in clients}
        assert len(seen) == bouncer.sessions
        for client in clients:
            changed = await client.fetch("SELECT name, setting FROM pg_settings WHERE source = 'session'")
            assert {row["name"] for row in changed} <= KEPT_BY_THE_POOLER, changed
            assert await client.fetch("SELECT name FROM pg_prepared_statements WHERE name <> ''") == []
            assert await client.fetch("SELECT pg_listening_channels()") == []
            assert await client.fetch("SELECT * FROM pg_cursors WHERE name <> ''") == []
            assert await client.fetch("SELECT relname FROM pg_class WHERE pg_is_other_temp_schema(relnamespace)") == []
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = ANY($1)"
        assert await clients[0].fetchval(locks, list(seen)) == 0
        for client in clients:
            await client.execute("ROLLBACK")
    finally:
        for client in clients:
            await client.close()


async def test_two_machines_migrate_at_once(empty_database: str, redis_url: str, tmp_path: Path) -> None:
    with pooled(empty_database, tmp_path, sessions=SESSIONS) as bouncer:
        settings = Settings(database_url=bouncer.url, redis_url=redis_url, storage_url="file:///nowhere")
        command = [sys.executable, "-m", "service.cli.main", "migrate"]
        both = [
            await asyncio.create_subprocess_exec(*command, env=environment(settings, POOLED), stdout=PIPE, stderr=PIPE)
            for _ in range(2)
        ]
        answers = await asyncio.gather(*(process.communicate() for process in both))
        assert [process.returncode for process in both] == [0, 0], answers
        connection = await through(empty_database)
        names = await connection.fetch("SELECT name FROM schema_migrations ORDER BY version")
        await connection.close()
        assert [row["name"] for row in names] == [migration.name for migration in all_migrations()]
        # Each file was applied by one of the two.
        told = b"".join(out for out, _ in answers).decode()
        assert [told.count(migration.name) for migration in all_migrations()] == [1] * len(all_migrations())
        await sessions_keep_nothing(bouncer)


async def live(user: User, number: int) -> None:
    """Create, list, wait, cancel, retry: what clients do."""
    keyed = {"Idempotency-Key": f"key-{number}"}
    created = [await user.create(headers=keyed) for _ in range(2)]
    assert [answer.status_code for answer in created] == [201, 200], [answer.text for answer in created]
    task = created[0].json()
    assert created[1].json()["task_id"] == task["task_id"]
    if number % 3 == 0:
        cancelled = await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")
        assert cancelled.status_code in {200, 409}, cancelled.text
        if cancelled.status_code == 200:
            retried = await user.http.post(f"{API}/tasks/{task['task_id']}/retry")
            assert retried.status_code == 201, retried.text
            task = retried.json()
    listed = await user.http.get(f"{API}/tasks", params={"page_size": 100})
    assert task["task_id"] in {one["task_id"] for one in listed.json()["tasks"]}
    assert (await ended(user, task["task_id"]))["status"] == "done"
    assert (await user.http.get(f"{API}/me/credits")).status_code == 200


async def test_whole_lives_leave_nothing_in_a_session(stack: Stack, pool: Pool) -> None:
    for user in stack.users:
        await user.photo()
    await asyncio.gather(*(live(user, n) for user in stack.users for n in range(12)))
    await lives.assert_balanced(pool)
    async with pool.acquire() as connection:
        counted = await connection.fetch("SELECT status, count(*) FROM tasks GROUP BY status")
    assert {row["status"]: row["count"] for row in counted}["done"] == 24
    assert {row["status"] for row in counted} <= {"done", "cancelled"}
    await sessions_keep_nothing(stack.bouncer)


async def test_no_statement_makes_the_driver_ask_for_a_type(database_url: str) -> None:
    """Looking up a type that it doesn't know, asyncpg turns a setting off, which stays in somebody else's session.

    An adoption is one transaction, which has its session for itself until the setting is back.
    """
    names = {file.name for file in files("schema").joinpath("queries").iterdir()}
    tables = sorted(names - {"adoption.sql"})
    statements = [one for table in tables for one in load_queries(table.removesuffix(".sql")).values()]
    assert statements
    connection = await asyncpg.connect(database_url)
    asked: list[str] = []
    connection.add_query_logger(lambda record: asked.append(record.query))
    for statement in statements:
        await connection.prepare(statement.sql)
        assert asked == [], statement.name
    await connection.close()


async def test_a_pooler_that_dies_loses_nothing(stack: Stack, pool: Pool) -> None:
    user = stack.users[0]
    await user.photo()
    before = await asyncio.gather(*(user.task() for _ in range(10)))
    stack.bouncer.kill()
    refused = await asyncio.wait_for(user.create(headers={"Idempotency-Key": "meanwhile"}), 8)
    problem(refused, refused.json()["code"], 503)
    assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
    stack.bouncer.start()
    again = await eventually_created(user, {"Idempotency-Key": "meanwhile"})
    for task in [*before, again.json()]:
        assert (await ended(user, task["task_id"]))["status"] == "done"
    await lives.assert_balanced(pool)
    assert (await user.me())["current_credits"] == 10_000 - sum(
        task["credits_consumed"] for task in [*before, again.json()]
    )


def pooler_finding(settings: Settings, extra: dict[str, str]) -> dict[str, Any]:
    answer = run_command("doctor", "--json", settings=settings, extra=extra)
    findings: list[dict[str, Any]] = json.loads(answer.stdout)["findings"]
    return next(finding for finding in findings if finding["check"] == "pooler")


def test_port_6543_is_known_for_a_pooler_and_another_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    # Every address of 127.0.0.0/8 is this machine's, so that port is free on one of them.
    host = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250 + 1}.1"
    with pooled(settings.database_url, tmp_path, sessions=2, host=host, port=6543) as bouncer:
        known = structs.replace(settings, database_url=bouncer.url)
        assert known.through_pooler
        assert pooler_finding(known, {})["health"] == "ok"
    with pooled(settings.database_url, tmp_path, sessions=2) as bouncer:
        unknown = structs.replace(settings, database_url=bouncer.url)
        assert not unknown.through_pooler
        finding = pooler_finding(unknown, {})
        assert finding["health"] == "wrong"
        assert "DATABASE_POOLER=transaction" in finding["remedy"]
        assert pooler_finding(unknown, {"DATABASE_POOLER": "transaction"})["health"] == "ok"


async def test_connections_for_commands_work_through_it(settings: Settings, tmp_path: Path) -> None:
    """At the start of each, the codec of jsonb is set, which needs a look into the catalogue."""
    with pooled(settings.database_url, tmp_path, sessions=SESSIONS) as bouncer:
        behind = structs.replace(settings, database_url=bouncer.url, database_pooler="transaction")

        async def one(n: int) -> Any:
            connection = await connect(behind)
            try:
                return await connection.fetchval("SELECT $1::jsonb || '{\"more\": [1]}'", {"n": n})
            finally:
                await connection.close()

        assert await asyncio.gather(*(one(n) for n in range(20))) == [{"n": n, "more": [1]} for n in range(20)]
        await sessions_keep_nothing(bouncer)


async def test_a_paused_pooler_is_told_to_commands(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets everybody in, and has them wait for an answer: `doctor` would, too, and say nothing."""
    monkeypatch.setattr("service.database.FIRST_ANSWER_WITHIN", 0.5)
    with pooled(settings.database_url, tmp_path, sessions=1) as bouncer:
        behind = structs.replace(settings, database_url=bouncer.url, database_pooler="transaction")
        await (await connect(behind)).close()  # from now on it knows the server, and lets us in without
        console = await through(bouncer.console)
        await console.execute("PAUSE")
        async with asyncio.timeout(PATIENCE):
            found = {finding.check: finding async for finding in examine(behind)}
        await console.execute("RESUME")
        await console.close()
        assert found["database"].health is Health.WRONG
        assert "doesn't answer in time" in found["database"].message
        await (await connect(behind)).close()
