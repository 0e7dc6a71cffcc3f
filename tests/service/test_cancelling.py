"""What is cancelled ends, wherever it is at that moment: a cancellation that is lost leaves a loop that never ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from actors.maintenance.chores import CHORES, Chore
from actors.maintenance.ground import ChoreRules, Ground
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.database.transactions import transaction
from service.files.storage import Storage
from service.legacy import readthrough
from service.legacy.readthrough import LegacyReader
from service.queue import Queue
from service.settings import Settings
from service.tasks.dispatch import Dispatcher
from service.webhooks.secrets import Seal
from tests import lives
from tests.conftest import SECRET_KEY
from tests.factories import add_task

TIMES = 150

COMMANDS: dict[str, Callable[[Queue], Awaitable[object]]] = {
    "send": lambda queue: queue.send([("task_1", 0)]),
    "send a delivery": lambda queue: queue.send_deliveries([("delivery_1", 0)]),
    "withdraw": lambda queue: queue.withdraw([("task_1", 0)]),
    "missing": lambda queue: queue.missing([(f"task_{n}", 0) for n in range(200)]),
    "drop": lambda queue: queue.drop_unreachable(),
    "tell": lambda queue: queue.tell_changed("task_1", TaskStatus.DONE, "user_1"),
    "length": lambda queue: queue.length(),
}


async def cancel_everywhere(make: Callable[[], Awaitable[object]]) -> None:
    """Cancel it after none, one, two ... steps of the event loop, again from the first one when it was through."""

    async def made() -> None:
        await make()

    steps = 0
    cancelled = 0
    while cancelled < TIMES:
        task = asyncio.create_task(made())
        for _ in range(steps):
            await asyncio.sleep(0)
        if not task.cancel():
            assert steps
            await task
            steps = 0
            continue
        await asyncio.wait({task})
        assert task.cancelled(), f"cancelled after {steps} steps, it went on"
        cancelled += 1
        steps += 1


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_for_redis(command: str, queue: Queue) -> None:
    await cancel_everywhere(lambda: COMMANDS[command](queue))
    await queue.redis.flushall()
    await queue.send([("task_2", 0)])
    assert await queue.missing([("task_1", 0), ("task_2", 0)]) == [("task_1", 0)]


async def test_reading_what_the_old_redis_has(pool: Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readthrough, "PATIENCE", 60.0)  # a busy machine isn't a Redis that is away
    reader = LegacyReader(pool, settings.redis_url, "old:")
    await cancel_everywhere(lambda: reader.get_task("user_1", "an old task"))
    await reader.close()


async def test_a_transaction(pool: Pool) -> None:
    async def look() -> None:
        async with pool.acquire() as connection, transaction(connection):
            await connection.fetchval("SELECT 1")

    await cancel_everywhere(look)
    await look()


@pytest.mark.parametrize("chore", CHORES, ids=lambda chore: chore.name)
async def test_a_chore(chore: Chore, pool: Pool, connection: Connection, queue: Queue, settings: Settings) -> None:
    user_id = await lives.add_user(connection)
    await add_task(connection, user_id, updated_at=lives.today(), dispatched_at=lives.today())
    await add_task(connection, user_id, updated_at=datetime.now(UTC))
    rules = ChoreRules(max_attempts=3, task_retention=None, upload_retention=None)
    storage = Storage.made(settings.storage_url)
    ground = Ground(pool, queue, storage, Dispatcher(pool, queue), rules, Seal([SECRET_KEY]))
    await cancel_everywhere(lambda: chore.work(ground))
