"""What is: the service's own operations on a real database, a real Redis and a directory of files."""

import asyncio
import shutil
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, Self, TypeVar, cast

from schema.identifiers import new_id
from schema.messages import message_id
from schema.models.edits import Mode
from schema.models.tasks import StoredResult, TaskRecord, TaskStatus
from service.accounts import users
from service.database import Pool, open_pool
from service.database.statements import convert
from service.files import store as files
from service.files.service import blob_key_of
from service.files.storage import Storage
from service.files.store import NewFile
from service.files.sweeping import sweep_blobs
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle, store
from service.tasks.dispatch import Dispatcher, sweep_lost_messages, sweep_undispatched
from service.tasks.lifecycle import Claim
from service.tasks.service import TaskService
from service.tasks.submission import Rules
from service.tasks.watching import News, Waiters
from tests.chaos.invariants import broken
from tests.chaos.model import MAX_ATTEMPTS, MAX_PENDING
from tests.factories import add_file
from tests.keys import EDIT_KEYS, KEYS

T = TypeVar("T")

AT_ONCE = timedelta(0)
TABLES = (
    "users",
    "tasks",
    "files",
    "credit_ledger",
    "blob_removals",
    "workers",
    "processes",
    "leaders",
    "chore_failures",
    "task_events",
    "event_removals",
    "webhook_deliveries",
    "webhook_hosts",
)
"""What a life may leave rows in; in this order, since triggers write."""

LIMIT = 3
"""Rows of a sweep's batch: few, so that there is always a next one."""


class World:
    """One database for many lives, one after the other; a context manager."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self.directory = directory
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._close())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _open(self) -> None:
        self.pool: Pool = await open_pool(self._settings, min_size=4)
        self.queue = Queue(self._settings.redis_url, KEYS)
        self.storage = Storage.made(self.directory.as_uri())
        self.dispatcher = Dispatcher(self.pool, self.queue)
        rules = Rules(available=frozenset(Mode), max_pending=MAX_PENDING)
        self.tasks = TaskService(self.pool, self.dispatcher, Waiters(self.pool, News(self.queue)), rules)

    async def _close(self) -> None:
        await self.queue.close()
        await self.pool.close()

    async def begin(self, people: int, credits_: int) -> dict[str, str]:
        """An empty world with some people in it: each one's id, and the id of their photo."""
        await self.queue.redis.flushdb()
        for left in self.directory.iterdir():
            shutil.rmtree(left)
        photos: dict[str, str] = {}
        async with self.pool.acquire() as connection:
            for table in TABLES:
                await connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            for number in range(people):
                user_id = f"usr_{number}"
                await users.create_user(connection, f"{user_id}@example.com", credits_=credits_, user_id=user_id)
                photo = await add_file(connection, user_id, blob_key=f"photos/{token_hex(8)}")
                await self.storage.put_bytes(photo.blob_key, b"a photo", "image/jpeg")
                photos[user_id] = photo.file_id
        return photos

    async def rows(self) -> dict[str, TaskRecord]:
        async with self.pool.acquire() as connection:
            records = await connection.fetch("SELECT * FROM tasks")
        return {record["task_id"]: convert(record, TaskRecord) for record in records}

    async def balances(self) -> dict[str, int]:
        async with self.pool.acquire() as connection:
            return dict(await connection.fetch("SELECT user_id, current_credits FROM users"))

    async def grant(self, user_id: str, credits_: int) -> None:
        async with self.pool.acquire() as connection:
            await users.grant(connection, user_id, credits_, None)

    async def wrongs(self, rows: dict[str, TaskRecord]) -> list[str]:
        """What breaks an invariant; among them, waiting tasks that nobody will ever hear of."""
        async with self.pool.acquire() as connection:
            found = await broken(connection, self.directory, max_attempts=MAX_ATTEMPTS)
        sent = [
            (row.task_id, row.message_no)
            for row in rows.values()
            if row.status is TaskStatus.PENDING and row.dispatched_at
        ]
        forgotten = await self.queue.missing(sent) if sent else []
        return found + [f"waits without a mark and without a message: {task_id}" for task_id, _ in forgotten]

    async def claim(self, named: str, now: datetime, *, announce: bool = True) -> Claim | None:
        """What a delivered message leads to; the named task's next message is sent, unless the worker dies first."""
        taken = await lifecycle.claim(self.pool, named, worker_id="worker", modes=frozenset(Mode), now=now)
        if announce and taken.announce is not None:
            await self.dispatcher.send([taken.announce])
        return taken.claim

    async def claim_without_message(self, now: datetime) -> Claim | None:
        """The claim alone."""
        async with self.pool.acquire() as connection:
            return await store.claim_task(
                connection, worker_id="worker", modes=frozenset(Mode), lease=lifecycle.LEASE, now=now
            )

    async def deliver(self, now: datetime, *, acknowledge: bool) -> Claim | None:
        """Take the next message out of Redis; one that isn't acknowledged stays with its worker, who died of it."""
        identity = cast("bytes | None", await self.queue.redis.lpop(EDIT_KEYS.waiting))
        if identity is None:
            return None
        claim = await self.claim(identity.decode().rpartition(".")[0], now, announce=acknowledge)
        if acknowledge:
            await self.queue.redis.hdel(EDIT_KEYS.messages, identity)
        return claim

    async def waits_in_redis(self, task: TaskRecord) -> bool:
        """Whether a task's current message is still in the queue."""
        identity = message_id(task.task_id, task.message_no)
        return await self.queue.redis.lpos(EDIT_KEYS.waiting, identity) is not None

    async def complete(self, claim: Claim, now: datetime) -> TaskRecord | None:
        """As the worker does it: note the blobs, store them, then the rows; too late, all of it is thrown away."""
        made = [made_by(claim, kind) for kind in ("output", "thumbnail")]
        keys = [new.blob_key for new in made]
        async with self.pool.acquire() as connection:
            await files.expect_blobs(connection, keys)
        for key in keys:
            await self.storage.put_bytes(key, b"a picture", "image/jpeg")
        result = StoredResult(made[0].file_id, made[1].file_id, None, {})
        task = await lifecycle.complete_task(self.pool, claim, result, made, now=now)
        if task is None:
            async with self.pool.acquire() as connection:
                await files.drop_blobs(connection, keys)
        return task

    async def sweep(self, now: datetime) -> set[str]:
        """Take tasks from lost workers, in small pages as the chore does; which they were."""
        recovered = await lifecycle.recover_lost(self.pool, max_attempts=MAX_ATTEMPTS, limit=LIMIT, now=now)
        return {task.task_id for task in recovered}

    async def dispatch(self, now: datetime) -> None:
        await sweep_undispatched(self.pool, self.dispatcher, grace=AT_ONCE, limit=LIMIT, now=now)

    async def forget_messages(self, now: datetime) -> None:
        """Redis loses everything, and the sweep finds out."""
        await self.queue.redis.flushdb()
        await sweep_lost_messages(self.pool, self.queue, age=AT_ONCE, limit=LIMIT, now=now)

    async def clean(self) -> None:
        await sweep_blobs(self.pool, self.storage, limit=LIMIT)


def made_by(claim: Claim, kind: str) -> NewFile:
    file_id = new_id("file")
    return NewFile(
        file_id=file_id,
        user_id=claim.task.user_id,
        task_id=claim.task_id,
        purpose=kind,
        filename=f"{kind}.jpg",
        blob_key=blob_key_of(file_id),
        sha256="0" * 64,
        content_type="image/jpeg",
        size=9,
        width=8,
        height=6,
    )
