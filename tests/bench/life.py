"""What a task costs besides its edit, how soon it is claimed, how many go through: `python -m tests.bench.life`."""

import asyncio
import io
import logging
import os
import statistics
import time
from collections.abc import AsyncGenerator
from itertools import product
from pathlib import Path

import httpx
import structlog
import uvloop
from PIL import Image

from actors.bench import Bench, Limits, Slot
from actors.editor import Editor
from actors.engines.seam import Artifact, EditRequest, EngineEvent, Finished
from schema.identifiers import ALPHABET
from schema.models.edits import Mode
from schema.models.tasks import StoredResult
from service.accounts.users import NewUser, create_user
from service.database import Pool, connect, open_pool
from service.database.installation import redis_keys
from service.files.storage import Storage
from service.queue import Queue
from service.settings import Settings
from service.tasks import lifecycle
from service.tasks.claiming import Turns
from service.tasks.dispatch import Dispatcher
from service.tasks.outcomes import Outcomes
from service.tasks.watching import Changes
from tests.bench.command import command
from tests.bench.place import own_servers
from tests.running import running_api, running_worker

SAMPLE = Path("samples/astronaut.jpg")
TASKS = 30
THROUGH = 600
SLOTS = 8


def a_picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64)).save(data, "JPEG")
    return data.getvalue()


PICTURE = a_picture()


class NoEdit:
    """A fake engine whose edit takes no time, to see what is left."""

    name = "none"

    def modes(self) -> frozenset[Mode]:
        return frozenset(Mode)

    async def start(self) -> None: ...

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        path = request.workspace / "output.jpg"
        path.write_bytes(PICTURE)
        yield Artifact("output", path, "image/jpeg", 64, 64)
        yield Finished({})

    async def close(self) -> None: ...


def percentiles(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:7.1f} ms   p99 {cuts[98]:7.1f} ms"


async def make_user(settings: Settings) -> NewUser:
    connection = await connect(settings)
    try:
        return await create_user(connection, "bench@example.com", credits_=10_000_000)
    finally:
        await connection.close()


def one_after_another(settings: Settings, user: NewUser) -> str:
    """Through HTTP and a real worker with the real engine, one task at a time; the id of the photo used."""
    quiet = {"RATE_LIMIT_PER_MINUTE": "0"}
    devnull = Path(os.devnull)
    with (
        running_api(settings, quiet, log=devnull) as base_url,
        running_worker(settings, quiet, log=devnull),
        httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {user.api_key}"}, timeout=120) as client,
    ):
        with SAMPLE.open("rb") as file:
            file_id: str = client.post("/api/v1/uploads", files={"file": file}).json()["file_id"]
        body = {"mode": "BACKGROUND_CHANGE", "source_image": file_id, "config": {"size": "small"}}
        overheads: list[float] = []
        for number in range(TASKS + 1):
            began = time.perf_counter()
            task = client.post("/api/v1/tasks", json=body, headers={"Prefer": "wait=60"}).json()
            took = (time.perf_counter() - began) * 1000
            assert task["status"] == "done", task
            if number:  # the first one loads the models
                overheads.append(took - sum(task["result"]["metadata"]["seconds"].values()) * 1000)
    print(f"create to done, less the engine's steps   {percentiles(overheads)}")
    return file_id


async def pickups(settings: Settings) -> list[float]:
    connection = await connect(settings)
    rows = await connection.fetch("SELECT started_at - created_at AS waited FROM tasks ORDER BY created_at OFFSET 1")
    await connection.close()
    return [row["waited"].total_seconds() * 1000 for row in rows]


async def wait_in_line(pool: Pool, user: NewUser, file_id: str, name: str) -> None:
    """So many tasks that wait, in the order of their numbers."""
    async with pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO tasks (task_id, user_id, mode, source_image) "
            "SELECT $4 || to_char(n, '_FM0000'), $1, 'BACKGROUND_CHANGE', $2 FROM generate_series(1, $3::integer) AS n",
            user.user_id,
            file_id,
            THROUGH,
            name,
        )


async def the_statements_alone(pool: Pool) -> tuple[float, float]:
    """Claim and complete, without messages, photos and pictures: the limit. Seconds, and seconds of processor time."""
    left = iter(range(THROUGH))
    turns, outcomes = Turns(pool), Outcomes(pool)

    async def caller(number: int) -> None:
        for _ in left:
            slot = f"bench/{number}"
            taken = await lifecycle.claim(pool, "nobody's", worker_id=slot, modes=frozenset(Mode), turns=turns)
            assert taken.claim is not None
            result = StoredResult("file_made", None, None, {})
            assert await lifecycle.complete_task(pool, taken.claim, result, [], outcomes=outcomes) is not None

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller(number) for number in range(SLOTS)))
    return time.perf_counter() - began, time.process_time() - used


async def through(settings: Settings, user: NewUser, file_id: str, workspaces: Path) -> None:
    """Claim, download, store and settle, with an engine that does nothing, in one process."""
    pool = await open_pool(settings)
    async with pool.acquire() as connection:
        queue = Queue(settings.redis_url, await redis_keys(connection, settings))
    dispatcher = Dispatcher(pool, queue)
    await wait_in_line(pool, user, file_id, "bare")
    bare = await the_statements_alone(pool)
    await wait_in_line(pool, user, file_id, "bench")
    storage = Storage.made(settings.storage_url)
    for first, second in product(ALPHABET, repeat=2):
        # The first thousand pictures make their folders. Here as in a storage that is in use.
        (workspaces / "files" / f"{first}{second}").mkdir(exist_ok=True)
    bench = Bench(
        pool=pool,
        storage=storage,
        changes=Changes(dispatcher),
        limits=Limits(timeout_seconds=60, max_attempts=3, max_pixels=40_000_000),
        workspaces=workspaces,
        stopping=asyncio.Event(),
    )
    slots: list[Slot] = [dict.fromkeys(Mode, NoEdit()) for _ in range(SLOTS)]
    editor = Editor(bench, dispatcher, slots, worker_id="bench")
    numbers = iter(range(1, THROUGH + 1))

    async def slot() -> None:
        for number in numbers:
            await editor.take(f"bench_{number:04}")

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(slot() for _ in range(SLOTS)))
    took, used = time.perf_counter() - began, time.process_time() - used
    async with pool.acquire() as connection:
        done = await connection.fetchval("SELECT count(*) FROM tasks WHERE task_id LIKE 'bench_%' AND status = 'done'")
    assert done == THROUGH
    print(f"claimed and settled, {SLOTS} slots, no edit       {THROUGH / took:7.0f} tasks/s   {bare[0] / took:5.2f}")
    print(f"its statements alone                      {THROUGH / bare[0]:7.0f} tasks/s")
    ours, alone = used / THROUGH * 1000, bare[1] / THROUGH * 1000
    print(f"processor time of this process            {ours:7.2f} ms a task, {alone:.2f} for its statements alone")
    await editor.close()
    await queue.close()
    await pool.close()


def run() -> None:
    # What this process itself does is measured without its log.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with own_servers() as (settings, directory):
        user = asyncio.run(make_user(settings))
        file_id = one_after_another(settings, user)
        print(f"commit to claim, idle worker              {percentiles(asyncio.run(pickups(settings)))}")
        uvloop.run(through(settings, user, file_id, directory))


if __name__ == "__main__":
    command(run, __doc__)
