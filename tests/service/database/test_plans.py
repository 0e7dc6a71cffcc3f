"""How statements read `tasks` where somebody's history is long: by an index, also when planned without their values."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_hex

import asyncpg
import pytest
from msgspec import structs

from schema.models.edits import Mode
from schema.models.tasks import UNFINISHED, TaskStatus
from service.database import Connection, open_pool
from service.database.statements import Text
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from service.tasks import store
from tests import lives
from tests.databases import create, drop
from tests.service.database.test_queries import ALL

LONG = 60_000
USERS = 300
SHORT = 100

FILL = """
INSERT INTO users (user_id) SELECT 'usr_' || n FROM generate_series(0, $1::integer) AS n;
INSERT INTO tasks (task_id, user_id, status, mode, source_image, reference_image, completed_at, created_at,
                   dispatched_at)
SELECT 'task_' || to_char(n, 'FM0000000'), CASE WHEN n < $2::integer THEN 'usr_0' ELSE 'usr_' || 1 + n % $1 END, 'done',
       CASE n % 2 WHEN 0 THEN 'HEAD_SWAP' ELSE 'BACKGROUND_CHANGE' END, 'file_' || n % 5000, 'file_' || n % 4999,
       moment, moment, moment
  FROM generate_series(1, $2 + $1 * $3::integer) AS n, LATERAL (SELECT now() - n * interval '20 s') AS at (moment)
"""

WHOLE_TABLE = {
    "open_tasks",
    "brought_by_status",
    "waiting_without_photo",
    "brought_tasks",
    "results_elsewhere",
    "expired_tasks",
    "numbers_of_adoption",
    "queued_without_data",
}
"""Imports, comparisons and clean-ups, which look at everything once."""


@pytest.fixture(scope="module")
def filled_url(servers: EmbeddedServers, template: str) -> Generator[str]:
    """The URL of a database in which somebody's history is long; whoever is given it only reads."""
    name = f"filled_{token_hex(6)}"
    url = asyncio.run(create(servers.database_url, name, template))
    asyncio.run(fill(url))
    yield url
    asyncio.run(drop(servers.database_url, name))


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    # Without triggers: whatever they note of ended tasks is looked at elsewhere.
    await connection.execute("SET session_replication_role = replica")
    for statement in FILL.split(";"):
        values = [USERS, LONG, SHORT][: 3 if "$3" in statement else 1]
        await connection.execute(statement, *values)
    await connection.execute("VACUUM ANALYZE tasks")
    await connection.execute("ANALYZE users")
    await connection.close()


@pytest.fixture
async def filled(filled_url: str, settings: Settings) -> AsyncGenerator[Connection]:
    pool = await open_pool(structs.replace(settings, database_url=filled_url))
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


async def test_no_statement_reads_all_tasks(filled: Connection) -> None:
    """Planned without values, as PostgreSQL may after five executions on a connection."""
    await filled.execute("SET plan_cache_mode = force_generic_plan")
    wrong: dict[str, str] = {}
    for query in ALL:
        for text in query.texts.values():
            plan = await generic_plan(filled, text)
            if query.name not in WHOLE_TABLE and "Seq Scan on tasks" in plan:
                wrong[f"{query.name} {text.parameters}"] = plan
    assert wrong == {}
    assert {query.name for query in ALL} >= WHOLE_TABLE


async def generic_plan(connection: Connection, text: Text) -> str:
    if not re.search(r"\btasks\b", text.sql):
        return ""
    await connection.execute(f"PREPARE looked_at AS {text.sql}")
    values = f"({', '.join(['NULL'] * len(text.parameters))})" if text.parameters else ""
    plan = await connection.fetch(f"EXPLAIN EXECUTE looked_at{values}")
    await connection.execute("DEALLOCATE looked_at")
    return "\n".join(row[0] for row in plan)


async def rows_read(connection: Connection, call: Callable[[], Awaitable[object]]) -> int:
    """How many rows of `tasks` a call reads from the table or its indexes."""
    before = await connection.fetchrow(READ)
    await call()
    after = await connection.fetchrow(READ)
    assert before is not None
    assert after is not None
    assert before["scans"] == after["scans"], "the whole table was read"
    return after["rows"] - before["rows"]


READ = """
SELECT pg_stat_get_xact_numscans('tasks'::regclass) AS scans,
       pg_stat_get_xact_tuples_returned('tasks'::regclass)
       + (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))
            FROM pg_index WHERE indrelid = 'tasks'::regclass)::bigint AS rows
"""


async def test_one_users_paging_spoils_no_connection(filled: Connection) -> None:
    """Each call twelve times in mixed order on one connection: what it reads stays what its page needs."""
    deep = await filled.fetchrow(
        "SELECT created_at, task_id FROM tasks WHERE user_id = 'usr_0' ORDER BY created_at OFFSET 2000 LIMIT 1"
    )
    assert deep is not None
    page = partial(store.get_tasks_by_user, filled, "usr_0", limit=21)
    behind = partial(page, after=(deep["created_at"], deep["task_id"]))
    count = partial(store.count_tasks_by_user, filled, "usr_0", up_to=10_001)
    calls: dict[str, tuple[int, Callable[[], Awaitable[object]]]] = {
        "page 500": (10_001 + 21, partial(page, offset=9980)),
        "page 500 of a status": (10_002 + 21, partial(page, status=TaskStatus.DONE, offset=9980)),
        "page 500 of a mode": (10_001 + 21, partial(page, mode=Mode.HEAD_SWAP, offset=9980)),
        "a deep cursor": (21 + 21, behind),
        "a deep cursor of a mode": (21 + 21, partial(behind, mode=Mode.HEAD_SWAP)),
        "a deep cursor of a status": (22 + 21, partial(behind, status=TaskStatus.DONE)),
        "a deep cursor of both": (21 + 21, partial(behind, status=TaskStatus.DONE, mode=Mode.HEAD_SWAP)),
        "none that runs": (0, partial(page, status=TaskStatus.PROCESSING)),
        "none of a mode": (0, partial(page, mode=Mode.POSE_CHANGE)),
        "how many failed": (0, partial(count, status=TaskStatus.FAILED)),
        "how many": (10_001, count),
        "how many of both": (10_001, partial(count, status=TaskStatus.DONE, mode=Mode.HEAD_SWAP)),
        "none of both": (0, partial(count, status=TaskStatus.FAILED, mode=Mode.HEAD_SWAP)),
        "how many wait or run": (0, partial(store.count_tasks_by_status, filled, "usr_0", only=UNFINISHED)),
        "behind all": (0, partial(page, after=(datetime(2000, 1, 1, tzinfo=UTC), ""))),
    }
    async with filled.transaction():
        for _ in range(12):
            for name, (most, call) in calls.items():
                assert await rows_read(filled, call) <= most, name


async def test_a_claim_reads_the_head_of_a_line_in_a_database_that_is_new(connection: Connection) -> None:
    """Where nothing was analyzed yet, PostgreSQL takes a table for nearly empty, and any index for as good."""
    await connection.execute("INSERT INTO users (user_id) VALUES ('usr_0')")
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image) "
        "SELECT 'task_' || n, 'usr_0', 'HEAD_SWAP', 'file_' || n FROM generate_series(1, 500) AS n"
    )
    claim = partial(
        store.claim_tasks, connection, slots=["a", "b"], modes=[Mode.HEAD_SWAP], lease=timedelta(seconds=10)
    )
    async with connection.transaction():
        await claim()
        assert await rows_read(connection, claim) <= 50


@pytest.mark.parametrize("table", ["tasks", "task_events", "claim_turns", "batches"])
async def test_what_a_session_planned_while_there_was_nothing_reads_no_whole_table_later(
    connection: Connection, table: str
) -> None:
    """Plans of functions last until the next ANALYZE, which a busy first minute doesn't wait for."""
    await connection.execute("ANALYZE; INSERT INTO users (user_id) VALUES ('usr_0')")
    await connection.execute(
        "INSERT INTO batches (batch_id, user_id, total, unfinished) "
        "SELECT 'batch_' || n, 'usr_0', 1, 1 FROM generate_series(1, 400) AS n"
    )
    create = (
        "INSERT INTO tasks (task_id, user_id, mode, source_image, batch_id) "
        "SELECT 'task_' || n, 'usr_0', 'HEAD_SWAP', 'file_1', 'batch_' || n FROM generate_series({}, {}) AS n"
    )
    scans = "SELECT pg_stat_get_xact_numscans($1::regclass)"
    async with connection.transaction():
        for first, last in ((1, 1), (2, 400)):
            before = await connection.fetchval(scans, table)
            await connection.execute(create.format(first, last))
            for claim in (
                await store.claim_tasks(connection, slots=["a"], modes=[Mode.HEAD_SWAP], lease=timedelta(seconds=10))
            ).by_slot.values():
                await store.complete_task(connection, claim.task_id, claim.lease_token, lives.a_result(), [])
        assert await connection.fetchval(scans, table) == before


@pytest.mark.parametrize("table", ["tasks", "task_events", "claim_turns", "credit_ledger"])
async def test_creates_of_a_first_minute_read_no_whole_table(connection: Connection, table: str) -> None:
    user_id = await lives.add_user(connection)
    await connection.execute("ANALYZE")
    scans = "SELECT pg_stat_get_xact_numscans($1::regclass)"
    async with connection.transaction():
        await lives.create(connection, user_id)
        before = await connection.fetchval(scans, table)
        for _ in range(8):
            await lives.create(connection, user_id)
        assert await connection.fetchval(scans, table) == before


async def test_a_tasks_life_is_planned_once_a_session(connection: Connection) -> None:
    """PostgreSQL plans five times, then once for all, unless a plan for the values at hand looks cheaper to it."""
    user_id = await lives.add_user(connection, 1_000_000)
    for _ in range(20):
        for _ in range(3):
            await lives.create(connection, user_id)
        claimed = await store.claim_tasks(
            connection, slots=["a", "b", "c"], modes=lives.EVERY_MODE, lease=timedelta(seconds=10)
        )
        assert len(claimed.by_slot) == 3
        for claim in claimed.by_slot.values():
            await store.complete_task(connection, claim.task_id, claim.lease_token, lives.a_result(), [])
            assert await store.get_task_by_id(connection, user_id, claim.task_id)
    statements = await connection.fetch(
        "SELECT statement, custom_plans AS anew FROM pg_prepared_statements WHERE generic_plans + custom_plans >= 20"
    )
    assert len(statements) >= 5
    assert [row["statement"] for row in statements if row["anew"] > 5] == []


async def test_what_a_claim_calls_is_planned_once_a_session(connection: Connection) -> None:
    """What functions plan is counted nowhere."""
    for name in ["claim_tasks_v7", "first_in_line_v3"]:
        (settings,) = [
            row[0] for row in await connection.fetch("SELECT proconfig FROM pg_proc WHERE proname = $1", name)
        ]
        assert "plan_cache_mode=force_generic_plan" in settings
    calls = next(query for query in ALL if query.name == "claim_tasks")
    assert all("claim_tasks_v7" in text.sql for text in calls.texts.values())
