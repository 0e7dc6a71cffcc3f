"""`migrate --adopt`: the old system's tables in every deployment's shape become a fresh schema, with all their rows."""

from typing import Final

import pytest
from msgspec import convert

from schema.models.accounts import UserRecord
from schema.models.tasks import TaskRecord
from service.accounts.store import unbalanced_users
from service.database import Connection
from service.database.migrations import Migration, all_migrations, migrate
from service.health.diagnosis import examine
from service.health.findings import Health
from service.legacy.adopting.adoption import adopt
from service.settings import Settings
from tests.legacy.catalogs import contents, shape
from tests.legacy.old_tables import OldTables, make_old_tables

DEPLOYMENTS = {
    "uuid": OldTables(),
    "varchar": OldTables(user_id_type="varchar(50)", has_processing_time=False),
    "users alone": OldTables(only="users"),
    "tasks alone": OldTables(only="tasks"),
}
BROUGHT = {("users", "locale"), ("tasks", "request_ip")}
"""Columns of theirs that stay."""
THEIRS: Final[set[object]] = {"orders", "idx_orders_user", "orders_pkey", "idx_tasks_request_ip"}
"""What they have besides."""


async def the_users(connection: Connection) -> dict[str, UserRecord]:
    rows = await connection.fetch("SELECT * FROM users")
    return {row["user_id"]: convert(dict(row), UserRecord) for row in rows}


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
async def test_the_schema_is_a_fresh_ones_afterwards(
    theirs: Settings, db: Connection, connection: Connection, deployment: str
) -> None:
    await make_old_tables(db, DEPLOYMENTS[deployment])
    await adopt(theirs)
    adopted, fresh = await shape(db), await shape(connection)
    for part, rows in adopted.items():
        assert [row for row in rows if row[:2] not in BROUGHT and not THEIRS & set(row)] == fresh[part], part
    assert not {row[:2] for row in fresh["columns"]} & BROUGHT


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
async def test_nothing_is_lost_and_every_row_can_be_read(theirs: Settings, db: Connection, deployment: str) -> None:
    written = await make_old_tables(db, DEPLOYMENTS[deployment])
    lines = await adopt(theirs)
    tasks = [convert(dict(row), TaskRecord) for row in await db.fetch("SELECT * FROM tasks")]
    assert len(tasks) == written.tasks - written.unfit
    assert await db.fetchval("SELECT count(*) FROM legacy_quarantine WHERE kind = 'task'") == written.unfit
    assert {task.legacy_fingerprint for task in tasks} <= {b""}
    assert all(task.queued_at == task.created_at for task in tasks)
    assert all(task.elsewhere is not task.status.ended for task in tasks)
    users = await the_users(db)
    assert sum(not user.is_placeholder for user in users.values()) == written.users
    assert {task.user_id for task in tasks} - {None} <= users.keys()
    assert sum(user.current_credits for user in users.values()) == written.credits
    assert await unbalanced_users(db, 5) == []
    said = "\n".join(lines)
    assert (f"adopted {len(tasks)} tasks" in said) == (written.tasks > 0)
    assert (f"adopted {written.users} users with {written.credits:,} credits" in said) == (written.users > 0)


async def test_json_that_is_no_jsonb_keeps_its_task_and_the_servers_own_settings_change_nothing(
    theirs: Settings, db: Connection
) -> None:
    written = await make_old_tables(db, OldTables(odd=False))
    await db.execute(
        """
        ALTER TABLE tasks ALTER config DROP DEFAULT;
        ALTER TABLE tasks ALTER config TYPE json USING '{"quality": "high", "quality": "ultra"}';
        UPDATE tasks SET config = '{"a": "\\u0000"}' WHERE task_id = (SELECT min(task_id) FROM tasks);
        DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers = on', current_database());
        END $$;
        """
    )
    await adopt(theirs)
    configs = await db.fetch("SELECT config::text, count(*) FROM tasks GROUP BY config ORDER BY 2")
    assert [tuple(row) for row in configs] == [("{}", 1), ('{"quality": "ultra"}', written.tasks - 1)]
    assert await db.fetchval("SELECT fields ->> 'config' FROM legacy_remarks") == '{"a": "\\u0000"}'


async def test_a_second_run_and_a_run_on_darkrooms_own_tables_do_nothing(
    theirs: Settings, settings: Settings, db: Connection
) -> None:
    await make_old_tables(db, OldTables())
    assert await adopt(theirs)
    before = await contents(db)
    assert await adopt(theirs) == []
    assert await migrate(theirs) == []
    assert await contents(db) == before
    assert await adopt(settings) == []


async def test_an_empty_database_is_left_to_migrate(theirs: Settings, db: Connection) -> None:
    assert await adopt(theirs) == []
    assert await shape(db) == {part: [] for part in await shape(db)}
    assert await migrate(theirs)


async def test_doctor_finds_nothing_after_the_adoption_of_sound_rows(theirs: Settings, db: Connection) -> None:
    await make_old_tables(db, OldTables(odd=False))
    await adopt(theirs)
    assert await db.fetchval("SELECT count(*) FROM legacy_remarks") == 0
    assert await db.fetchval("SELECT count(*) FROM legacy_quarantine") == 0
    wrong = [finding.check async for finding in examine(theirs) if finding.health is Health.WRONG]
    assert wrong == ["workers"]


@pytest.mark.parametrize(("table", "record"), [("users", UserRecord), ("tasks", TaskRecord)])
async def test_the_records_name_every_column_of_ours(
    connection: Connection, table: str, record: type[UserRecord] | type[TaskRecord]
) -> None:
    """By them the adoption knows which of their columns have a name of ours."""
    columns = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0", table
    )
    assert {column[0] for column in columns} == set(record.__struct_fields__)


async def test_what_runs_outside_of_transactions_is_left_to_migrate(theirs: Settings, db: Connection) -> None:
    await make_old_tables(db, OldTables())
    outside = Migration(
        9001, "9001_outside.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY later ON tasks (worker_id);\n"
    )
    after = Migration(9002, "9002_after.sql", "CREATE TABLE after_it (id integer)")
    wanted = [*all_migrations(), outside, after]
    await adopt(theirs, wanted)
    assert await migrate(theirs, wanted) == [outside.name, after.name]
