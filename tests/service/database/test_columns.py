"""Columns may come, go and change under running processes: every statement names those that it reads."""

import re
from importlib.resources import files

import pytest

from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.database.statements import load_queries
from service.tasks import lifecycle, retention, store
from tests import lives
from tests.service.database.test_queries import ALL

STAR = re.compile(r"\bSELECT\s+(?:DISTINCT\s+)?\*|\bRETURNING\s+\*|\w\.\*|,\s*\*|\bSETOF\b", re.IGNORECASE)

OF_VERSIONS_BEFORE = {"claim_next_task"}
"""Functions that only processes of versions before call."""

CHANGES = {
    "a column comes": "ALTER TABLE {table} ADD COLUMN later integer NOT NULL DEFAULT 0",
    "and changes its type": "ALTER TABLE {table} ALTER COLUMN later TYPE bigint",
    "and goes": "ALTER TABLE {table} DROP COLUMN later",
    "one of ours changes its type": {
        # Not the balance: a trigger is bound to it, and PostgreSQL refuses.
        "users": "ALTER TABLE users ALTER COLUMN total_credits_used TYPE numeric",
        "tasks": "ALTER TABLE tasks ALTER COLUMN attempts TYPE bigint",
        "files": "ALTER TABLE files ALTER COLUMN width TYPE bigint",
        "credit_ledger": "ALTER TABLE credit_ledger ALTER COLUMN balance_after TYPE numeric(20)",
    },
}


def test_every_statement_names_its_columns() -> None:
    assert [query.name for query in ALL if STAR.search(query.sql)] == []


def test_an_adoptions_steps_name_their_columns() -> None:
    for file in files("schema").joinpath("adoption").iterdir():
        assert not STAR.search(file.read_text()), file.name


@pytest.mark.parametrize("wrong", ["SELECT * FROM a", "RETURNING *", "SELECT b.*", "SELECT x, *", "RETURNS SETOF a"])
def test_a_star_is_seen(wrong: str) -> None:
    assert STAR.search(wrong)


async def test_no_function_of_this_version_knows_a_tables_row(connection: Connection) -> None:
    functions = await connection.fetch(
        "SELECT proname, prosrc, typtype = 'c' AS of_rows FROM pg_proc JOIN pg_type ON pg_type.oid = prorettype "
        "WHERE pronamespace = current_schema()::regnamespace"
    )
    names = {row["proname"] for row in functions if row["of_rows"] or STAR.search(row["prosrc"])}
    assert names == OF_VERSIONS_BEFORE
    called = {name for query in ALL for name in OF_VERSIONS_BEFORE if re.search(rf"\b{name}\b", query.sql)}
    assert called == set()


@pytest.mark.parametrize("table", ["tasks", "users", "files", "credit_ledger"])
async def test_a_table_changes_under_warm_connections(connection: Connection, pool: Pool, table: str) -> None:
    """Each statement was prepared before each change; everything goes on at the first try."""
    user_id = await lives.add_user(connection, 10**6)
    await a_round(pool, user_id)
    for change in CHANGES.values():
        statement = change[table] if isinstance(change, dict) else change.format(table=table)
        await connection.execute(statement)
        await a_round(pool, user_id)
    await lives.assert_balanced(pool)


async def a_round(pool: Pool, user_id: str) -> None:
    """What API and worker do with tasks, on the pool's connections with their prepared statements; each once."""

    async def create() -> str:
        async with pool.acquire() as connection:
            return (await lives.create(connection, user_id)).task_id

    assert await lifecycle.cancel_task(pool, user_id, await create())
    done = await lives.claim(pool, await create())
    assert await lifecycle.update_task_progress(pool, done, 50, "half way")
    assert await lifecycle.renew(pool, done)
    assert await lifecycle.complete_task(pool, done, lives.a_result(), [])
    failed = await lives.claim(pool, await create())
    assert await lifecycle.fail_task(pool, failed, lives.FAILURE)
    returned = await lives.claim(pool, await create())
    assert await lifecycle.give_back(pool, returned)
    again = await lives.claim(pool, returned.task_id)
    assert await lifecycle.complete_task(pool, again, lives.a_result(), [])
    async with pool.acquire() as connection:
        tasks = await store.get_tasks_by_user(connection, user_id, limit=100)
    ended = {task.task_id: task.attempts for task in tasks if task.status in {TaskStatus.DONE, TaskStatus.FAILED}}
    assert ended == {done.task_id: 1, failed.task_id: 1, again.task_id: 1}
    for task in tasks:
        assert await retention.delete_task(pool, user_id, task.task_id)


def test_a_struct_s_name_stands_for_its_columns() -> None:
    assert "task_id, user_id, status" in load_queries("task_reading")["get_task_by_id"].sql
