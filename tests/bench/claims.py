"""Claims per second by how many users wait, also for what this worker can't do: `python -m tests.bench.claims`.

All in one run, over the same database: told are the ratios to one waiting user.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import msgspec

from schema.models.edits import Mode
from service.database import Pool, open_pool
from service.embedded.servers import EmbeddedServers
from service.migrations import migrate
from service.settings import Settings
from service.tasks import store
from service.tasks.lifecycle import LEASE

CALLERS = 16
SECONDS = 4.0
TASKS = 20_000

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


async def measure(settings: Settings) -> None:
    await migrate(settings)
    pool = await open_pool(msgspec.structs.replace(settings, database_pool_size=CALLERS))
    one = 0.0
    for users, elsewhere in CASES:
        per_second = await claims(pool, users, elsewhere)
        one = one or per_second
        what = f"{users} waiting users" + (f", {elsewhere} of them for another mode" if elsewhere else "")
        print(f"{what:50} {per_second:6.0f} claims/s   {per_second / one:4.2f} of one user's", flush=True)
    await pool.close()


def run() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place, EmbeddedServers(Path(place)) as servers:
        asyncio.run(
            measure(
                Settings(
                    database_url=servers.database_url,
                    redis_url=servers.redis_url,
                    storage_url=(Path(place) / "files").as_uri(),
                )
            )
        )


if __name__ == "__main__":
    run()
