"""What nobody else does: each kind of leftover is found, in any number, and nothing that is still in use is touched."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec import structs

from actors.maintenance import sweep
from actors.maintenance.sweep import Rules, Sweep
from schema.messages import message_id
from schema.models.edits import Mode
from schema.models.problems import FailureCode
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.files import store as files
from service.files.service import sweep_blobs, sweep_uploads
from service.files.storage import Storage, StorageError
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle, retention, store, workers
from service.tasks.dispatch import Dispatcher
from service.tasks.lifecycle import LEASE
from service.tasks.service import TaskService
from service.tasks.submission import Rules as SubmissionRules
from service.tasks.watching import Waiters
from tests import lives
from tests.factories import add_file, add_task
from tests.keys import KEYS

RULES = Rules(
    slots=2, modes=frozenset({Mode.BACKGROUND_CHANGE}), max_attempts=3, task_retention=None, upload_retention=None
)
SMALL_BATCH = 4

NewSweep = Callable[..., Sweep]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "BATCH", SMALL_BATCH)


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage.made(settings.storage_url)


@pytest.fixture
def directory(settings: Settings) -> Path:
    return Path(urlsplit(settings.storage_url).path)


@pytest.fixture
def new_sweep(pool: Pool, queue: Queue, storage: Storage) -> NewSweep:
    """A sweep whose dispatcher sends when it is closed; `tell` sends at once."""

    def make(dispatcher: Dispatcher | None = None, worker_id: str = "sweeper", **rules: object) -> Sweep:
        return Sweep(
            pool,
            queue,
            storage,
            dispatcher or Dispatcher(pool, queue),
            worker_id=worker_id,
            rules=structs.replace(RULES, **rules),
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
    pool: Pool, connection: Connection, queue: Queue, user_id: str, new_sweep: NewSweep
) -> None:
    number = SMALL_BATCH * 2 + 1
    lost = await lose(connection, pool, user_id, number)
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    await new_sweep(dispatcher).once(now=an_hour_later())
    await dispatcher.close()
    rows = await connection.fetch("SELECT status, attempts, line, lease_token FROM tasks")
    assert [tuple(row) for row in rows] == [("pending", 1, 0, 1)] * number
    assert set(await lives.messages(queue)) == {message_id(task_id, 1) for task_id in lost}
    await lives.assert_balanced(pool)


async def test_without_attempts_left_lost_tasks_fail_and_are_refunded(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, new_sweep: NewSweep
) -> None:
    lost = await lose(connection, pool, user_id, SMALL_BATCH + 1)
    async with lives.listening(queue, KEYS.ended) as told:
        await new_sweep(max_attempts=1).once(now=an_hour_later())
        assert {await told() for _ in lost} == set(lost)
    for task_id in lost:
        failed = await lives.get(pool, task_id)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == (TaskStatus.FAILED, FailureCode.ATTEMPTS_EXHAUSTED)
    assert await lives.balance(pool, user_id) == 10_000
    await lives.assert_balanced(pool)


async def test_leases_that_still_last_are_left_alone(
    pool: Pool, connection: Connection, user_id: str, new_sweep: NewSweep
) -> None:
    await lives.create(connection, user_id)
    held = await lives.claim(pool, now=an_hour_later())
    await new_sweep().once(now=an_hour_later() + LEASE / 2)
    assert await lifecycle.is_held(pool, held)


async def test_after_a_restart_of_the_database_holders_get_one_lease_to_renew(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    await lives.create(connection, user_id)
    lost = [(await lives.claim(pool, now=lives.today())).task_id]
    started = await connection.fetchval("SELECT pg_postmaster_start_time()")
    for now, recovered in ((started + LEASE, []), (started + LEASE + timedelta(seconds=1), lost)):
        async with connection.transaction():
            found = await lifecycle.recover_lost(connection, max_attempts=3, limit=9, now=now)
        assert [task.task_id for task in found] == recovered


async def test_sweeps_at_once_do_everything_once(
    pool: Pool, connection: Connection, queue: Queue, user_id: str, new_sweep: NewSweep
) -> None:
    number = SMALL_BATCH * 3
    await lose(connection, pool, user_id, number)
    dispatchers = [Dispatcher(pool, queue) for _ in range(4)]
    sweeps = [new_sweep(dispatcher, f"sweeper {n}", max_attempts=2) for n, dispatcher in enumerate(dispatchers)]
    later = an_hour_later()
    await asyncio.gather(*(each.once(now=later) for each in sweeps))
    for dispatcher in dispatchers:
        await dispatcher.start()
        await dispatcher.close()
    rows = await connection.fetch("SELECT status, attempts, lease_token, message_no FROM tasks")
    assert [tuple(row) for row in rows] == [("pending", 1, 1, 1)] * number
    assert len(await lives.messages(queue)) == number
    assert len(await workers.living_workers(connection)) == 4


async def test_marked_tasks_are_sent_also_more_than_a_batch(
    connection: Connection, queue: Queue, user_id: str, new_sweep: NewSweep
) -> None:
    number = SMALL_BATCH * 2 + 3
    for _ in range(number):
        await add_task(connection, user_id, updated_at=lives.today())
    await new_sweep().once()
    assert len(await lives.messages(queue)) == number


async def test_messages_that_redis_lost_are_sent_in_the_same_round(
    connection: Connection, queue: Queue, user_id: str, new_sweep: NewSweep
) -> None:
    number = SMALL_BATCH * 2 + 3
    for _ in range(number):
        await add_task(connection, user_id, updated_at=lives.today(), dispatched_at=lives.today())
    await new_sweep().once()
    assert len(await lives.messages(queue)) == number


async def test_a_worker_is_seen(connection: Connection, new_sweep: NewSweep) -> None:
    for _ in range(2):
        await new_sweep().once()
    (seen,) = await workers.living_workers(connection)
    assert (seen.worker_id, seen.slots, seen.modes) == ("sweeper", 2, ["BACKGROUND_CHANGE"])


async def test_workers_that_are_silent_are_forgotten(connection: Connection, new_sweep: NewSweep) -> None:
    for age in ("10 seconds", "1 minute", "2 hours"):
        await connection.execute(
            "INSERT INTO workers VALUES ($1, 1, '{POSE_CHANGE}', now(), now() - $1::text::interval)", age
        )
    assert [seen.worker_id for seen in await workers.living_workers(connection)] == ["10 seconds"]
    await new_sweep().clean()
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
    connection: Connection, storage: Storage, directory: Path, new_sweep: NewSweep
) -> None:
    number = SMALL_BATCH * 2 + 1
    keys = [f"ab/blob_{n}" for n in range(number)]
    await files.expect_blobs(connection, keys)
    for key in keys:
        await storage.put_bytes(key, b"half", "image/jpeg")
    await new_sweep().clean()
    assert stored(directory) == number
    await connection.execute("UPDATE blob_removals SET due_at = now()")
    await new_sweep().clean()
    assert stored(directory) == 0
    assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 0


async def test_a_blob_that_a_file_refers_to_stays(
    connection: Connection, storage: Storage, directory: Path, user_id: str, new_sweep: NewSweep
) -> None:
    first = await files.get_file(connection, await put(storage, connection, user_id))
    assert first is not None
    second = await add_file(connection, user_id, blob_key=first.blob_key)
    for file_id, left in ((first.file_id, 1), (second.file_id, 0)):
        await files.delete_file(connection, user_id, file_id)
        await new_sweep().clean()
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
    connection: Connection, storage: Storage, directory: Path, user_id: str, new_sweep: NewSweep
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
    await new_sweep().clean()
    assert await connection.fetchval("SELECT count(*) FROM tasks") == number + 3
    await new_sweep(task_retention=timedelta(days=30)).clean()
    left = {row["task_id"] for row in await connection.fetch("SELECT task_id FROM tasks")}
    assert left == {*unfinished, new.task_id}
    assert [row["file_id"] for row in await connection.fetch("SELECT file_id FROM files")] == [upload]
    assert stored(directory) == 1


async def test_old_uploads_go_unless_a_task_needs_them(
    pool: Pool, connection: Connection, storage: Storage, directory: Path, user_id: str, new_sweep: NewSweep
) -> None:
    uploads = [await put(storage, connection, user_id) for _ in range(SMALL_BATCH * 2 + 1)]
    result = await put(storage, connection, user_id, task_id="task_of_old", purpose="output")
    await connection.execute("UPDATE files SET uploaded_at = $1", lives.today())
    new = await put(storage, connection, user_id)
    waiting = await add_task(connection, user_id, source_image=uploads[0])
    running = await add_task(connection, user_id, TaskStatus.PROCESSING, reference_image=uploads[1])
    await add_task(connection, user_id, TaskStatus.DONE, source_image=uploads[2])
    await new_sweep(upload_retention=timedelta(days=30)).clean()
    left = {row["file_id"] for row in await connection.fetch("SELECT file_id FROM files")}
    assert left == {waiting.source_image, running.reference_image, result, new}
    assert stored(directory) == 4
    assert await sweep_uploads(pool, retention=timedelta(days=30), limit=10) == 0


def service_of(pool: Pool, queue: Queue) -> TaskService:
    rules = SubmissionRules(lives.EVERY_MODE, max_pending=10)
    return TaskService(pool, Dispatcher(pool, queue), Waiters(pool, queue), rules)


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
        assert await retention.sweep_tasks(pool, retention=timedelta(days=30), limit=10) == 1
    assert await files.get_file(connection, file_id)
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 1


async def test_a_result_that_is_becoming_another_tasks_input_stays(
    pool: Pool, connection: Connection, queue: Queue, user_id: str
) -> None:
    """A create that uses it is about to commit while its task is deleted."""
    task_id, file_id = await a_done_task(connection, user_id)
    wanted = await lives.a_submission(connection, user_id, source_image=file_id)
    async with pool.acquire() as creating:
        transaction = creating.transaction()
        await transaction.start()
        assert (await store.submit_task(creating, wanted, max_pending=10)).task
        deletion = asyncio.create_task(service_of(pool, queue).delete_task(user_id, task_id))
        await lives.until_blocked(connection)
        await transaction.commit()
    await deletion
    assert await files.get_file(connection, file_id)


async def test_keys_are_forgotten_after_their_day(connection: Connection, user_id: str, new_sweep: NewSweep) -> None:
    for age in ("23 hours", "25 hours"):
        await connection.execute(
            "INSERT INTO idempotency_keys VALUES ($1, 'tasks', $2, '', 'task', now() - $2::text::interval)",
            user_id,
            age,
        )
    await new_sweep().clean()
    assert await connection.fetchval("SELECT key FROM idempotency_keys") == "23 hours"


async def test_a_sweep_that_fails_is_tried_again(
    connection: Connection, user_id: str, queue: Queue, new_sweep: NewSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And cleaning that takes long delays nothing else."""
    monkeypatch.setattr(sweep, "SWEEP_EVERY", 0.01)
    sweeping = new_sweep()
    once = sweeping.once
    errors: list[Exception] = [ConnectionRefusedError(), ZeroDivisionError()]

    async def fail_first() -> None:
        if errors:
            raise errors.pop()
        await once()

    async def for_ever() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(sweeping, "once", fail_first)
    monkeypatch.setattr(sweeping, "clean", for_ever)
    await add_task(connection, user_id, updated_at=lives.today())
    running = asyncio.create_task(sweeping.run())

    async def sent() -> bool:
        return await queue.length() == 1

    await lives.until(sent)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert errors == []
