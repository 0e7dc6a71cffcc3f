"""Users and tasks at every point of their life, made by the service's own operations."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, cast

import asyncpg

from schema.identifiers import new_id
from schema.models.edits import Mode
from schema.models.problems import FailureCode
from schema.models.tasks import Priority, StoredResult, TaskFailure, TaskRecord, TaskStatus
from service.accounts import store as accounts
from service.accounts import users
from service.database import Connection, Pool
from service.database.statements import convert
from service.queue import Queue
from service.tasks import lifecycle, store
from service.tasks.lifecycle import Claim
from service.tasks.store import IdempotencyKey, Order, Submission
from tests.chaos.invariants import RUNNING_BALANCES
from tests.factories import add_file, add_task
from tests.keys import EDIT_KEYS

PRICE = 40
CREDITS = 1000
EVERY_MODE = frozenset(Mode)
FAILURE = TaskFailure(FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo.", {"people": 0})
PATIENCE = 60.0
"""Seconds until something that should happen counts as not happening, on a machine that is busy with other things."""


async def add_user(connection: Connection, credits_: int = CREDITS) -> str:
    """Somebody with credits, all of them in the ledger; their id."""
    return (await users.create_user(connection, f"{token_hex(6)}@example.com", credits_=credits_)).user_id


async def an_order(
    connection: Connection, user_id: str, *, idempotency: IdempotencyKey | None = None, **changes: Any
) -> Order:
    """A create that nothing stands in the way of; its source image is there unless `changes` name another."""
    if "source_image" not in changes:
        changes["source_image"] = (await add_file(connection, user_id)).file_id
    values: dict[str, Any] = {
        "task_id": new_id("task"),
        "mode": Mode.BACKGROUND_CHANGE,
        "priority": Priority.NORMAL,
        "reference_image": None,
        "config": {},
        "webhook_url": None,
        "webhook_events": None,
        "price": PRICE,
        "available": True,
    }
    return Order(user_id=user_id, tasks=[Submission(**(values | changes))], idempotency=idempotency)


async def create(connection: Connection, user_id: str, *, now: datetime | None = None, **changes: Any) -> TaskRecord:
    """A charged, waiting task."""
    order = await an_order(connection, user_id, **changes)
    answer = await store.submit_tasks(connection, order, max_pending=10_000, now=now)
    return answer.tasks[0]


async def claim(
    pool: Pool, named: str = "task_of_a_message", *, worker_id: str = "worker", now: datetime | None = None
) -> Claim:
    """The claim that a message leads to."""
    taken = await lifecycle.claim(pool, named, worker_id=worker_id, modes=EVERY_MODE, now=now)
    assert taken.claim is not None
    return taken.claim


async def wait_in_line(connection: Connection, user_id: str, number: int, *, hour: int = 9) -> list[TaskRecord]:
    """Waiting tasks of a user, a minute apart."""
    return [await add_task(connection, user_id, created_at=today(hour, minute)) for minute in range(number)]


def a_result() -> StoredResult:
    return StoredResult("file_made", "file_thumbnail", None, {"width": 640, "height": 480})


async def cancel(pool: Pool, user_id: str, task_id: str) -> TaskRecord | None:
    """Cancel and refund, as the service does; None when it can't be."""
    return await lifecycle.cancel_task(pool, user_id, task_id)


async def reach(pool: Pool, user_id: str, status: TaskStatus) -> Claim:
    """The user's only task, in this status, as a claim with the row's own fencing token."""
    async with pool.acquire() as connection:
        task = await create(connection, user_id)
    if status is TaskStatus.CANCELLED:
        await cancel(pool, user_id, task.task_id)
    elif status is not TaskStatus.PENDING:
        held = await claim(pool, task.task_id)
        if status is TaskStatus.DONE:
            await lifecycle.complete_task(pool, held, a_result(), [])
        elif status is TaskStatus.FAILED:
            await lifecycle.fail_task(pool, held, FAILURE)
    reached = Claim(await get(pool, task.task_id))
    assert reached.task.status is status
    return reached


async def get(pool: Pool, task_id: str) -> TaskRecord:
    async with pool.acquire() as connection:
        record = await connection.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id)
    assert record is not None
    return convert(record, TaskRecord)


async def everything(pool: Pool) -> dict[str, list[asyncpg.Record]]:
    """All that an operation on tasks may write, to see whether it did; but not the hint who may be waiting."""
    tables = dict.fromkeys(("tasks", "users", "credit_ledger", "files", "blob_removals", "idempotency_keys"), "*")
    columns = tables | {"claim_turns": "user_id, last_claimed_at"}
    async with pool.acquire() as connection:
        return {
            table: await connection.fetch(f"SELECT {names} FROM {table} ORDER BY 1, 2")  # noqa: S608 - from above
            for table, names in columns.items()
        }


async def assert_balanced(pool: Pool) -> None:
    """Every balance is the sum of its ledger, and what a task gave back is what it took, once."""
    async with pool.acquire() as connection:
        await assert_ledgers(connection)
        wrong = await connection.fetch(
            """
            SELECT task_id, status, charged, refunded
              FROM (SELECT task_id, status, credits_consumed,
                           coalesce((SELECT -sum(amount) FROM credit_ledger AS entry
                                      WHERE entry.task_id = tasks.task_id AND kind = 'charge'), 0) AS charged,
                           coalesce((SELECT sum(amount) FROM credit_ledger AS entry
                                      WHERE entry.task_id = tasks.task_id AND kind = 'refund'), 0) AS refunded
                      FROM tasks) AS sums
             WHERE charged <> credits_consumed
                OR refunded <> CASE WHEN status IN ('failed', 'cancelled') THEN credits_consumed ELSE 0 END
            """
        )
        assert wrong == []


async def assert_ledgers(connection: Connection) -> None:
    """Every balance is the sum of its ledger, and each of its lines tells the sum up to it."""
    assert await accounts.unbalanced_users(connection, 10) == []
    assert await connection.fetch(RUNNING_BALANCES) == []


async def balance(pool: Pool, user_id: str) -> int:
    async with pool.acquire() as connection:
        user = await accounts.get_user(connection, user_id)
    assert user is not None
    return user.current_credits


async def until(condition: Callable[[], Awaitable[bool]], *, within: float = PATIENCE) -> float:
    """Wait for a condition; the seconds it took. AssertionError when it doesn't come true."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within, "it did not come true"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def until_blocked(connection: Connection, sessions: int = 1) -> None:
    """Wait until that many sessions of this database wait for a lock."""

    async def blocked() -> bool:
        waiting = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return waiting >= sessions

    await until(blocked)


async def messages(queue: Queue) -> list[str]:
    """The ids in the queue, the next one first; each has its message, and no others have."""
    ids = [identity.decode() for identity in cast("list[bytes]", await queue.redis.lrange(EDIT_KEYS.waiting, 0, -1))]
    bodies = cast("list[bytes]", await queue.redis.hkeys(EDIT_KEYS.messages))
    assert {identity.decode() for identity in bodies} == set(ids)
    return ids


async def held_by_a_worker(queue: Queue) -> None:
    """Take the next message out of the queue, as a fetch does."""
    identity = cast("bytes | None", await queue.redis.lpop(EDIT_KEYS.waiting))
    assert identity
    await queue.redis.zadd(EDIT_KEYS.workers, {"worker": time.time() * 1000})
    await queue.redis.sadd(EDIT_KEYS.held_by + "worker", identity)


@asynccontextmanager
async def listening(queue: Queue, channel: str) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Hears what is published: each call waits for the next message."""
    async with queue.subscribe() as subscription:
        await subscription.subscribe(channel)
        await subscription.get_message(timeout=1)  # the subscription itself

        async def next_one() -> str:
            message = cast("dict[str, bytes] | None", await subscription.get_message(timeout=PATIENCE))
            assert message is not None
            return message["data"].decode()

        yield next_one


def seconds_after(moment: datetime | None, later: datetime | None) -> float:
    assert moment is not None
    assert later is not None
    return (later - moment).total_seconds()


def today(hour: int = 12, minute: int = 0, second: float = 0) -> datetime:
    """A moment of a day long past, for tests that pass the time in."""
    return datetime(2024, 5, 17, hour, minute, int(second), int(second % 1 * 1_000_000), UTC)
