"""`darkroom doctor` where PostgreSQL and Redis aren't what they should be, or don't tell everything."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from msgspec import structs

from service.database import Connection, connect
from service.health.diagnosis import examine
from service.health.findings import Finding, Health
from service.settings import Settings
from service.tasks.workers import see_worker
from tests.chaos.pgbouncer import Bouncer, needs_pgbouncer, pooled
from tests.factories import add_task
from tests.keys import EDIT_KEYS
from tests.lives import PRICE, add_user, create
from tests.running import free_port, nobodys_port, run_command
from tests.service.cli.presences import add_process

SECRET = "hunter2-of-nobody"


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding async for finding in examine(settings)}


def wrong(seen: dict[str, Finding]) -> set[str]:
    return {check for check, finding in seen.items() if finding.health is Health.WRONG}


@pytest.fixture
async def healthy(settings: Settings, connection: Connection) -> Settings:
    """A stack in which nothing is wrong."""
    await see_worker(connection, "worker-1", slots=1, modes=[])
    await add_process(connection, settings, "api")
    return settings


@contextmanager
def redis_user(settings: Settings, *rules: str) -> Generator[Settings]:
    """A user of Redis with these rights."""
    client = redis.Redis.from_url(settings.redis_url)
    client.execute_command("ACL", "SETUSER", "doctor", "reset", "on", f">{SECRET}", "~*", "&*", *rules)
    parts = urlsplit(settings.redis_url)
    host = parts.netloc.rpartition("@")[2]
    try:
        yield structs.replace(settings, redis_url=parts._replace(netloc=f"doctor:{SECRET}@{host}").geturl())
    finally:
        client.execute_command("ACL", "DELUSER", "doctor")
        client.close()


@asynccontextmanager
async def postgres_user(settings: Settings) -> AsyncGenerator[Settings]:
    """A user of PostgreSQL who may connect, and nothing else."""
    admin = await connect(settings)
    await admin.execute(f"CREATE ROLE doctor LOGIN PASSWORD '{SECRET}'")
    parts = urlsplit(settings.database_url)
    host = parts.netloc.rpartition("@")[2]
    try:
        yield structs.replace(settings, database_url=parts._replace(netloc=f"doctor:{SECRET}@{host}").geturl())
    finally:
        await admin.execute("DROP ROLE doctor")
        await admin.close()


async def test_a_redis_that_does_not_tell_its_policy_is_unknown_and_not_wrong(healthy: Settings) -> None:
    with redis_user(healthy, "+@all", "-config") as settings:
        seen = await findings(settings)
        assert seen["eviction"].health is Health.UNKNOWN
        assert "noeviction" in seen["eviction"].message
        assert wrong(seen) == set()
        done = run_command("doctor", "--json", settings=settings)
        assert (done.returncode, json.loads(done.stdout)["healthy"]) == (0, True)


async def test_a_redis_that_keeps_the_queue_to_itself(healthy: Settings) -> None:
    with redis_user(healthy, "+ping", "+config|get", "+hello", "+client") as settings:
        seen = await findings(settings)
    assert wrong(seen) == {"queue"}
    assert "forbids" in seen["queue"].message
    assert "docs/redis.md" in (seen["queue"].remedy or "")


async def test_a_queue_that_is_something_else(healthy: Settings) -> None:
    client = redis.Redis.from_url(healthy.redis_url)
    client.set(EDIT_KEYS.waiting, "not a list")
    client.close()
    assert wrong(await findings(healthy)) == {"queue"}


async def test_a_redis_that_wants_a_password_and_is_given_none(healthy: Settings) -> None:
    parts = urlsplit(healthy.redis_url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    seen = await findings(structs.replace(healthy, redis_url=bare))
    assert seen["redis"].message == "Redis refuses the user or password"


async def test_a_postgresql_user_without_rights(healthy: Settings) -> None:
    async with postgres_user(healthy) as settings:
        seen = await findings(settings)
        assert wrong(seen) == {"schema"}
        assert "doesn't let the user" in seen["schema"].message
        done = run_command("doctor", settings=settings)
    assert done.returncode == 1
    assert "unexpected" not in done.stderr


async def test_a_database_that_was_never_migrated(healthy: Settings, empty_database: str) -> None:
    seen = await findings(structs.replace(healthy, database_url=empty_database))
    assert (wrong(seen), seen["schema"].remedy) == ({"schema"}, "Run: darkroom migrate")


async def test_a_table_that_somebody_dropped(healthy: Settings, connection: Connection) -> None:
    await connection.execute("DROP TABLE credit_ledger")
    seen = await findings(healthy)
    assert wrong(seen) == {"schema"}
    assert seen["redis"].health is Health.OK


async def test_a_database_that_is_not_there(healthy: Settings) -> None:
    seen = await findings(structs.replace(healthy, database_url=healthy.database_url + "_gone"))
    assert (wrong(seen), seen["database"].message) == ({"database"}, "There is no such database")


@pytest.mark.parametrize("table", ["schema_migrations", "tasks", "files"])
async def test_a_table_that_somebody_holds_is_told_and_not_waited_for(
    healthy: Settings, connection: Connection, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VACUUM FULL, an ALTER TABLE, or a transaction that was forgotten: just when the doctor is called."""
    monkeypatch.setattr("service.health.database.HELD_FOR", "SET LOCAL lock_timeout = '100ms'")
    async with asyncio.timeout(20), connection.transaction():
        await connection.execute(f"LOCK TABLE {table}")
        seen = await findings(healthy)
    assert "database" in wrong(seen)
    assert "holds a table" in seen["database"].message
    assert "pg_stat_activity" in (seen["database"].remedy or "")
    assert seen["redis"].health is Health.OK


@pytest.mark.parametrize("minutes", [-30, 30])
async def test_a_database_in_another_time(healthy: Settings, connection: Connection, minutes: int) -> None:
    """New sessions of this database read a clock of ours before PostgreSQL's own."""
    await connection.execute("CREATE SCHEMA another_time")
    await connection.execute(
        "CREATE FUNCTION another_time.now() RETURNS timestamptz LANGUAGE sql STABLE AS "
        f"$$ SELECT pg_catalog.now() + interval '{minutes} minutes' $$"
    )
    name = urlsplit(healthy.database_url).path[1:]
    await connection.execute(f"ALTER DATABASE {name} SET search_path = another_time, public, pg_catalog")
    seen = await findings(healthy)
    assert seen["clock"].health is Health.WRONG
    told = re.search(r"[+-][0-9.]+(?= s off)", seen["clock"].message)
    assert told is not None
    assert abs(float(told[0]) - 60 * minutes) < 60
    assert "NTP" in (seen["clock"].remedy or "")


@needs_pgbouncer
@pytest.mark.parametrize("sessions", [1, 4])
async def test_a_transaction_pooler_that_nobody_named(healthy: Settings, tmp_path: Path, sessions: int) -> None:
    with pooled(healthy.database_url, tmp_path, sessions=sessions) as bouncer:
        through = structs.replace(healthy, database_url=bouncer.url)
        seen = await findings(structs.replace(through, database_pooler="none"))
        assert wrong(seen) == {"pooler"}
        assert "DATABASE_POOLER=transaction" in (seen["pooler"].remedy or "")
        named = await findings(structs.replace(through, database_pooler="transaction"))
    assert wrong(named) == set()
    assert named["pooler"].message == "a transaction pooler, as expected"


@needs_pgbouncer
async def test_a_pooler_that_keeps_sessions_apart_is_none(healthy: Settings, tmp_path: Path) -> None:
    bouncer = Bouncer(healthy.database_url, tmp_path, sessions=4, host="127.0.0.1", port=free_port())
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(configuration.read_text().replace("pool_mode = transaction", "pool_mode = session"))
    bouncer.start()
    try:
        assert wrong(await findings(structs.replace(healthy, database_url=bouncer.url))) == set()
    finally:
        bouncer.kill()


async def test_a_direct_connection_where_a_pooler_was_named_works(healthy: Settings) -> None:
    seen = await findings(structs.replace(healthy, database_pooler="transaction"))
    assert wrong(seen) == set()
    assert "none seen" in seen["pooler"].message


async def test_a_task_that_gave_back_what_the_ledger_does_not_know(healthy: Settings, connection: Connection) -> None:
    user_id = await add_user(connection)
    task, other = [await create(connection, user_id) for _ in range(2)]
    await connection.execute(
        "UPDATE tasks SET status = 'cancelled', cancelled_at = now(), credits_refunded = $2 WHERE task_id = $1",
        task.task_id,
        PRICE,
    )
    await connection.execute("UPDATE tasks SET credits_consumed = 1 WHERE task_id = $1", other.task_id)
    seen = await findings(healthy)
    assert wrong(seen) == {"charges", "files"}  # no blobs belong to a made-up task's inputs
    assert {task.task_id, other.task_id} == set(seen["charges"].message.rpartition(": ")[2].split(", "))


async def test_every_fault_of_a_server_comes_without_its_secrets(healthy: Settings) -> None:
    """Whatever is wrong with an address, what is told may be pasted into a bug report."""
    host, redis_host = [urlsplit(url).netloc.rpartition("@")[2] for url in (healthy.database_url, healthy.redis_url)]
    faults = [
        {"database_url": f"postgresql://someone:{SECRET}@{host}/x", "redis_url": f"redis://:{SECRET}@{redis_host}"},
        {"database_url": f"postgresql://someone:{SECRET}@127.0.0.1:1/x", "redis_url": f"redis://:{SECRET}@127.0.0.1:1"},
        {"database_url": f"postgresql://a:{SECRET}@no.such.host.invalid/x", "redis_url": f"rediss://:{SECRET}@{host}"},
        {"storage_url": "s3://bucket"},
    ]
    for fault in faults:
        for arguments in ([], ["--json"]):
            done = run_command(
                "doctor",
                *arguments,
                settings=structs.replace(healthy, **fault),
                extra={
                    "AWS_ACCESS_KEY_ID": SECRET,
                    "AWS_SECRET_ACCESS_KEY": SECRET,
                    "AWS_ENDPOINT_URL": f"http://someone:{SECRET}@127.0.0.1:1",
                    "AWS_ALLOW_HTTP": "true",
                },
            )
            assert done.returncode == 1, done.stdout + done.stderr
            assert SECRET not in done.stdout + done.stderr
            assert "Traceback" not in done.stderr
            assert healthy.secret_keys[0] not in done.stdout + done.stderr
            if arguments:
                told = json.loads(done.stdout)
                assert told["healthy"] is False
                assert all(one["remedy"] for one in told["findings"] if one["health"] == "wrong")


async def test_the_old_system_is_told_of(healthy: Settings, connection: Connection) -> None:
    assert (await findings(healthy))["old system"].message == "nothing came from one"
    await add_task(connection, None, legacy_fingerprint=b"", elsewhere=True)
    seen = await findings(structs.replace(healthy, legacy_redis_url=healthy.redis_url))
    assert seen["old system"].message == "it still has 1 tasks; 0 records are in quarantine"
    assert seen["old redis"].health is Health.OK
    assert not wrong(seen)


async def test_an_old_redis_that_is_away_is_wrong(healthy: Settings) -> None:
    nobody = f"redis://:{SECRET}@127.0.0.1:{nobodys_port()}/0"
    seen = await findings(structs.replace(healthy, legacy_redis_url=nobody))
    assert wrong(seen) == {"old redis"}
    assert SECRET not in seen["old redis"].message
