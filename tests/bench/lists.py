"""Every list call among a million tasks, a user with half of them: `python -m tests.bench.lists [TASKS]`.

Each 200 times in mixed order on one connection, as PostgreSQL changes its plans for a statement after some executions.
Told are the medians, of the first tenth too: a plan that got worse shows as a ratio well above 1.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial

from schema.models.edits import Mode
from schema.models.tasks import UNFINISHED, TaskStatus
from service.database import Connection, connect
from service.database.migrations import migrate
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from service.tasks import store
from service.tasks.long_histories import LONG
from tests.bench.command import command
from tests.homes import open_directory

TASKS = 1_000_000
TIMES = 200
OTHERS = 1_000
BIG = "usr_0"

FILL = """
INSERT INTO users (user_id) SELECT 'usr_' || n FROM generate_series(0, {others}) AS n;
INSERT INTO tasks (task_id, user_id, status, mode, source_image, completed_at, failed_at, created_at, dispatched_at)
SELECT 'task_' || to_char(n, 'FM000000000'), 'usr_' || CASE WHEN n % 2 = 0 THEN 0 ELSE 1 + n / 2 % {others} END,
       CASE WHEN failed THEN 'failed' ELSE 'done' END,
       (ARRAY['HEAD_SWAP', 'BACKGROUND_CHANGE', 'POSE_CHANGE'])[1 + n / 7 % 3], 'file_' || n % 5000,
       CASE WHEN NOT failed THEN at END, CASE WHEN failed THEN at END, at, at
  FROM generate_series(1, {tasks}) AS n,
       LATERAL (SELECT now() - ({tasks} - n) * interval '10 s', n % 50 < 2) AS made (at, failed)
"""

Call = Callable[[], Awaitable[object]]


async def calls(connection: Connection, tasks: int) -> dict[str, Call]:
    """What the contract's lists ask: pages by number and by cursor, filters, totals."""
    deep = await connection.fetchrow(
        "SELECT created_at, task_id FROM tasks WHERE user_id = $1 ORDER BY created_at OFFSET $2 LIMIT 1",
        BIG,
        tasks // 10,
    )
    assert deep is not None
    page = partial(store.get_tasks_by_user, connection, BIG, limit=21)
    count = partial(store.count_tasks_by_user, connection, BIG, up_to=LONG)
    found: dict[str, Call] = {}
    for status in (None, TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.PROCESSING):
        for mode in (None, Mode.POSE_CHANGE):
            name = " ".join(filter(None, (status, mode))) or "all"
            found[f"first page, {name}"] = partial(page, status=status, mode=mode)
            found[f"page 500, {name}"] = partial(page, status=status, mode=mode, offset=9980)
            found[f"deep cursor, {name}"] = partial(page, status=status, mode=mode, after=tuple(deep))
            found[f"total, {name}"] = partial(count, status=status, mode=mode)
    found["stats"] = partial(store.count_tasks_by_status, connection, BIG)
    found["stats, long history"] = partial(store.count_tasks_by_status, connection, BIG, only=UNFINISHED)
    return found


async def measure(settings: Settings, tasks: int) -> None:
    await migrate(settings)
    connection = await connect(settings)
    for statement in FILL.split(";"):
        await connection.execute(statement.format(others=OTHERS, tasks=tasks))
    await connection.execute("VACUUM ANALYZE tasks")
    named = await calls(connection, tasks)
    taken: dict[str, list[float]] = {name: [] for name in named}
    order = [name for name in named for _ in range(TIMES)]
    random.Random(1).shuffle(order)  # noqa: S311 - no secret
    for name in order:
        began = time.perf_counter()
        await named[name]()
        taken[name].append((time.perf_counter() - began) * 1000)
    first = statistics.median(taken["first page, all"])
    for name, times in taken.items():
        middle = statistics.median(times)
        early = statistics.median(times[: TIMES // 10])
        print(
            f"{name:34} {middle:8.2f} ms   {middle / early:5.2f} of its first   {middle / first:6.1f} of the first page"
        )
    size = await connection.fetchval("SELECT pg_indexes_size('tasks') / 1e6")
    print(f"indexes of tasks, {tasks:,} tasks   {size:6.0f} MB")
    await connection.close()


def run(tasks: int = TASKS) -> None:
    with open_directory() as place, EmbeddedServers(place) as servers:
        settings = Settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            storage_url=(place / "files").as_uri(),
        )
        asyncio.run(measure(settings, tasks))


if __name__ == "__main__":
    command(run, __doc__, tasks=TASKS)
