"""Claims per second by how many users wait, also for what this worker can't do: `python -m tests.bench.claims`.

All in one run, over the same database: told are the ratios to one waiting user.
"""

import asyncio
import statistics
import time

import msgspec

from schema.models.edits import Mode
from service.database import Pool, open_pool
from service.embedded.servers import EmbeddedServers
from service.migrations import migrate
from service.settings import Settings
from service.tasks import store
from service.tasks.lifecycle import LEASE
from tests.homes import open_directory

CALLERS = 16
SECONDS = 4.0
TASKS = 20_000

MEANWHILE = 5_000
LOOKED_AT = 1_000
"""Claims while a snapshot is open (what they leave behind counts, not how long it takes), and those timed then."""

FILL = """
TRUNCATE tasks, claim_turns;
INSERT INTO users (user_id) SELECT 'usr_' || n FROM generate_series(1, {users}) AS n ON CONFLICT DO NOTHING;
INSERT INTO tasks (task_id, user_id, mode, source_image, dispatched_at)
SELECT 'task_' || n, 'usr_' || 1 + n % {users},
       CASE WHEN n % {users} < {elsewhere} THEN 'POSE_CHANGE' ELSE 'HEAD_SWAP' END, 'file', now()
  FROM generate_series(1, {tasks}) AS n;
"""
SETTLE = """
UPDATE tasks SET status = 'done', lease_expires_at = NULL, completed_at = clock_timestamp()
 WHERE task_id = $1 AND lease_token = $2
"""

CASES = ((1, 0), (10, 0), (100, 0), (1_000, 0), (10_000, 0), (10_000, 9_000))
"""How many users wait, and how many of them for a mode that isn't claimed."""


async def claims(pool: Pool, users: int, elsewhere: int) -> float:
    """Claims, each settled at once, in a second."""
    async with pool.acquire() as connection:
        await connection.execute(FILL.format(users=users, elsewhere=elsewhere, tasks=TASKS))
        await connection.execute("VACUUM ANALYZE tasks")
        await connection.execute("VACUUM ANALYZE claim_turns")
    claimed = 0
    ends = time.perf_counter() + SECONDS

    async def caller() -> None:
        nonlocal claimed
        while time.perf_counter() < ends:
            async with pool.acquire() as connection:
                held = await store.claim_task(connection, worker_id="bench", modes=[Mode.HEAD_SWAP], lease=LEASE)
                if held is None:
                    return
                await connection.execute(SETTLE, held.task_id, held.lease_token)
            claimed += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return claimed / (time.perf_counter() - began)


async def some(pool: Pool, number: int) -> list[float]:
    """So many claims, one after another, each settled at once; the milliseconds that each took."""
    took: list[float] = []
    async with pool.acquire() as connection:
        for _ in range(number):
            began = time.perf_counter()
            held = await store.claim_task(connection, worker_id="bench", modes=[Mode.HEAD_SWAP], lease=LEASE)
            took.append((time.perf_counter() - began) * 1000)
            assert held is not None
            await connection.execute(SETTLE, held.task_id, held.lease_token)
    return took


async def with_a_snapshot(pool: Pool, *, is_open: bool) -> float:
    """The p99 of claims once many were made, and vacuum came, while somebody's snapshot was open or wasn't."""
    async with pool.acquire() as reader, pool.acquire() as connection:
        await connection.execute(FILL.format(users=1_000, elsewhere=0, tasks=TASKS))
        await connection.execute("VACUUM ANALYZE tasks, claim_turns")
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        if is_open:
            await reader.execute("SELECT count(*) FROM claim_turns")
        await some(pool, MEANWHILE)
        # What a snapshot may still see, it must leave behind.
        await connection.execute("VACUUM tasks, claim_turns")
        cuts = statistics.quantiles(await some(pool, LOOKED_AT), n=100)
        await reader.execute("ROLLBACK")
    return cuts[98]


async def measure(settings: Settings) -> None:
    await migrate(settings)
    pool = await open_pool(msgspec.structs.replace(settings, database_pool_size=CALLERS))
    one = 0.0
    for users, elsewhere in CASES:
        per_second = await claims(pool, users, elsewhere)
        one = one or per_second
        what = f"{users} waiting users" + (f", {elsewhere} of them for another mode" if elsewhere else "")
        print(f"{what:50} {per_second:6.0f} claims/s   {per_second / one:4.2f} of one user's", flush=True)
    without, within = await with_a_snapshot(pool, is_open=False), await with_a_snapshot(pool, is_open=True)
    print(
        f"p99 of a claim after {MEANWHILE} others: {without:.1f} ms, with a snapshot open meanwhile {within:.1f} ms   "
        f"{within / without:4.2f}"
    )
    await pool.close()


def run() -> None:
    with open_directory() as place, EmbeddedServers(place) as servers:
        asyncio.run(
            measure(
                Settings(
                    database_url=servers.database_url,
                    redis_url=servers.redis_url,
                    storage_url=(place / "files").as_uri(),
                )
            )
        )


if __name__ == "__main__":
    run()
