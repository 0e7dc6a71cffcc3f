"""`darkroom migrate --adopt` as a process: killed in the middle, twice at once, through a pooler; what follows it."""

import asyncio
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from msgspec import structs

from schema.models.problems import ProblemCode
from service.accounts.store import unbalanced_users
from service.accounts.tokens import issue_token
from service.database import Connection, connect
from service.database.migrations import all_migrations
from service.legacy.adopting.adoption import adopt
from service.settings import Settings
from tests.chaos.pgbouncer import needs_pgbouncer, pooled
from tests.legacy.catalogs import contents, shape
from tests.legacy.old_tables import OldTables, make_old_tables
from tests.running import PATIENCE, run_command, running
from tests.service.http.serving import API, User, client_of, problem, serving

SOME: Final = OldTables(users=6, tasks=60)
HOLD: Final = 4711
COPIES: Final = 10

# An index over this is built again whenever its table is rewritten, and then waits for whoever holds the lock.
WAITING_INDEX: Final = """
CREATE FUNCTION held(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock_shared({hold}), pg_advisory_unlock_shared({hold});
    RETURN value;
END
$$;
CREATE INDEX waits ON {table} (held({column}::text));
"""


async def others_of(connection: Connection, condition: str) -> int:
    """How many other sessions on this database are as the condition says."""
    return await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity "  # noqa: S608 - from below
        f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    )


async def until_others(connection: Connection, condition: str, number: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await others_of(connection, condition) != number:  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("table", "column"), [("users", "locale"), ("tasks", "request_ip"), ("orders", "user_id")], ids=str
)
async def test_killed_in_the_middle_it_leaves_everything_as_it_was(
    theirs: Settings, db: Connection, table: str, column: str
) -> None:
    """Held and killed while it rewrites the first table, the second, and the last one of all."""
    await make_old_tables(db, SOME)
    await db.execute(WAITING_INDEX.format(hold=HOLD, table=table, column=column))
    before = (await shape(db), await contents(db))
    watcher = await connect(theirs)
    await watcher.fetchval("SELECT pg_advisory_lock($1)", HOLD)
    with running("migrate", "--adopt", settings=theirs) as process:
        await until_others(watcher, "wait_event = 'advisory' AND query ~ 'ALTER TABLE'", 1)
        locked = await watcher.fetch(
            "SELECT relation::regclass::text, mode FROM pg_locks WHERE locktype = 'relation' "
            "AND relation IN ('users'::regclass, 'tasks'::regclass, 'orders'::regclass) AND mode ~ 'AccessExclusive'"
        )
        assert {row[0] for row in locked} == {"users", "tasks", "orders"}
        process.kill()
        process.wait()
    await watcher.fetchval("SELECT pg_advisory_unlock($1)", HOLD)
    await until_others(watcher, "true", 1)  # `db`
    await watcher.close()
    assert (await shape(db), await contents(db)) == before
    again = await asyncio.to_thread(run_command, "migrate", "--adopt", settings=theirs)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == "The schema is up to date."
    once_more = await asyncio.to_thread(run_command, "migrate", "--adopt", settings=theirs)
    assert once_more.stdout.splitlines() == ["The schema is up to date."]


async def test_when_the_server_drops_it_nothing_is_changed_and_a_line_says_so(theirs: Settings, db: Connection) -> None:
    await make_old_tables(db, SOME)
    await db.execute(WAITING_INDEX.format(hold=HOLD, table="tasks", column="request_ip"))
    before = (await shape(db), await contents(db))
    await db.fetchval("SELECT pg_advisory_lock($1)", HOLD)
    command = asyncio.create_task(asyncio.to_thread(run_command, "migrate", "--adopt", settings=theirs))
    held = "wait_event = 'advisory' AND query ~ 'ALTER TABLE'"
    await until_others(db, held, 1)
    await db.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {held}"  # noqa: S608
    )
    ended = await command
    await db.fetchval("SELECT pg_advisory_unlock($1)", HOLD)
    await until_others(db, "true", 0)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert (await shape(db), await contents(db)) == before


async def test_two_at_once_adopt_once(theirs: Settings, db: Connection) -> None:
    await make_old_tables(db, SOME)
    both = await asyncio.gather(
        *(asyncio.to_thread(run_command, "migrate", "--adopt", settings=theirs) for _ in range(2))
    )
    assert [ended.returncode for ended in both] == [0, 0], both
    said = sorted((ended.stdout.splitlines() for ended in both), key=len)
    assert said[0] == ["The schema is up to date."]
    assert [line for line in said[1] if line.startswith("applied ")] == [
        f"applied {migration.name}" for migration in all_migrations()
    ]
    assert await db.fetchval("SELECT count(*) FROM schema_migrations") == len(all_migrations())


@needs_pgbouncer
async def test_through_a_transaction_pooler(
    theirs: Settings, db: Connection, connection: Connection, tmp_path: Path
) -> None:
    written = await make_old_tables(db, SOME)
    with pooled(theirs.database_url, tmp_path, sessions=3) as bouncer:
        behind = structs.replace(theirs, database_url=bouncer.url)
        extra = {"DATABASE_POOLER": "transaction"}
        ended = await asyncio.to_thread(run_command, "migrate", "--adopt", settings=behind, extra=extra)
        assert ended.returncode == 0, ended.stderr
        through = await asyncpg.connect(bouncer.url, statement_cache_size=0)
        settings_left = await through.fetch("SELECT name FROM pg_settings WHERE source = 'session'")
        assert {row[0] for row in settings_left} & {"row_security", "statement_timeout"} == set()
        await through.close()
    assert f"adopted {written.tasks - written.unfit} tasks" in ended.stdout
    assert (await shape(db))["functions"] == (await shape(connection))["functions"]


async def test_the_service_works_on(theirs: Settings, db: Connection, tmp_path: Path) -> None:
    await make_old_tables(db, OldTables(users=1, tasks=40, odd=False))
    await db.execute("UPDATE users SET current_credits = 500")
    await adopt(theirs)
    user_id = await db.fetchval("SELECT user_id FROM users")
    statuses = dict(await db.fetch("SELECT status, min(task_id) FROM tasks GROUP BY status"))
    assert statuses.keys() == {"pending", "processing", "done", "failed", "cancelled"}
    with serving(theirs, tmp_path / "api.log") as api:
        async with client_of(api, issue_token(theirs.secret_keys, user_id)) as http:
            user = User(user_id, "", http)
            assert (await user.me())["current_credits"] == 500
            listed = (await http.get(f"{API}/tasks?page_size=100")).json()
            assert listed["pagination"]["total"] == 40
            done = (await http.get(f"{API}/tasks/{statuses['done']}")).json()
            assert done["result"]["output_image"].startswith("/results/")
            assert done["processing_time"] > 0
            failed = (await http.get(f"{API}/tasks/{statuses['failed']}")).json()
            assert failed["error"]["message"] == "没有检测到人脸"
            for unfinished in ("pending", "processing"):
                answer = await http.post(f"{API}/tasks/{statuses[unfinished]}/cancel")
                assert "system before this one" in problem(answer, ProblemCode.TASK_NOT_CANCELLABLE, 409)["detail"]
            answer = await http.post(f"{API}/tasks/{statuses['cancelled']}/cancel")
            assert answer.status_code == 200
            assert (await http.delete(f"{API}/tasks/{statuses['done']}")).status_code == 204
            created = await user.task()
            history = (await http.get(f"{API}/tasks/history?page_size=100")).json()
            assert history["tasks"][0]["task_id"] == created["task_id"]
            cancelled = await http.post(f"{API}/tasks/{created['task_id']}/cancel")
            assert cancelled.json()["status"] == "cancelled"
            assert (await user.me())["current_credits"] == 500
    assert await unbalanced_users(db, 5) == []


async def test_twenty_thousand_tasks_in_one_transaction(theirs: Settings, db: Connection) -> None:
    written = await make_old_tables(db, OldTables(users=1_000, tasks=2_000))
    columns = (
        "user_id, status, mode, progress, source_image, config, result, error, credits_consumed, created_at, updated_at"
    )
    await db.execute(
        f"INSERT INTO tasks (task_id, request_ip, {columns}) "  # noqa: S608 - names from above
        f"SELECT task_id || '_' || copy, request_ip, {columns} FROM tasks, generate_series(2, {COPIES}) AS copy"
    )
    await adopt(theirs)
    counted = await db.fetchrow(
        "SELECT (SELECT count(*) FROM tasks) AS tasks, (SELECT count(*) FROM legacy_quarantine) AS unfit, "
        "(SELECT sum(current_credits) FROM users) AS credits, "
        "(SELECT count(DISTINCT xmin::text) FROM tasks) AS transactions"
    )
    unfit = written.unfit * COPIES
    assert tuple(counted or ()) == (20_000 - unfit, unfit, written.credits, 1)
