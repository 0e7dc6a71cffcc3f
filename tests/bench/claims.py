"""Claims per second by how many users wait, also for what this worker can't do: `python -m tests.bench.claims`.

All in one run, over the same database: told are the ratios to one waiting user, and to a bare loop of UPDATE ... SKIP
LOCKED that knows no users. A process's slots claim together, as a worker's do, or each by itself, as many workers do.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import msgspec

from schema.models.edits import Mode
from service.database import Connection, Pool, open_pool
from service.database.migrations import migrate
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from service.tasks import store
from service.tasks.claiming import LEASE, Turns
from tests.bench.command import command
from tests.homes import open_directory

CALLERS = 16
"""Slots; and connections, where each claims by itself."""

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

BARE = """
UPDATE tasks
   SET status = 'processing', attempts = attempts + 1, lease_token = lease_token + 1, worker_id = 'bench',
       lease_expires_at = clock_timestamp() + interval '10 s', started_at = clock_timestamp()
 WHERE task_id = (SELECT task_id FROM tasks
                   WHERE status = 'pending' AND NOT elsewhere AND user_id = 'usr_1'
                   ORDER BY line, queued_at, task_id
                   LIMIT 1
                     FOR UPDATE SKIP LOCKED)
RETURNING task_id, lease_token
"""

CASES = ((1, 0), (10, 0), (100, 0), (1_000, 0), (10_000, 0), (10_000, 9_000))
"""How many users wait, and how many of them for a mode that isn't claimed."""

Take = Callable[[str], Awaitable[tuple[str, int] | None]]
"""Claims for a slot: the task and the token."""


def together(pool: Pool) -> Take:
    """All slots of one process."""
    turns = Turns(pool)

    async def take(slot: str) -> tuple[str, int] | None:
        claim = (await turns.next(slot, frozenset({Mode.HEAD_SWAP}))).claim
        return claim and (claim.task_id, claim.lease_token)

    return take


def single(pool: Pool) -> Take:
    """Each slot a process of its own."""

    async def take(slot: str) -> tuple[str, int] | None:
        async with pool.acquire() as connection:
            claim = await store.claim_task(connection, worker_id=slot, modes=[Mode.HEAD_SWAP], lease=LEASE)
        return claim and (claim.task_id, claim.lease_token)

    return take


def bare(pool: Pool) -> Take:
    """Without users, turns and the tasks' photos."""

    async def take(_: str) -> tuple[str, int] | None:
        async with pool.acquire() as connection:
            return await connection.fetchrow(BARE)

    return take


async def fill(connection: Connection, users: int, elsewhere: int = 0) -> None:
    """The tasks that wait, in tables as vacuum leaves them."""
    await connection.execute(FILL.format(users=users, elsewhere=elsewhere, tasks=TASKS), timeout=300)
    await connection.execute("VACUUM ANALYZE tasks, claim_turns", timeout=300)


async def claims(pool: Pool, how: Callable[[Pool], Take], users: int, elsewhere: int = 0) -> float:
    """Claims, each settled at once, in a second."""
    async with pool.acquire() as connection:
        await fill(connection, users, elsewhere)
    take = how(pool)
    claimed = 0
    ends = time.perf_counter() + SECONDS

    async def slot(number: int) -> None:
        nonlocal claimed
        while time.perf_counter() < ends and (held := await take(f"bench/{number}")) is not None:
            async with pool.acquire() as connection:
                await connection.execute(SETTLE, *held)
            claimed += 1

    began = time.perf_counter()
    await asyncio.gather(*(slot(number) for number in range(CALLERS)))
    return claimed / (time.perf_counter() - began)


async def some(pool: Pool, number: int) -> list[float]:
    """So many claims, one after another, each settled at once; the milliseconds that each took."""
    took: list[float] = []
    take = together(pool)
    for _ in range(number):
        began = time.perf_counter()
        held = await take("bench")
        took.append((time.perf_counter() - began) * 1000)
        assert held is not None
        async with pool.acquire() as connection:
            await connection.execute(SETTLE, *held)
    return took


async def with_a_snapshot(pool: Pool, users: int, *, is_open: bool) -> float:
    """The p99 of claims once many were made, and vacuum came, while somebody's snapshot was open or wasn't."""
    async with pool.acquire() as reader, pool.acquire() as connection:
        await fill(connection, users)
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        if is_open:
            await reader.execute("SELECT count(*) FROM claim_turns")
        await some(pool, MEANWHILE)
        # What a snapshot may still see, it must leave behind.
        await connection.execute("VACUUM tasks, claim_turns", timeout=300)
        cuts = statistics.quantiles(await some(pool, LOOKED_AT), n=100)
        await reader.execute("ROLLBACK")
    return cuts[98]


async def measure(settings: Settings) -> None:
    await migrate(settings)
    pool = await open_pool(msgspec.structs.replace(settings, database_pool_size=CALLERS))
    limit = await claims(pool, bare, 1)
    print(f"a bare loop of UPDATE ... SKIP LOCKED {limit:18.0f} claims/s", flush=True)
    ones: dict[str, float] = {}
    for users, elsewhere in CASES:
        what = f"{users} waiting users" + (f", {elsewhere} of them for another mode" if elsewhere else "")
        for how in (together, single):
            per_second = await claims(pool, how, users, elsewhere)
            one = ones.setdefault(how.__name__, per_second)
            print(
                f"{what:48} {how.__name__:8} {per_second:6.0f} claims/s   {per_second / one:4.2f} of one user's   "
                f"{per_second / limit:4.2f} of the bare loop",
                flush=True,
            )
    for users in (1, 10, 1_000):
        without = await with_a_snapshot(pool, users, is_open=False)
        within = await with_a_snapshot(pool, users, is_open=True)
        print(
            f"p99 of a claim of {users} users' after {MEANWHILE} others: {without:.1f} ms, "
            f"with a snapshot open meanwhile {within:.1f} ms   {within / without:4.2f}",
            flush=True,
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
    command(run, __doc__)
