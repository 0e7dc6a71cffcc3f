"""`darkroom doctor` finds each fault that is planted, and has a remedy: on the oldest servers and on the newest."""

import asyncio
import platform
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import redis
from msgspec import Struct, structs

from service.accounts.users import create_user
from service.database import Connection, connect
from service.database.installation import redis_keys
from service.embedded.servers import EmbeddedServers
from service.health.diagnosis import examine
from service.health.findings import Finding, Health
from service.settings import Settings
from service.tasks.workers import see_worker
from tests.conftest import SECRET_KEY
from tests.databases import FULL_DISK, Databases, create_migrated
from tests.postgres_15 import needs_postgres_15, postgres
from tests.redis_servers import as_user, needs_debians, redis_server
from tests.service.cli.presences import add_process

PAIRS = (
    pytest.param(("15", "redis"), marks=(needs_postgres_15, needs_debians), id="PostgreSQL 15, Redis 7.0"),
    pytest.param(("18", "valkey"), id="PostgreSQL 18, Valkey"),
)


class Sick(Struct, frozen=True):
    """An installation in which something is about to be wrong, and whatever undoes it."""

    settings: Settings
    connection: Connection
    redis: Callable[..., object]
    """Sends a command to Redis."""
    undo: AsyncExitStack

    async def settings_as(self, role: str, *rights: str, options: str = "", sequences: bool = True) -> Settings:
        """Settings with a user of PostgreSQL who has these rights on every table, and may use every sequence."""
        name = f"{role}_{token_hex(4)}"
        await self.connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' {options}")
        if rights:
            await self.connection.execute(f"GRANT {', '.join(rights)} ON ALL TABLES IN SCHEMA public TO {name}")
        if rights and sequences:
            await self.connection.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")

        async def drop() -> None:
            await self.connection.execute(f"DROP OWNED BY {name}")
            await self.connection.execute(f"DROP ROLE {name}")

        self.undo.push_async_callback(drop)
        return structs.replace(self.settings, database_url=as_user(self.settings.database_url, name, "x"))

    @property
    def files(self) -> Path:
        return Path(urlsplit(self.settings.storage_url).path)


Plant = Callable[[Sick], Awaitable[Settings]]
"""Makes something wrong; the settings with which to look."""


@pytest.fixture(scope="module", params=PAIRS)
def pair(request: pytest.FixtureRequest, servers: EmbeddedServers) -> Generator[tuple[str, str]]:
    """The URLs of a PostgreSQL and a Redis."""
    database, cache = request.param
    with postgres(database, servers) as database_url, redis_server(cache) as redis_url:
        yield database_url, redis_url


@pytest.fixture(scope="module")
def sick_databases(pair: tuple[str, str]) -> Generator[Databases]:
    asyncio.run(create_migrated(pair[0], "sick_template"))
    databases = Databases(pair[0], "sick_template")
    yield databases
    databases.close()


@pytest.fixture
def sick_url(sick_databases: Databases) -> str:
    return sick_databases.take()


@pytest.fixture
async def sick(pair: tuple[str, str], sick_url: str, tmp_path: Path) -> AsyncGenerator[Sick]:
    settings = Settings(
        database_url=sick_url,
        redis_url=pair[1],
        storage_url=(tmp_path / "files").as_uri(),
        secret_keys=(SECRET_KEY,),
    )
    connection = await connect(settings)
    client = cast("Any", redis.Redis.from_url(pair[1]))
    await see_worker(connection, "worker-1", slots=1, modes=[])
    await add_process(connection, settings, "api")
    async with AsyncExitStack() as undo:
        yield Sick(settings, connection, client.execute_command, undo)
    client.flushall()
    client.close()
    await connection.close()


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding async for finding in examine(settings)}


async def no_secret_key(sick: Sick) -> Settings:
    return structs.replace(sick.settings, secret_keys=())


async def full_disk(sick: Sick) -> Settings:
    await sick.connection.execute(FULL_DISK)
    return sick.settings


async def read_only(sick: Sick) -> Settings:
    name = urlsplit(sick.settings.database_url).path[1:]
    await sick.connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    return sick.settings


async def no_connection_left(sick: Sick) -> Settings:
    return await sick.settings_as("lonely", "SELECT", options="CONNECTION LIMIT 0")


async def hardly_a_connection_left(sick: Sick) -> Settings:
    settings = await sick.settings_as("busy", "SELECT", "INSERT", "UPDATE", "DELETE", options="CONNECTION LIMIT 4")
    for _ in range(3):
        sick.undo.push_async_callback((await connect(settings)).close)
    return settings


async def a_user_who_may_only_read(sick: Sick) -> Settings:
    return await sick.settings_as("reader", "SELECT")


async def a_user_who_may_use_no_sequence(sick: Sick) -> Settings:
    """Streams of events told nothing, and nobody why."""
    return await sick.settings_as("clerk", "SELECT", "INSERT", "UPDATE", "DELETE", sequences=False)


async def a_user_who_may_nothing(sick: Sick) -> Settings:
    return await sick.settings_as("stranger")


async def a_wrong_password(sick: Sick) -> Settings:
    return structs.replace(sick.settings, redis_url=as_user(sick.settings.redis_url, "nobody", "wrong"))


async def an_older_schema(sick: Sick) -> Settings:
    await sick.connection.execute("DELETE FROM schema_migrations WHERE version = 6")
    return sick.settings


async def a_newer_schema(sick: Sick) -> Settings:
    await sick.connection.execute("INSERT INTO schema_migrations VALUES (9001, '9001_more.sql', 'x')")
    return sick.settings


async def no_worker(sick: Sick) -> Settings:
    await sick.connection.execute("DELETE FROM workers")
    return sick.settings


async def a_worker_that_can_not_take_messages(sick: Sick) -> Settings:
    await see_worker(sick.connection, "worker-2", slots=1, modes=[], trouble="Redis is full")
    return sick.settings


async def a_worker_on_another_storage(sick: Sick) -> Settings:
    await add_process(sick.connection, sick.settings, "worker", storage="file:///somewhere/else")
    return sick.settings


async def a_silent_api(sick: Sick) -> Settings:
    await add_process(sick.connection, sick.settings, "api", silent=60)
    return sick.settings


async def a_hung_api(sick: Sick) -> Settings:
    hung = sick.undo.enter_context(socket.create_server(("127.0.0.1", 0)))
    await add_process(sick.connection, sick.settings, "api", address=f"127.0.0.1:{hung.getsockname()[1]}")
    await sick.connection.execute("UPDATE processes SET node = $1", platform.node())
    return sick.settings


async def a_volume_that_is_gone(sick: Sick) -> Settings:
    await asyncio.to_thread(sick.files.rename, sick.files.with_name("away"))
    return sick.settings


async def an_empty_directory_below_it(sick: Sick) -> Settings:
    await a_volume_that_is_gone(sick)
    await asyncio.to_thread(sick.files.mkdir)
    return sick.settings


async def a_file_that_is_lost(sick: Sick) -> Settings:
    await sick.connection.execute(
        "INSERT INTO files (file_id, filename, blob_key, sha256, content_type, size, width, height) "
        "VALUES ('file_lost', 'a.jpg', 'aa/gone', repeat('0', 64), 'image/jpeg', 1, 1, 1)"
    )
    return sick.settings


async def an_entry_that_somebody_changed(sick: Sick) -> Settings:
    await create_user(sick.connection, "ada@example.com", credits_=100)
    await sick.connection.execute("UPDATE credit_ledger SET amount = 99")
    return sick.settings


async def a_task_without_a_worker(sick: Sick) -> Settings:
    await sick.connection.execute(
        "INSERT INTO tasks (task_id, mode, source_image, status, lease_expires_at) "
        "VALUES ('task_stuck', 'HEAD_SWAP', 'file_1', 'processing', now() - interval '1 minute')"
    )
    return sick.settings


async def a_task_without_a_message(sick: Sick) -> Settings:
    await sick.connection.execute(
        "INSERT INTO tasks (task_id, mode, source_image, updated_at) "
        "VALUES ('task_quiet', 'HEAD_SWAP', 'file_1', now() - interval '1 minute')"
    )
    return sick.settings


async def a_full_redis(sick: Sick) -> Settings:
    sick.redis("CONFIG", "SET", "maxmemory", "1mb")
    sick.undo.callback(sick.redis, "CONFIG", "SET", "maxmemory", "0")
    return sick.settings


async def a_redis_that_evicts(sick: Sick) -> Settings:
    sick.redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    sick.undo.callback(sick.redis, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    return sick.settings


async def a_replica(sick: Sick) -> Settings:
    sick.redis("REPLICAOF", "127.0.0.1", "1")
    sick.undo.callback(sick.redis, "REPLICAOF", "NO", "ONE")
    return sick.settings


async def a_redis_user_without_rights(sick: Sick) -> Settings:
    sick.redis("ACL", "SETUSER", "weak", "reset", "on", ">x", "~*", "&*", "+ping", "+info", "+hello")
    sick.undo.callback(sick.redis, "ACL", "DELUSER", "weak")
    return structs.replace(sick.settings, redis_url=as_user(sick.settings.redis_url, "weak", "x"))


async def a_queue_that_is_something_else(sick: Sick) -> Settings:
    keys = await redis_keys(sick.connection, sick.settings)
    sick.redis("SET", keys.queue().waiting, "not a list")
    return sick.settings


FAULTS: tuple[tuple[Plant, str, str], ...] = (
    (no_secret_key, "secret key", "SECRET_KEY is not set"),
    (read_only, "writes", "read-only"),
    (full_disk, "writes", "disk is full"),
    (no_connection_left, "database", "no connection left"),
    (hardly_a_connection_left, "connections", "of this user's 4 connections"),
    (a_user_who_may_only_read, "rights", "claim_turns"),
    (a_user_who_may_use_no_sequence, "rights", "task_event_places"),
    (a_user_who_may_nothing, "schema", "doesn't let the user"),
    (a_wrong_password, "redis", "refuses the user or password"),
    (an_older_schema, "schema", "lacks 0006_workers.sql"),
    (a_newer_schema, "schema", "newer than this version"),
    (no_worker, "workers", "no worker"),
    (a_worker_that_can_not_take_messages, "workers", "Redis is full"),
    (a_worker_on_another_storage, "shared storage", "file:///somewhere/else"),
    (a_silent_api, "api", "has said nothing for"),
    (a_hung_api, "api", "doesn't answer"),
    (a_volume_that_is_gone, "storage", "isn't there"),
    (an_empty_directory_below_it, "storage", "isn't the one that this database's files are in"),
    (a_file_that_is_lost, "files", "file_lost"),
    (an_entry_that_somebody_changed, "ledger", "usr_"),
    (a_task_without_a_worker, "stuck tasks", "task_stuck"),
    (a_task_without_a_message, "dispatch", "1 tasks"),
    (a_full_redis, "redis", "full"),
    (a_redis_that_evicts, "eviction", "allkeys-lru"),
    (a_replica, "redis", "replica"),
    (a_redis_user_without_rights, "queue", "forbids what Darkroom needs"),
    (a_queue_that_is_something_else, "queue", "holds something else"),
)


LACK = "The model net.onnx isn't installed: run `fetch`."


async def test_models_are_missed_where_a_worker_runs_or_nowhere(sick: Sick) -> None:
    async def look() -> Finding:
        return {finding.check: finding async for finding in examine(sick.settings, LACK)}["models"]

    found = await look()
    assert (found.health, found.message, found.remedy) == (
        Health.WRONG,
        "The model net.onnx isn't installed",
        "Run `fetch`.",
    )
    await add_process(sick.connection, sick.settings, "worker")
    assert (await look()).health is Health.UNKNOWN
    await sick.connection.execute("UPDATE processes SET node = $1", platform.node())
    assert (await look()).health is Health.WRONG


@pytest.mark.parametrize(("plant", "check", "words"), FAULTS, ids=[plant.__name__ for plant, _, _ in FAULTS])
async def test_a_planted_fault_is_found_and_nothing_else(sick: Sick, plant: Plant, check: str, words: str) -> None:
    before = await findings(sick.settings)
    assert [finding for finding in before.values() if finding.health is not Health.OK] == []
    seen = await findings(await plant(sick))
    wrong = {name: finding for name, finding in seen.items() if finding.health is Health.WRONG}
    assert list(wrong) == [check]
    assert words in wrong[check].message
    assert wrong[check].remedy
