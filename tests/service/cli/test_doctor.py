"""`darkroom doctor` finds what was planted, and says what to do about it."""

import json
import platform
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from msgspec import structs

from schema.identifiers import new_id
from service.accounts.users import create_user
from service.database import Connection
from service.health.diagnosis import examine
from service.health.findings import Finding, Health
from service.settings import Settings
from service.tasks.workers import see_worker
from tests.lives import PRICE, add_user, create
from tests.running import run_command
from tests.service.cli.presences import add_process


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding async for finding in examine(settings)}


@pytest.fixture
async def healthy(settings: Settings, connection: Connection) -> Settings:
    """A stack in which nothing is wrong."""
    await see_worker(connection, "worker-1", slots=1, modes=[])
    await add_process(connection, settings, "api")
    return settings


async def test_a_healthy_stack(healthy: Settings) -> None:
    seen = await findings(healthy)
    assert {check: finding for check, finding in seen.items() if finding.health is not Health.OK} == {}
    done = run_command("doctor", "--json", settings=healthy)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["healthy"] is True


async def test_planted_faults_of_the_data(healthy: Settings, connection: Connection) -> None:
    user = await create_user(connection, "ada@example.com", credits_=100)
    await connection.execute("UPDATE credit_ledger SET amount = 99")
    await connection.execute("DELETE FROM workers")
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, status, lease_expires_at) "
        "VALUES ('task_stuck', $1, 'HEAD_SWAP', 'file_1', 'processing', now() - interval '1 minute')",
        user.user_id,
    )
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, status, failed_at, credits_consumed) "
        "VALUES ('task_unpaid', $1, 'HEAD_SWAP', 'file_1', 'failed', now(), 40)",
        user.user_id,
    )
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, updated_at) "
        "VALUES ('task_forgotten', $1, 'HEAD_SWAP', 'file_1', now() - interval '10 minutes')",
        user.user_id,
    )
    file_id = new_id("file")
    await connection.execute(
        "INSERT INTO files (file_id, user_id, filename, blob_key, sha256, content_type, size, width, height) "
        "VALUES ($1, $2, 'a.jpg', 'aa/gone', repeat('0', 64), 'image/jpeg', 1, 1, 1)",
        file_id,
        user.user_id,
    )
    seen = await findings(healthy)
    expected = {
        "ledger": user.user_id,
        "workers": "no worker",
        "stuck tasks": "task_stuck",
        "refunds": "task_unpaid",
        "waiting tasks": "the oldest has waited 6",
        "dispatch": "1 tasks",
        "files": file_id,
    }
    wrong = {check: finding for check, finding in seen.items() if finding.health is Health.WRONG}
    assert wrong.keys() == expected.keys()
    for check, words in expected.items():
        assert words in wrong[check].message
        assert wrong[check].remedy
    assert run_command("doctor", settings=healthy).returncode == 1


async def test_a_task_ended_by_hand_is_refunded_as_is_told(healthy: Settings, connection: Connection) -> None:
    user_id = await add_user(connection)
    task_id = (await create(connection, user_id)).task_id
    await connection.execute("UPDATE tasks SET status = 'cancelled', cancelled_at = now() WHERE task_id = $1", task_id)
    assert task_id in (await findings(healthy))["refunds"].message
    async with connection.transaction():
        balance = await connection.fetchval(
            "UPDATE users SET current_credits = current_credits + $2 WHERE user_id = $1 RETURNING current_credits",
            user_id,
            PRICE,
        )
        await connection.execute(
            "INSERT INTO credit_ledger (user_id, task_id, kind, amount, balance_after) "
            "VALUES ($1, $2, 'refund', $3, $4)",
            user_id,
            task_id,
            PRICE,
            balance,
        )
        await connection.execute("UPDATE tasks SET credits_refunded = $2 WHERE task_id = $1", task_id, PRICE)
    seen = await findings(healthy)
    assert {seen[part].health for part in ("refunds", "charges", "ledger")} == {Health.OK}


async def test_what_was_changed_by_hand_is_set_right_as_is_told(healthy: Settings, connection: Connection) -> None:
    user_id = await add_user(connection)
    await create(connection, user_id)
    await connection.execute("UPDATE tasks SET credits_consumed = credits_consumed + 1")
    await connection.execute("UPDATE credit_ledger SET amount = amount - 5 WHERE kind = 'charge'")
    seen = await findings(healthy)
    assert {seen[part].health for part in ("charges", "ledger")} == {Health.WRONG}
    async with connection.transaction():
        total = await connection.fetchval("SELECT sum(amount) FROM credit_ledger WHERE user_id = $1", user_id)
        await connection.execute("UPDATE users SET current_credits = $2 WHERE user_id = $1", user_id, total)
        await connection.execute(
            "UPDATE credit_ledger SET balance_after = $2 "
            "WHERE entry_id = (SELECT max(entry_id) FROM credit_ledger WHERE user_id = $1)",
            user_id,
            total,
        )
    await connection.execute(
        "UPDATE tasks SET credits_consumed = -amount FROM credit_ledger AS line "
        "WHERE line.task_id = tasks.task_id AND line.kind = 'charge'"
    )
    seen = await findings(healthy)
    assert {seen[part].health for part in ("refunds", "charges", "ledger")} == {Health.OK}


async def test_servers_that_are_away_or_refuse(healthy: Settings) -> None:
    away = await findings(
        structs.replace(healthy, database_url="postgresql://x@127.0.0.1:1/x", redis_url="redis://127.0.0.1:1")
    )
    assert away["database"].health is away["redis"].health is Health.WRONG
    host = healthy.database_url.rpartition("@")[2]
    redis_host = healthy.redis_url.rpartition("@")[2]
    refused = await findings(
        structs.replace(
            healthy, database_url=f"postgresql://postgres:wrong@{host}", redis_url=f"redis://:wrong@{redis_host}"
        )
    )
    assert refused["database"].message == "PostgreSQL refuses the user or password"
    assert refused["redis"].message == "Redis refuses the user or password"


async def test_an_old_schema(healthy: Settings, connection: Connection) -> None:
    await connection.execute("DELETE FROM schema_migrations WHERE version = 6")
    schema = (await findings(healthy))["schema"]
    assert schema.health is Health.WRONG
    assert schema.remedy == "Run: darkroom migrate"


async def test_a_redis_that_evicts(healthy: Settings) -> None:
    client = redis.Redis.from_url(healthy.redis_url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert (await findings(healthy))["eviction"].health is Health.WRONG
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.close()


async def test_a_storage_that_cannot_be_written(healthy: Settings) -> None:
    seen = await findings(structs.replace(healthy, storage_url=Path(__file__).as_uri()))
    assert seen["storage"].health is Health.WRONG


async def test_a_database_that_takes_no_writes(healthy: Settings, connection: Connection) -> None:
    """And a command that would write says it in a line."""
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    found = (await findings(healthy))["writes"]
    assert found.health is Health.WRONG
    assert "read-only" in found.message
    assert "disk full" in (found.remedy or "")
    refused = run_command("user", "create", "a@example.com", settings=healthy)
    assert refused.returncode == 1
    assert "read-only" in refused.stderr
    assert "disk full" in refused.stderr
    assert "unexpected" not in refused.stderr


def directory_of(settings: Settings) -> Path:
    return Path(urlsplit(settings.storage_url).path)


async def test_a_missing_directory_is_told_of_and_never_made(healthy: Settings) -> None:
    directory = directory_of(healthy)
    directory.rename(directory.with_name("away"))
    done = run_command("doctor", settings=healthy)
    assert done.returncode == 1
    assert f"{directory} isn't there" in done.stdout
    assert not directory.exists()


async def test_an_empty_directory_in_its_place_is_not_taken_for_it(healthy: Settings) -> None:
    directory = directory_of(healthy)
    directory.rename(directory.with_name("away"))
    directory.mkdir()
    seen = await findings(healthy)
    assert "isn't the one that this database's files are in" in seen["storage"].message
    assert list(directory.iterdir()) == []


async def test_a_storage_that_was_never_used_is_unknown(settings: Settings) -> None:
    assert (await findings(settings))["storage"].health is Health.UNKNOWN
    assert not directory_of(settings).exists()


async def test_a_look_leaves_nothing_in_the_storage(healthy: Settings) -> None:
    before = sorted(directory_of(healthy).iterdir())
    assert (await findings(healthy))["storage"].health is Health.OK
    assert sorted(directory_of(healthy).iterdir()) == before


async def test_processes_that_fall_silent_or_use_another_storage(healthy: Settings, connection: Connection) -> None:
    await add_process(connection, healthy, "worker", storage="file:///b")
    await add_process(connection, healthy, "api", silent=60, address="0.0.0.0:8000")
    seen = await findings(healthy)
    assert "a worker on elsewhere uses file:///b" in seen["shared storage"].message
    assert re.search(r"the API on elsewhere \(0\.0\.0\.0:8000\) has said nothing for \d+ s", seen["api"].message)
    assert all(seen[check].remedy for check in ("api", "shared storage"))


async def test_an_api_that_was_refused_is_no_trouble_once_another_is_there(
    healthy: Settings, connection: Connection
) -> None:
    await add_process(connection, healthy, "api", silent=60, storage="file:///b")
    seen = await findings(healthy)
    assert [seen[check].health for check in ("api", "shared storage")] == [Health.OK, Health.OK]


async def test_a_killed_api_is_no_trouble_once_another_answers(healthy: Settings, connection: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        await add_process(connection, healthy, "api", silent=60, address=address)
        await connection.execute("UPDATE processes SET node = $1 WHERE address = $2", platform.node(), address)
        assert "hangs or was killed" in (await findings(healthy))["api"].message
    seen = (await findings(healthy))["api"]
    assert seen.health is Health.OK
    told = re.escape(f"1 answering; the API on {platform.node()} ({address}) was killed ")
    assert re.fullmatch(rf"{told}\d+ s ago", seen.message), seen.message


async def test_an_api_that_accepts_and_does_not_answer(healthy: Settings, connection: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        await add_process(connection, healthy, "api", address=f"127.0.0.1:{hung.getsockname()[1]}")
        await connection.execute("UPDATE processes SET node = $1", platform.node())
        assert "doesn't answer" in (await findings(healthy))["api"].message
