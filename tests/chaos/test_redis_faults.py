"""Whatever happens to Redis, every task runs, and has one outcome: it only ever held hints."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import psutil
import pytest
from msgspec import Struct, structs

from schema.messages import encode_message
from schema.models.tasks import TaskStatus
from service.accounts.users import create_user
from service.database import Pool
from service.embedded.servers import EmbeddedServers
from service.embedded.steps import finish
from service.embedded.valkey import Valkey
from service.queue import Queue
from service.settings import Settings
from tests import lives
from tests.chaos.crew import quick_worker
from tests.chaos.invariants import broken
from tests.keys import EDIT_KEYS, KEYS
from tests.service.http.serving import Api, User, client_of, serving

CREDITS = 10_000
PATIENCE = 60.0
UNLIMITED = {"RATE_LIMIT_PER_MINUTE": "0"}
BEFORE, MEANWHILE = 4, 3
"""Tasks created before something happens to Redis (the first of them runs), and while it is down. Otherwise none: a new
task's message would lead to all the others, one after the other."""

MEMORY = 16 * 2**20

HASTY = """
from datetime import timedelta
from functools import partial
from msgspec import structs
from actors import runtime
from actors.maintenance import chores, lost_messages
lost_messages.AGE = timedelta(seconds=1)
hasty = tuple(structs.replace(chore, every=min(chore.every, 2.0)) for chore in chores.CHORES)
runtime.keep_at = partial(chores.keep_at, chores=hasty)
from tests.chaos.crew import work
work()
"""
"""A worker that looks for lost messages every other second: its own pace would make a test take half a minute."""


class Fragile:
    """A Redis of one's own, that forgets everything when it is killed and evicts when it is full."""

    def __init__(self, server: Valkey) -> None:
        self.url = server.url
        self._server = server

    def kill(self) -> None:
        assert self._server.pid is not None
        process = psutil.Process(self._server.pid)
        process.send_signal(signal.SIGKILL)
        with suppress(psutil.NoSuchProcess):
            process.wait(10)

    def start(self) -> None:
        finish(self._server.starting())


@contextmanager
def fragile_redis() -> Generator[Fragile]:
    options = {"appendonly": "no", "maxmemory": str(MEMORY), "maxmemory-policy": "allkeys-lru"}
    # Not pytest's own directory, which root keeps closed to the servers' account.
    with tempfile.TemporaryDirectory(prefix="darkroom-redis-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        with EmbeddedServers(Path(name), postgres=False, valkey_options=options) as servers:
            assert servers.valkey is not None
            yield Fragile(servers.valkey)


class Stack(Struct, frozen=True):
    """An API, a worker whose edits wait at a gate, somebody with credits, and the Redis between them."""

    redis: Fragile
    queue: Queue
    user: User
    pool: Pool
    gate: Path
    files: Path

    async def create(self, tasks: int) -> list[str]:
        return [str((await self.user.task())["task_id"]) for _ in range(tasks)]

    async def at_the_gate(self, task_id: str) -> None:
        async def is_there() -> bool:
            return (await lives.get(self.pool, task_id)).current_step == "at the gate"

        await lives.until(is_there, within=PATIENCE)

    async def sent(self) -> None:
        """Return when no task waits for its message to be sent."""

        async def none_is_marked() -> bool:
            async with self.pool.acquire() as connection:
                marked = "SELECT count(*) FROM tasks WHERE status = 'pending' AND dispatched_at IS NULL"
                return await connection.fetchval(marked) == 0

        await lives.until(none_is_marked, within=PATIENCE)

    async def all_done_once(self, tasks: list[str]) -> None:
        """Each of them runs, in one attempt; then nothing is left in Redis."""

        async def all_done() -> bool:
            found = [await lives.get(self.pool, task_id) for task_id in tasks]
            return all(task.status is TaskStatus.DONE for task in found)

        await lives.until(all_done, within=PATIENCE)
        assert {(await lives.get(self.pool, task_id)).attempts for task_id in tasks} == {1}
        async with self.pool.acquire() as connection:
            assert await broken(connection, self.files) == []

        async def is_empty() -> bool:
            return await self.queue.length() == 0 == await self.queue.redis.hlen(EDIT_KEYS.messages)

        await lives.until(is_empty, within=PATIENCE)


@pytest.fixture
async def stack(settings: Settings, pool: Pool, tmp_path: Path) -> AsyncGenerator[Stack]:
    with fragile_redis() as redis:
        here = structs.replace(settings, redis_url=redis.url)
        gate = tmp_path / "gate"
        with (
            quick_worker(here, tmp_path / "worker.log", UNLIMITED, gate=gate, program=HASTY),
            serving(here, tmp_path / "api.log", UNLIMITED) as api,
        ):
            queue = Queue(redis.url, KEYS)
            user = await somebody(api, pool)
            yield Stack(redis, queue, user, pool, gate, Path(urlsplit(settings.storage_url).path))
            await user.http.aclose()
            await queue.close()


async def somebody(api: Api, pool: Pool) -> User:
    async with pool.acquire() as connection:
        made = await create_user(connection, "somebody@example.com", credits_=CREDITS)
    return User(made.user_id, made.api_key, client_of(api, made.api_key))


async def flushed(stack: Stack) -> list[str]:
    await stack.queue.redis.flushall()
    return []


async def restarted_without_its_data(stack: Stack) -> list[str]:
    stack.redis.kill()
    stack.redis.start()
    assert await stack.queue.redis.dbsize() == 0
    return []


async def down_for_a_while(stack: Stack) -> list[str]:
    """Creates go on; and the edit that runs ends meanwhile, which nobody can be told."""
    stack.redis.kill()
    created = await stack.create(MEANWHILE)
    stack.gate.touch()

    async def has_ended() -> bool:
        async with stack.pool.acquire() as connection:
            return await connection.fetchval("SELECT count(*) FROM tasks WHERE status = 'done'") > 0

    await lives.until(has_ended, within=PATIENCE)
    await asyncio.sleep(3)  # several rounds of everybody's attempts to reach it
    stack.redis.start()
    return created


async def evicting(stack: Stack) -> list[str]:
    """Somebody else fills it, until messages are what was used least recently."""
    kept = {EDIT_KEYS.waiting, EDIT_KEYS.messages}
    for number in range(1000):
        await stack.queue.redis.set(f"somebody-else:{number}", bytes(MEMORY // 50))
        if await stack.queue.redis.exists(*kept) < len(kept):
            break
    evicted = cast("dict[str, int]", await stack.queue.redis.info("stats"))["evicted_keys"]
    assert evicted > 0
    assert await stack.queue.redis.exists(*kept) < len(kept)
    return []


Fault = Callable[[Stack], Awaitable[list[str]]]


@pytest.mark.parametrize("fault", [flushed, restarted_without_its_data, down_for_a_while, evicting])
async def test_every_task_runs_though_redis_is(stack: Stack, fault: Fault) -> None:
    tasks = await stack.create(BEFORE)
    await stack.at_the_gate(tasks[0])
    await stack.sent()
    tasks += await fault(stack)
    stack.gate.touch()
    await stack.all_done_once(tasks)


async def test_the_same_messages_ten_times_lead_to_one_outcome_each(stack: Stack) -> None:
    tasks = await stack.create(BEFORE)
    await stack.at_the_gate(tasks[0])
    await stack.sent()
    for task_id in tasks * 9:
        identity, body = encode_message(KEYS, task_id, 0)
        await stack.queue.redis.hset(EDIT_KEYS.messages, identity, body)  # pyright: ignore[reportArgumentType] - bytes are fine
        await stack.queue.redis.rpush(EDIT_KEYS.waiting, identity)
    stack.gate.touch()
    await stack.all_done_once(tasks)


async def test_messages_of_tasks_that_ended_lead_to_nothing(stack: Stack) -> None:
    stack.gate.touch()
    (done,) = await stack.create(1)
    await stack.all_done_once([done])
    stack.gate.unlink()
    (running,) = await stack.create(1)
    await stack.at_the_gate(running)
    (cancelled,) = await stack.create(1)
    assert (await stack.user.http.post(f"/api/v1/tasks/{cancelled}/cancel")).status_code == 200
    before = await lives.everything(stack.pool)
    await stack.queue.send([(done, 0), (cancelled, 0), ("task_that_never_was", 0)])
    stack.gate.touch()
    await stack.all_done_once([done, running])
    after = await lives.everything(stack.pool)
    ended = {done, cancelled}
    assert [row for row in before["tasks"] if row["task_id"] in ended] == [
        row for row in after["tasks"] if row["task_id"] in ended
    ]
    assert before["credit_ledger"] == after["credit_ledger"]
