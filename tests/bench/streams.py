"""How soon a thousand listeners hear of a hundred tasks, and what they cost the API: `python -m tests.bench.streams`.

Each task's commit is made here, as a worker makes it; the lag is from the commit's answer to the event's arrival.
"""

import asyncio
import os
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from schema.models.events import event_id
from schema.models.tasks import TaskRecord
from service.accounts.users import NewUser, create_user
from service.database import Pool, open_pool
from service.database.installation import redis_keys
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle
from service.tasks.dispatch import Dispatcher
from service.tasks.watching import Changes
from tests import lives
from tests.bench.command import command
from tests.bench.load import request
from tests.bench.place import own_servers
from tests.running import handed_socket, running, wait_until_live

USERS = 100
STREAMS_EACH = 10
"""Of each user's stream and of its task's, half and half."""
SECONDS = 20.0
"""In which each task is claimed and done."""
AT_ONCE = 50
HEARD_WITHIN = 30.0
EVENTS = (1, 2, 3)
"""Of each task: waiting, processing, done."""
ENVIRONMENT = {"RATE_LIMIT_PER_MINUTE": "0", "MAX_PROCESSING_PER_USER": "1000"}

EVENT = re.compile(rb"\nid: ([^\r\n]+)(?=\r?\n)")


class Heard(Struct):
    """What one listener heard: events' ids in their order, and when."""

    task_id: str
    events: dict[str, float]


async def listen(port: int, path: str, key: str, heard: Heard, opened: asyncio.Event) -> None:
    """One stream, to its end or until cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("GET", path, {"Authorization": f"Bearer {key}"}))
    rest = b""
    while part := await reader.read(65_536):
        now = time.perf_counter()
        rest += part
        for found in EVENT.finditer(rest):
            heard.events.setdefault(found[1].decode(), now)
        # The beginning of a line that isn't complete.
        rest = rest[rest.rfind(b"\n") :]
        if heard.events:
            opened.set()
    writer.close()


async def live(pool: Pool, changes: Changes, task: TaskRecord, commits: dict[str, float]) -> None:
    """A claim and an end, spread over the time there is."""
    await asyncio.sleep(SECONDS / 2)
    taken = await lifecycle.claim(pool, task.task_id, worker_id=task.task_id, modes=lives.EVERY_MODE)
    assert taken.claim is not None
    held = taken.claim
    commits[event_id(held.task_id, 2)] = time.perf_counter()
    await changes.tell(held.task)
    await asyncio.sleep(SECONDS / 2)
    done = await lifecycle.complete_task(pool, held, lives.a_result(), [])
    assert done is not None
    commits[event_id(held.task_id, 3)] = time.perf_counter()
    await changes.tell(done)


async def measure(settings: Settings, port: int, api: psutil.Process) -> None:
    pool = await open_pool(settings)
    async with pool.acquire() as connection:
        queue = Queue(settings.redis_url, await redis_keys(connection, settings))
        users: list[NewUser] = [
            await create_user(connection, f"listener{n}@example.com", credits_=1000) for n in range(USERS)
        ]
        tasks = [await lives.create(connection, user.user_id) for user in users]
    dispatcher = Dispatcher(pool, queue)
    before = api.memory_info().rss
    heard: list[Heard] = []
    listening: list[asyncio.Task[None]] = []
    opened: list[asyncio.Event] = []
    began = time.perf_counter()
    for number in range(USERS * STREAMS_EACH):
        user, task = users[number % USERS], tasks[number % USERS]
        path = "/api/v1/tasks/events" if number < USERS * STREAMS_EACH // 2 else f"/api/v1/tasks/{task.task_id}/events"
        heard.append(Heard(task.task_id, {}))
        opened.append(asyncio.Event())
        listening.append(asyncio.create_task(listen(port, path, user.api_key, heard[-1], opened[-1])))
        if number % AT_ONCE == AT_ONCE - 1:
            # From one address no more requests may be half sent.
            await asyncio.gather(*(one.wait() for one in opened))
    print(f"{len(heard)} streams open after {time.perf_counter() - began:.1f} s")
    commits: dict[str, float] = {}
    changes = Changes(dispatcher)
    busy = api.cpu_times()
    async with asyncio.TaskGroup() as group:
        for number, task in enumerate(tasks):
            group.create_task(_later(number * SECONDS / 2 / USERS, live(pool, changes, task, commits)))

    async def all_heard() -> bool:
        return all(len(one.events) == len(EVENTS) for one in heard)

    await lives.until(all_heard, within=HEARD_WITHIN)
    after, spent = api.memory_info().rss, api.cpu_times()
    for one in listening:
        one.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    await pool.close()
    await queue.close()
    _tell(heard, commits)
    used = spent.user + spent.system - busy.user - busy.system
    print(f"memory of the API: {before / 2**20:.0f} MB before, {after / 2**20:.0f} MB with them; {used:.1f} s of work")


async def _later(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    await asyncio.sleep(seconds)
    await work


def _tell(heard: list[Heard], commits: dict[str, float]) -> None:
    lags: defaultdict[str, list[float]] = defaultdict(list)
    for one in heard:
        expected = [event_id(one.task_id, seq) for seq in EVENTS]
        assert list(one.events) == expected, f"{expected} was heard as {list(one.events)}"
        for name in expected[1:]:
            lags["processing" if name.endswith(".2") else "done"].append((one.events[name] - commits[name]) * 1000)
    for status, values in lags.items():
        cuts = statistics.quantiles(values, n=100)
        print(f"{status:10}  {len(values)} heard: p50 {cuts[49]:6.1f} ms   p99 {cuts[98]:6.1f} ms beyond the commit")


def run() -> None:
    with own_servers() as (settings, _), handed_socket() as (fd, port):
        process = running(
            "api", "--fd", str(fd), settings=settings, extra=ENVIRONMENT, log=Path(os.devnull), pass_fds=[fd]
        )
        with process as api:
            wait_until_live(f"http://127.0.0.1:{port}", api)
            asyncio.run(measure(settings, port, psutil.Process(api.pid)))


if __name__ == "__main__":
    command(run, __doc__)
