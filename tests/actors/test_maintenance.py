"""What nobody else does: each kind of leftover is found, in any number, and nothing that is still in use is touched."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec import structs

from actors.maintenance import (
    blobs,
    chores,
    expired_keys,
    lost_leases,
    lost_messages,
    retention,
    silent_workers,
    undispatched,
)
from actors.maintenance.chores import Chore
from actors.maintenance.ground import ChoreRules, Ground
from actors.presence import WorkerPresence, keep_signing
from schema.messages import message_id
from schema.models.edits import Mode
from schema.models.problems import FailureCode
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.database.statements import load_queries
from service.files import store as files
from service.files.storage import Storage
from service.files.sweeping import sweep_blobs, sweep_uploads
from service.queue import Queue
from service.settings import Settings
from service.sparing import recent_failures
from service.storage_errors import StorageError
from service.tasks import lifecycle, store, workers
from service.tasks.dispatch import Dispatcher
from service.tasks.lifecycle import LEASE
from service.tasks.retention import delete_task, sweep_tasks
from service.tasks.service import TaskService
from service.tasks.submission import Rules
from service.tasks.watching import News, Waiters
from service.webhooks.secrets import Seal
from tests import lives
from tests.conftest import SECRET_KEY
from tests.factories import add_file, add_task
from tests.keys import KEYS

RULES = ChoreRules(max_attempts=3, task_retention=None, upload_retention=None)
SMALL_BATCH = 4

NewGround = Callable[..., Ground]


async def one_round(ground: Ground, *, now: datetime | None = None) -> None:
    """Tasks and messages that were lost."""
    await lost_leases.recover(ground, now=now)
    await undispatched.send(ground)
    await lost_messages.send_again(ground)


async def clean(ground: Ground) -> None:
    """What is past its time."""
    for work in (
        retention.delete_tasks,
        retention.delete_uploads,
        blobs.remove,
        expired_keys.forget,
        silent_workers.forget,
    ):
        await work(ground)


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage.made(settings.storage_url)


@pytest.fixture
def directory(settings: Settings) -> Path:
    return Path(urlsplit(settings.storage_url).path)


@pytest.fixture
def new_ground(pool: Pool, queue: Queue, storage: Storage) -> NewGround:
    """What a leader's chores work with, in small pages; a dispatcher sends what it was told when it is closed."""

    def make(dispatcher: Dispatcher | None = None, **rules: object) -> Ground:
        return Ground(
            pool,
            queue,
            storage,
            dispatcher or Dispatcher(pool, queue),
            structs.replace(RULES, **rules),
            Seal([SECRET_KEY]),
            batch=SMALL_BATCH,
        )

    return make


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection, 10_000)


def an_hour_later() -> datetime:
    """By then every lease has run out, and the database has run for longer than one."""
    return datetime.now(UTC) + timedelta(hours=1)


async def lose(connection: Connection, pool: Pool, user_id: str, number: int) -> list[str]:
    """Running tasks of a worker that will be no more."""
    for _ in range(number):
        await lives.create(connection, user_id)
    return [(await lives.claim(pool)).task_id for _ in range(number)]


async def test_lost_leases_come_back_also_more_than_a_batch(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, new_ground: NewGround
) -> None:
    number = SMALL_BATCH * 2 + 1
    lost = await lose(connection, pool, user_id, number)
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    await one_round(new_ground(dispatcher), now=an_hour_later())
    await dispatcher.close()
    rows = await connection.fetch("SELECT status, attempts, line, lease_token FROM tasks")
    assert [tuple(row) for row in rows] == [("pending", 1, 0, 1)] * number
    assert set(await lives.messages(queue)) == {message_id(task_id, 1) for task_id in lost}
    await lives.assert_balanced(pool)


async def test_without_attempts_left_lost_tasks_fail_and_are_refunded(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, new_ground: NewGround
) -> None:
    lost = await lose(connection, pool, user_id, SMALL_BATCH + 1)
    async with lives.listening(queue, KEYS.changed) as told:
        await one_round(new_ground(max_attempts=1), now=an_hour_later())
        assert {await told() for _ in lost} == {f"{task_id} failed {user_id}" for task_id in lost}
    for task_id in lost:
        failed = await lives.get(pool, task_id)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == (TaskStatus.FAILED, FailureCode.ATTEMPTS_EXHAUSTED)
    assert await lives.balance(pool, user_id) == 10_000
    await lives.assert_balanced(pool)


async def test_leases_that_still_last_are_left_alone(
    pool: Pool, connection: Connection, user_id: str, new_ground: NewGround
) -> None:
    await lives.create(connection, user_id)
    held = await lives.claim(pool, now=an_hour_later())
    await one_round(new_ground(), now=an_hour_later() + LEASE / 2)
    assert await lifecycle.is_held(pool, held)


async def test_after_a_restart_of_the_database_holders_get_one_lease_to_renew(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    await lives.create(connection, user_id)
    lost = [(await lives.claim(pool, now=lives.today())).task_id]
    started = await connection.fetchval("SELECT pg_postmaster_start_time()")
    for now, recovered in ((started + LEASE, []), (started + LEASE + timedelta(seconds=1), lost)):
        found = await lifecycle.recover_lost(pool, max_attempts=3, limit=9, now=now)
        assert [task.task_id for task in found] == recovered


async def test_leases_are_recovered_though_the_databases_clock_was_set_back_since_its_start(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    """A machine boots with a clock that is ahead, and NTP sets it right: for hours nothing was recovered."""
    await lives.create(connection, user_id)
    now = await connection.fetchval("SELECT pg_postmaster_start_time()") - timedelta(hours=2)
    lost = await lives.claim(pool, now=now)
    found = await lifecycle.recover_lost(pool, max_attempts=3, limit=9, now=now + 2 * LEASE)
    assert [task.task_id for task in found] == [lost.task_id]


async def test_two_leaders_do_everything_once(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, new_ground: NewGround
) -> None:
    number = SMALL_BATCH * 3
    await lose(connection, pool, user_id, number)
    dispatchers = [Dispatcher(pool, queue) for _ in range(4)]
    grounds = [new_ground(dispatcher, max_attempts=2) for dispatcher in dispatchers]
    later = an_hour_later()
    await asyncio.gather(*(one_round(ground, now=later) for ground in grounds))
    for dispatcher in dispatchers:
        await dispatcher.start()
        await dispatcher.close()
    rows = await connection.fetch("SELECT status, attempts, lease_token, message_no FROM tasks")
    assert [tuple(row) for row in rows] == [("pending", 1, 1, 1)] * number
    assert len(await lives.messages(queue)) == number


async def test_marked_tasks_are_sent_also_more_than_a_batch(
    connection: Connection, queue: Queue, user_id: str, new_ground: NewGround
) -> None:
    number = SMALL_BATCH * 2 + 3
    for _ in range(number):
        await add_task(connection, user_id, updated_at=lives.today())
    await one_round(new_ground())
    assert len(await lives.messages(queue)) == number


async def test_messages_that_redis_lost_are_sent_in_the_same_round(
    connection: Connection, queue: Queue, user_id: str, new_ground: NewGround
) -> None:
    number = SMALL_BATCH * 2 + 3
    for _ in range(number):
        await add_task(connection, user_id, updated_at=lives.today(), dispatched_at=lives.today())
    await one_round(new_ground())
    assert len(await lives.messages(queue)) == number


async def test_a_worker_is_seen_whoever_does_the_chores(pool: Pool, connection: Connection) -> None:
    signing = asyncio.create_task(keep_signing(pool, WorkerPresence("worker", 2, frozenset({Mode.BACKGROUND_CHANGE}))))

    async def seen() -> bool:
        return len(await workers.living_workers(connection)) == 1

    await lives.until(seen)
    signing.cancel()
    await asyncio.wait({signing})
    (worker,) = await workers.living_workers(connection)
    assert (worker.worker_id, worker.slots, worker.modes) == ("worker", 2, ["BACKGROUND_CHANGE"])


async def test_workers_that_are_silent_are_forgotten(connection: Connection, new_ground: NewGround) -> None:
    for age in ("10 seconds", "1 minute", "2 hours"):
        await connection.execute(
            "INSERT INTO workers VALUES ($1, 1, '{POSE_CHANGE}', now(), now() - $1::text::interval)", age
        )
    assert [seen.worker_id for seen in await workers.living_workers(connection)] == ["10 seconds"]
    await clean(new_ground())
    rows = await connection.fetch("SELECT worker_id FROM workers ORDER BY seen_at DESC")
    assert [row["worker_id"] for row in rows] == ["10 seconds", "1 minute"]


async def put(storage: Storage, connection: Connection, user_id: str, **columns: object) -> str:
    """A stored file; its id."""
    record = await add_file(connection, user_id, **columns)
    await storage.put_bytes(record.blob_key, b"picture", "image/jpeg")
    return record.file_id


def stored(directory: Path) -> int:
    return sum(path.is_file() for path in directory.rglob("*"))


async def test_blobs_of_crashed_uploads_go_when_they_are_due(
    connection: Connection, storage: Storage, directory: Path, new_ground: NewGround
) -> None:
    number = SMALL_BATCH * 2 + 1
    keys = [f"ab/blob_{n}" for n in range(number)]
    await files.expect_blobs(connection, keys)
    for key in keys:
        await storage.put_bytes(key, b"half", "image/jpeg")
    await clean(new_ground())
    assert stored(directory) == number
    await connection.execute("UPDATE blob_removals SET due_at = now()")
    await clean(new_ground())
    assert stored(directory) == 0
    assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 0


async def test_a_blob_that_a_file_refers_to_stays(
    connection: Connection, storage: Storage, directory: Path, user_id: str, new_ground: NewGround
) -> None:
    first = await files.get_file(connection, await put(storage, connection, user_id))
    assert first is not None
    second = await add_file(connection, user_id, blob_key=first.blob_key)
    for file_id, left in ((first.file_id, 1), (second.file_id, 0)):
        await files.delete_file(connection, user_id, file_id)
        await clean(new_ground())
        assert stored(directory) == left


async def test_a_blob_that_can_not_be_removed_is_tried_again_later(
    pool: Pool, connection: Connection, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await files.expect_blobs(connection, ["ab/bad", "ab/good"], grace=timedelta(0))
    delete = storage.delete

    async def refuse_one(key: str) -> None:
        if key == "ab/bad":
            raise StorageError("the bucket is away", transient=True)
        await delete(key)

    monkeypatch.setattr(storage, "delete", refuse_one)
    assert await sweep_blobs(pool, storage, limit=10) == 1
    assert await sweep_blobs(pool, storage, limit=10) == 0
    (row,) = await connection.fetch("SELECT blob_key, due_at > now() AS later FROM blob_removals")
    assert tuple(row) == ("ab/bad", True)


async def test_old_tasks_go_with_their_results_also_more_than_a_batch(
    connection: Connection, storage: Storage, directory: Path, user_id: str, new_ground: NewGround
) -> None:
    number = SMALL_BATCH * 2 + 1
    for _ in range(number):
        task = await add_task(connection, user_id, TaskStatus.DONE, completed_at=lives.today())
        await put(storage, connection, user_id, task_id=task.task_id, purpose="output")
    upload = await put(storage, connection, user_id)
    unfinished = [
        (await add_task(connection, user_id, status, created_at=lives.today())).task_id
        for status in (TaskStatus.PENDING, TaskStatus.PROCESSING)
    ]
    new = await add_task(connection, user_id, TaskStatus.FAILED)
    await clean(new_ground())
    assert await connection.fetchval("SELECT count(*) FROM tasks") == number + 3
    await clean(new_ground(task_retention=timedelta(days=30)))
    left = {row["task_id"] for row in await connection.fetch("SELECT task_id FROM tasks")}
    assert left == {*unfinished, new.task_id}
    assert [row["file_id"] for row in await connection.fetch("SELECT file_id FROM files")] == [upload]
    assert stored(directory) == 1


async def test_old_uploads_go_unless_a_task_needs_them(
    pool: Pool, connection: Connection, storage: Storage, directory: Path, user_id: str, new_ground: NewGround
) -> None:
    uploads = [await put(storage, connection, user_id) for _ in range(SMALL_BATCH * 2 + 1)]
    result = await put(storage, connection, user_id, task_id="task_of_old", purpose="output")
    await connection.execute("UPDATE files SET uploaded_at = $1", lives.today())
    new = await put(storage, connection, user_id)
    waiting = await add_task(connection, user_id, source_image=uploads[0])
    running = await add_task(connection, user_id, TaskStatus.PROCESSING, reference_image=uploads[1])
    await add_task(connection, user_id, TaskStatus.DONE, source_image=uploads[2])
    await clean(new_ground(upload_retention=timedelta(days=30)))
    left = {row["file_id"] for row in await connection.fetch("SELECT file_id FROM files")}
    assert left == {waiting.source_image, running.reference_image, result, new}
    assert stored(directory) == 4
    assert await sweep_uploads(pool, retention=timedelta(days=30), limit=10) == 0


def service_of(pool: Pool, queue: Queue) -> TaskService:
    rules = Rules(lives.EVERY_MODE, max_pending=10)
    return TaskService(pool, Dispatcher(pool, queue), Waiters(pool, News(queue)), rules)


async def a_done_task(connection: Connection, user_id: str) -> tuple[str, str]:
    """An old task and its result's file."""
    task = await add_task(connection, user_id, TaskStatus.DONE, completed_at=lives.today())
    result = await add_file(connection, user_id, task_id=task.task_id, purpose="output")
    return task.task_id, result.file_id


@pytest.mark.parametrize("by", ["its user", "the sweep"])
async def test_a_result_that_is_another_tasks_input_outlives_its_task(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, by: str
) -> None:
    task_id, file_id = await a_done_task(connection, user_id)
    await add_task(connection, user_id, source_image=file_id)
    if by == "its user":
        await service_of(pool, queue).delete_task(user_id, task_id)
    else:
        assert await sweep_tasks(pool, retention=timedelta(days=30), limit=10) == 1
    assert await files.get_file(connection, file_id)
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 1


async def test_a_result_kept_as_an_input_goes_with_the_last_task_that_has_it(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    """It is an upload of nobody's: no other chore comes by."""
    task_id, file_id = await a_done_task(connection, user_id)
    own, living = await a_done_task(connection, user_id)
    uploaded = await add_file(connection, user_id)
    old = {"completed_at": lives.today(), "source_image": file_id}
    users = [
        (await add_task(connection, user_id, TaskStatus.DONE, reference_image=reference, **old)).task_id
        for reference in (living, uploaded.file_id)
    ]
    assert await delete_task(pool, user_id, task_id)
    assert await delete_task(pool, user_id, users[0])
    assert await files.get_file(connection, file_id)
    assert await delete_task(pool, user_id, users[1])
    left = {row["file_id"] for row in await connection.fetch("SELECT file_id FROM files")}
    assert left == {living, uploaded.file_id}
    assert await delete_task(pool, user_id, own)
    assert not await files.get_file(connection, living)


async def test_a_result_that_is_becoming_another_tasks_input_stays(
    pool: Pool, connection: Connection, queue: Queue, user_id: str
) -> None:
    """A create that uses it is about to commit while its task is deleted."""
    task_id, file_id = await a_done_task(connection, user_id)
    wanted = await lives.an_order(connection, user_id, source_image=file_id)
    async with pool.acquire() as creating:
        transaction = creating.transaction()
        await transaction.start()
        assert (await store.submit_tasks(creating, wanted, max_pending=10)).tasks
        deletion = asyncio.create_task(service_of(pool, queue).delete_task(user_id, task_id))
        await lives.until_blocked(connection)
        await transaction.commit()
    await deletion
    assert await files.get_file(connection, file_id)


async def test_keys_are_forgotten_after_their_day(connection: Connection, user_id: str, new_ground: NewGround) -> None:
    for age in ("23 hours", "25 hours"):
        await connection.execute(
            "INSERT INTO idempotency_keys VALUES ($1, 'tasks', $2, '', 'task', now() - $2::text::interval)",
            user_id,
            age,
        )
    await clean(new_ground())
    assert await connection.fetchval("SELECT key FROM idempotency_keys") == "23 hours"


async def test_a_chore_that_fails_or_takes_long_delays_no_other(
    connection: Connection, user_id: str, queue: Queue, new_ground: NewGround
) -> None:
    errors: list[Exception] = [ConnectionRefusedError(), ZeroDivisionError()]

    async def fail_first(ground: Ground) -> None:
        if errors:
            raise errors.pop()
        await undispatched.send(ground)

    async def for_ever(_: Ground) -> None:
        await asyncio.Event().wait()

    await add_task(connection, user_id, updated_at=lives.today())
    work = chores.keep_at(new_ground(), (Chore("long", 0.01, for_ever), Chore("failing", 0.01, fail_first)))
    running = asyncio.create_task(work)

    async def sent() -> bool:
        return await queue.length() == 1

    await lives.until(sent)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert errors == []
    (noted,) = await recent_failures(connection, 10)
    assert (noted.chore, noted.subject, noted.reason, noted.failures) == ("failing", "", "unforeseen", 1)


async def test_retention_reads_no_more_than_what_is_past_its_time(connection: Connection, user_id: str) -> None:
    """Along an index on the time of the end, also with a plan that PostgreSQL makes once for all values."""
    await add_task(connection, user_id, TaskStatus.DONE, completed_at=lives.today())
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, status, cancelled_at) "
        "SELECT 'task_' || n, $1, 'HEAD_SWAP', 'file', 'cancelled', now() FROM generate_series(1, 5000) AS n",
        user_id,
    )
    await connection.execute("ANALYZE tasks")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    query = load_queries("task_endings")["expired_tasks"]
    values = {"now": None, "retention": timedelta(days=30), "limit": 200, "after_ended_at": None, "after_task_id": None}
    plan = await connection.fetch(f"EXPLAIN {query.sql}", *(values[name] for name in query.parameters))
    await connection.execute("RESET plan_cache_mode")
    assert any("idx_tasks_ended" in row[0] for row in plan)
    assert not any("Seq Scan" in row[0] or "Sort" in row[0] for row in plan)
