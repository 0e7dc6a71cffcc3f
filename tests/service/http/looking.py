"""Looking behind the API: what it wrote to PostgreSQL and to Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import redis.asyncio as aioredis

from schema.messages import message_id
from schema.models.tasks import TaskRecord
from service.database import Connection
from service.database.statements import convert
from tests.keys import EDIT_KEYS
from tests.service.http.serving import User

PATIENCE = 10.0


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something becomes true that is told to nobody."""
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < deadline, f"{what} did not become true within {PATIENCE:g} s"
        await asyncio.sleep(0.01)


async def record_of(db: Connection, task_id: str) -> TaskRecord:
    record = await db.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id)
    assert record is not None
    return convert(record, TaskRecord)


async def ledger(db: Connection, user: User) -> list[tuple[str, int, str | None]]:
    """(kind, amount, task) of every change of a user's balance, oldest first."""
    rows = await db.fetch(
        "SELECT kind, amount, task_id FROM credit_ledger WHERE user_id = $1 ORDER BY entry_id", user.user_id
    )
    return [(row["kind"], row["amount"], row["task_id"]) for row in rows]


async def credits_of(db: Connection, user: User) -> int:
    """A user's balance, which must be the sum of its ledger."""
    balance: int = await db.fetchval("SELECT current_credits FROM users WHERE user_id = $1", user.user_id)
    assert balance == sum(amount for _, amount, _ in await ledger(db, user))
    return balance


async def count_tasks(db: Connection, user: User) -> int:
    count: int = await db.fetchval("SELECT count(*) FROM tasks WHERE user_id = $1", user.user_id)
    return count


async def is_queued(redis: aioredis.Redis, record: TaskRecord) -> bool:
    """Whether the task's message waits in Redis: its id in the list, and itself in the hash."""
    identity = message_id(record.task_id, record.message_no)
    listed = await redis.lpos(EDIT_KEYS.waiting, identity) is not None  # pyright: ignore[reportGeneralTypeIssues]
    assert listed == bool(await redis.hexists(EDIT_KEYS.messages, identity))  # pyright: ignore[reportGeneralTypeIssues]
    return listed


async def until_queued(redis: aioredis.Redis, db: Connection, task_id: str) -> TaskRecord:
    """Wait for the dispatch that follows a create; the task as it is then."""

    async def queued() -> bool:
        return await is_queued(redis, await record_of(db, task_id))

    await eventually(queued, "the task's message in Redis")
    return await record_of(db, task_id)
