"""A row that fails stops nobody: the others are served in the same round, and the doctor knows which it is."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import asyncio
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec import structs
from structlog.testing import capture_logs

from actors.maintenance import (
    blobs,
    expired_keys,
    lost_leases,
    lost_messages,
    retention,
    silent_workers,
    undispatched,
    webhooks,
)
from actors.maintenance.chores import Chore, once
from actors.maintenance.ground import ChoreRules, Ground
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool, open_pool, transactions
from service.embedded.servers import EmbeddedServers
from service.files import store as files
from service.files.storage import Storage
from service.health.workers import chores
from service.queue import Queue
from service.settings import Settings
from service.sparing import Sparing, recent_failures
from service.tasks.dispatch import Dispatcher
from service.webhooks import store as webhooks_store
from service.webhooks.secrets import Seal
from tests import lives
from tests.conftest import SECRET_KEY
from tests.databases import Databases, create
from tests.factories import add_file, add_task
from tests.service.http.proxy import proxied

DAY = timedelta(days=1)
POISON = 3
"""Rows that fail, of ten: more than a page of two."""


@pytest.fixture
async def ground(pool: Pool, queue: Queue, settings: Settings) -> Ground:
    rules = ChoreRules(max_attempts=3, task_retention=DAY, upload_retention=DAY)
    storage = Storage.made(settings.storage_url)
    return Ground(pool, queue, storage, Dispatcher(pool, queue), rules, Seal([SECRET_KEY]), batch=2)


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


POISONED = "darkroom_template_poisoned"
POISON_ROWS = """
CREATE TABLE poisoned (relation text, event text, row_column text, row_value text);
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM poisoned WHERE (relation, event, to_jsonb(OLD) ->> row_column)
                                        = (TG_TABLE_NAME, TG_OP, row_value)) THEN
        RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'integer out of range';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""
POISON_TABLE = "CREATE TRIGGER poison BEFORE UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION poison()"
TABLES = (
    "blob_removals", "event_removals", "files", "idempotency_keys", "tasks", "webhook_deliveries", "workers",
)  # fmt: skip

Poison = Callable[[str, str, list[str], str], Awaitable[None]]


@pytest.fixture(scope="module")
def databases(servers: EmbeddedServers, template: str) -> Generator[Databases]:
    """They can be poisoned by rows, so that one serves all of these tests."""

    async def make() -> None:
        made = await asyncpg.connect(await create(servers.database_url, POISONED, template))
        await made.execute(POISON_ROWS + "; ".join(map(POISON_TABLE.format, TABLES)))
        await made.close()

    asyncio.run(make())
    databases = Databases(servers.database_url, POISONED)
    yield databases
    databases.close()


@pytest.fixture
def poison(connection: Connection) -> Poison:
    """From then on every such write of these rows of a table, named by a column, fails."""

    async def put(table: str, column: str, ids: list[str], event: str) -> None:
        await connection.executemany(
            "INSERT INTO poisoned VALUES ($1, $2, $3, $4)", [(table, event, column, one) for one in ids]
        )

    return put


async def the_sick(connection: Connection, chore: str, ids: list[str]) -> None:
    """These are noted, and told by the doctor."""
    noted = await recent_failures(connection, 100)
    assert {(one.chore, one.subject) for one in noted} == {(chore, row) for row in ids}
    finding = await chores(connection)
    assert finding.health == "wrong"
    assert ids[0] in finding.message or ids[-1] in finding.message
    assert finding.remedy


async def statuses(connection: Connection) -> dict[str, str]:
    return dict(await connection.fetch("SELECT task_id, status FROM tasks"))


@pytest.mark.parametrize("attempts", [1, 9], ids=["back into the line", "failed and refunded"])
async def test_lost_leases(
    ground: Ground, connection: Connection, poison: Poison, pool: Pool, user_id: str, attempts: int
) -> None:
    for _ in range(10):
        await lives.create(connection, user_id, price=0)
    ids = [(await lives.claim(pool)).task_id for _ in range(10)]
    await connection.execute("UPDATE tasks SET attempts = $1", attempts)
    sick, well = ids[:POISON], ids[POISON:]
    await poison("tasks", "task_id", sick, "UPDATE")
    await lost_leases.recover(ground, now=datetime.now(UTC) + timedelta(hours=1))
    expected = "pending" if attempts == 1 else "failed"
    assert await statuses(connection) == dict.fromkeys(sick, "processing") | dict.fromkeys(well, expected)
    await the_sick(connection, "lost leases", sick)


@pytest.mark.parametrize(
    ("chore", "work"), [("dispatch", undispatched.send), ("lost messages", lost_messages.send_again)]
)
async def test_messages(
    ground: Ground,
    connection: Connection,
    poison: Poison,
    queue: Queue,
    user_id: str,
    chore: str,
    work: Callable[[Ground], Awaitable[None]],
) -> None:
    sent_at = lives.today() if chore == "lost messages" else None
    tasks = [await add_task(connection, user_id, updated_at=lives.today(), dispatched_at=sent_at) for _ in range(10)]
    sick, well = [task.task_id for task in tasks[:POISON]], [task.task_id for task in tasks[POISON:]]
    await poison("tasks", "task_id", sick, "UPDATE")
    await work(ground)
    dispatched = await connection.fetch("SELECT task_id FROM tasks WHERE dispatched_at > now() - interval '1 hour'")
    assert sorted(row["task_id"] for row in dispatched) == sorted(well)
    assert {identity.rpartition(".")[0] for identity in await lives.messages(queue)} >= set(well)
    await the_sick(connection, chore, sick)


async def test_blobs(ground: Ground, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"ab/blob_{n}" for n in range(10)]
    await files.expect_blobs(connection, keys, grace=timedelta(0))
    sick, well = keys[:POISON], set(keys[POISON:])
    removed: set[str] = set()

    async def delete(key: str) -> None:
        if key in sick:
            raise PermissionError(key)
        removed.add(key)

    monkeypatch.setattr(ground.storage, "delete", delete)
    await blobs.remove(ground)
    assert removed == well
    left = await connection.fetch("SELECT blob_key, due_at > now() AS later FROM blob_removals ORDER BY blob_key")
    assert [tuple(row) for row in left] == [(key, True) for key in sick]
    await the_sick(connection, "blobs", sick)


async def test_blobs_whose_note_can_not_be_struck_off(ground: Ground, connection: Connection, poison: Poison) -> None:
    keys = [f"ab/blob_{n}" for n in range(10)]
    await files.expect_blobs(connection, keys, grace=timedelta(0))
    await poison("blob_removals", "blob_key", keys[:POISON], "DELETE")
    await blobs.remove(ground)
    left = await connection.fetch("SELECT blob_key FROM blob_removals ORDER BY blob_key")
    assert [row["blob_key"] for row in left] == keys[:POISON]
    await the_sick(connection, "blobs", keys[:POISON])


async def test_a_storage_that_is_away_is_one_failure_and_not_each_blobs(
    ground: Ground, connection: Connection, settings: Settings
) -> None:
    keys = [f"ab/blob_{n}" for n in range(10)]
    await files.expect_blobs(connection, keys, grace=timedelta(0))
    directory = Path(urlsplit(settings.storage_url).path)
    directory.rmdir()
    directory.write_bytes(b"")
    await once(Chore("blobs", 30.0, blobs.remove), ground)
    assert [(one.chore, one.subject) for one in await recent_failures(connection, 100)] == [("blobs", "")]
    directory.unlink()
    directory.mkdir()
    await once(Chore("blobs", 30.0, blobs.remove), ground)
    assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 0


async def test_old_tasks_whose_files_can_not_go(
    ground: Ground, connection: Connection, poison: Poison, user_id: str
) -> None:
    ids: list[str] = []
    for n in range(10):
        ended = lives.today() + timedelta(minutes=n)
        ids.append((await add_task(connection, user_id, TaskStatus.DONE, completed_at=ended)).task_id)
        await add_file(connection, user_id, task_id=ids[-1], purpose="output")
    await poison("files", "task_id", ids[:POISON], "DELETE")
    await retention.delete_tasks(ground)
    assert set(await statuses(connection)) == set(ids[:POISON])
    await the_sick(connection, "old tasks", ids[:POISON])


async def test_old_uploads(ground: Ground, connection: Connection, poison: Poison, user_id: str) -> None:
    ids = [(await add_file(connection, user_id)).file_id for _ in range(10)]
    await connection.execute("UPDATE files SET uploaded_at = $1", lives.today())
    await poison("files", "file_id", ids[:POISON], "DELETE")
    await retention.delete_uploads(ground)
    left = await connection.fetch("SELECT file_id FROM files ORDER BY file_id")
    assert [row["file_id"] for row in left] == sorted(ids[:POISON])
    await the_sick(connection, "old uploads", ids[:POISON])


async def test_expired_keys(ground: Ground, connection: Connection, poison: Poison, user_id: str) -> None:
    keys = [f"key_{n}" for n in range(10)]
    for n, key in enumerate(keys):
        await connection.execute(
            "INSERT INTO idempotency_keys VALUES ($1, 'tasks', $2, '', 'task', now() - $3::interval)",
            user_id,
            key,
            timedelta(hours=48 - n),
        )
    await poison("idempotency_keys", "key", keys[:POISON], "DELETE")
    await expired_keys.forget(ground)
    left = await connection.fetch("SELECT key FROM idempotency_keys ORDER BY key")
    assert [row["key"] for row in left] == keys[:POISON]
    await the_sick(connection, "expired keys", [f"{user_id} tasks {key}" for key in keys[:POISON]])


async def test_old_histories(ground: Ground, connection: Connection, poison: Poison) -> None:
    ids = [f"task_{n}" for n in range(10)]
    gone = [(one, timedelta(hours=48 - n)) for n, one in enumerate(ids)]
    await connection.executemany("INSERT INTO event_removals VALUES ($1, now() - $2::interval)", gone)
    await poison("event_removals", "task_id", ids[:POISON], "DELETE")
    await retention.forget_histories(ground)
    left = await connection.fetch("SELECT task_id FROM event_removals ORDER BY task_id")
    assert [row["task_id"] for row in left] == ids[:POISON]
    await the_sick(connection, "old histories", ids[:POISON])


async def test_old_webhooks(ground: Ground, connection: Connection, poison: Poison, user_id: str) -> None:
    ids = [f"dlv_{n}" for n in range(10)]
    for n, one in enumerate(ids):
        await webhooks_store.add_ping(connection, one, user_id, f"{one}.1", "https://example.org/")
        await connection.execute(
            "UPDATE webhook_deliveries SET status = 'delivered', next_attempt_at = NULL, ended_at = now(), "
            "forget_at = now() - $2::interval WHERE delivery_id = $1",
            one,
            timedelta(hours=48 - n),
        )
    await poison("webhook_deliveries", "delivery_id", ids[:POISON], "DELETE")
    await webhooks.forget(ground)
    left = await connection.fetch("SELECT delivery_id FROM webhook_deliveries ORDER BY delivery_id")
    assert [row["delivery_id"] for row in left] == ids[:POISON]
    await the_sick(connection, "old webhooks", ids[:POISON])


async def test_silent_workers(ground: Ground, connection: Connection, poison: Poison) -> None:
    ids = [f"worker_{n}" for n in range(10)]
    await connection.executemany(
        "INSERT INTO workers VALUES ($1, 1, '{}', now(), now() - interval '2 hours')", [(one,) for one in ids]
    )
    await poison("workers", "worker_id", ids[:POISON], "DELETE")
    await silent_workers.forget(ground)
    left = await connection.fetch("SELECT worker_id FROM workers ORDER BY worker_id")
    assert [row["worker_id"] for row in left] == ids[:POISON]
    await the_sick(connection, "silent workers", ids[:POISON])


async def test_a_row_that_somebody_holds_locked_is_passed_over(
    ground: Ground, connection: Connection, pool: Pool, user_id: str
) -> None:
    """It would be waited for until the statement's time-out, which looks like a database that is away."""
    ids = [
        (
            await add_task(connection, user_id, TaskStatus.DONE, completed_at=lives.today() + timedelta(minutes=n))
        ).task_id
        for n in range(4)
    ]
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM tasks WHERE task_id = $1 FOR UPDATE", ids[0])
        await retention.delete_tasks(ground)
    assert set(await statuses(connection)) == {ids[0]}
    await the_sick(connection, "old tasks", ids[:1])


async def test_a_failure_is_logged_once_and_forgotten_when_it_is_over(
    ground: Ground, connection: Connection, poison: Poison, user_id: str
) -> None:
    task = await add_task(connection, user_id, TaskStatus.DONE, completed_at=lives.today())
    await poison("tasks", "task_id", [task.task_id], "DELETE")
    with capture_logs() as logs:
        for _ in range(3):
            await retention.delete_tasks(ground)
    assert [line["subject"] for line in logs if line["log_level"] == "error"] == [task.task_id]
    (noted,) = await recent_failures(connection, 10)
    assert (noted.reason, noted.failures) == ("SQLSTATE 22003", 3)
    await connection.execute("UPDATE chore_failures SET last_at = now() - interval '2 days'")
    assert (await chores(connection)).health == "ok"
    await silent_workers.forget(ground)
    assert await connection.fetchval("SELECT count(*) FROM chore_failures") == 0


async def test_a_round_that_is_ended_while_the_database_says_nothing_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that is none any more stops, and may stand again: nobody else may be there."""
    monkeypatch.setattr(transactions, "UNDO_WITHIN", 0.2)
    with proxied(settings.database_url) as proxy:
        pool = await open_pool(structs.replace(settings, database_url=proxy.url))
        inside = asyncio.Event()

        async def work() -> None:
            async with Sparing(pool, "a chore").alone("a row") as connection:
                await asyncio.to_thread(proxy.fall_silent)
                inside.set()
                await connection.fetchval("SELECT 1")

        working = asyncio.create_task(work())
        await inside.wait()
        working.cancel()
        await asyncio.wait({working}, timeout=lives.PATIENCE)
        assert working.cancelled()
        await asyncio.to_thread(proxy.let_through)
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()
        await pool.close()
