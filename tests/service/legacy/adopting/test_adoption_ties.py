"""`migrate --adopt`: what hangs on the old tables stays, or gives way with a line."""

from collections.abc import Iterable
from typing import Final

import pytest

from service.database import Connection
from service.legacy.adopting.adoption import adopt
from service.settings import Settings
from tests.legacy.catalogs import contents, shape
from tests.legacy.old_tables import OldTables, make_old_tables
from tests.seeds import THOROUGH

FEW: Final = OldTables(users=4, tasks=12, odd=False)


def together(cases: Iterable[str], *apart: str) -> list[tuple[str, ...]]:
    """All at once, since an adoption costs what it does for one; but for those that would be in each other's way."""
    alone = list(cases) if THOROUGH else apart
    others = tuple(case for case in cases if case not in alone)
    return [*([others] if others else []), *((case,) for case in alone)]


async def constraint(connection: Connection, table: str, name: str) -> str | None:
    return await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass AND conname = $2",
        table,
        name,
    )


async def type_of(connection: Connection, table: str, column: str) -> str | None:
    return await connection.fetchval(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = $1::text::regclass AND attname = $2",
        table,
        column,
    )


Keys = list[tuple[str, str]]

KEPT: Final[dict[str, tuple[str, Keys, Keys]]] = {
    "a chain of them": (
        """
        CREATE TABLE profiles (user_id uuid PRIMARY KEY REFERENCES users ON UPDATE CASCADE, city text);
        CREATE TABLE photos (photo integer, owner uuid REFERENCES profiles DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO profiles SELECT user_id, '北京' FROM users;
        INSERT INTO photos SELECT row_number() OVER (), user_id FROM profiles;
        """,
        [("profiles", "profiles_user_id_fkey"), ("photos", "photos_owner_fkey")],
        [("profiles", "user_id"), ("photos", "owner")],
    ),
    "one inside users": (
        """
        ALTER TABLE users ADD COLUMN invited_by uuid REFERENCES users ON DELETE SET NULL;
        UPDATE users SET invited_by = (SELECT min(user_id::text)::uuid FROM users)
        """,
        [("users", "users_invited_by_fkey")],
        [("users", "invited_by")],
    ),
    "one to tasks, not valid": (
        """
        CREATE TABLE shares (task_id varchar(50)); INSERT INTO shares VALUES ('task_gone');
        ALTER TABLE shares ADD CONSTRAINT shared FOREIGN KEY (task_id) REFERENCES tasks ON DELETE CASCADE NOT VALID
        """,
        [("shares", "shared")],
        [],
    ),
    "one with a default": (
        "CREATE TABLE visits (user_id uuid DEFAULT '00000000-0000-0000-0000-000000000000' REFERENCES users)",
        [("visits", "visits_user_id_fkey")],
        [("visits", "user_id")],
    ),
    "one of a partitioned table": (
        """
        CREATE TABLE events (day date, user_id uuid REFERENCES users) PARTITION BY RANGE (day);
        CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        INSERT INTO events SELECT '2025-11-17', user_id FROM users
        """,
        [("events", "events_user_id_fkey"), ("events_1", "events_user_id_fkey")],
        [("events", "user_id"), ("events_1", "user_id")],
    ),
    "one to a key of their own": (
        """
        ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD UNIQUE (task_id), ADD COLUMN id bigserial PRIMARY KEY;
        CREATE TABLE comments (task bigint REFERENCES tasks (id));
        INSERT INTO comments SELECT id FROM tasks;
        """,
        [("comments", "comments_task_fkey"), ("tasks", "tasks_id_key")],
        [],
    ),
    "one to a key that is partly their own": (
        """
        ALTER TABLE users ADD COLUMN realm integer DEFAULT 1, ADD UNIQUE (user_id, realm);
        CREATE TABLE seats (user_id uuid, realm integer);
        ALTER TABLE seats ADD FOREIGN KEY (user_id, realm) REFERENCES users (user_id, realm);
        INSERT INTO seats SELECT user_id, realm FROM users;
        """,
        [("seats", "seats_user_id_realm_fkey"), ("users", "users_user_id_realm_key")],
        [("seats", "user_id")],
    ),
    "one from a column of theirs": (
        """
        CREATE TABLE teams (team integer PRIMARY KEY); INSERT INTO teams VALUES (1);
        ALTER TABLE users ADD COLUMN team integer DEFAULT 1 REFERENCES teams
        """,
        [("users", "users_team_fkey")],
        [],
    ),
}


@pytest.mark.parametrize(
    "cases",
    together(KEPT, "one to tasks, not valid", "one to a key of their own", "one to a key that is partly their own"),
)
async def test_a_foreign_key_stays_as_it_was(theirs: Settings, db: Connection, cases: tuple[str, ...]) -> None:
    keys = [key for case in cases for key in KEPT[case][1]]
    converted = [column for case in cases for column in KEPT[case][2]]
    await make_old_tables(db, FEW)
    for case in cases:
        await db.execute(KEPT[case][0])
    before = {(table, name): await constraint(db, table, name) for table, name in keys}
    tables = {table for table, _ in keys} - {"users", "tasks"}
    rows = {table: found for table, found in (await contents(db)).items() if table in tables}
    orders = await db.fetch("SELECT order_id, user_id::text FROM orders")
    await adopt(theirs)
    for (table, name), definition in before.items():
        after = await constraint(db, table, name)
        assert after is not None
        assert definition is None or after == definition
    assert [await type_of(db, table, column) for table, column in converted] == ["text"] * len(converted)
    found = await contents(db)
    assert {table: found[table] for table in tables} == rows
    assert await db.fetch("SELECT order_id, user_id FROM orders") == orders
    assert await type_of(db, "orders", "user_id") == "text"


async def test_a_deleted_user_takes_their_rows_along_as_before(theirs: Settings, db: Connection) -> None:
    await make_old_tables(db, FEW)
    await adopt(theirs)
    await db.execute("DELETE FROM users WHERE user_id = (SELECT min(user_id) FROM orders)")
    assert await db.fetchval("SELECT count(*) FROM orders") == FEW.users - 1


LINES: Final = {
    "a function that others use": (
        "CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()",
        "kept function update_updated_at_column(), which isn't of these tables alone",
        "SELECT count(*) FROM pg_trigger WHERE tgname = 'touch'",
        1,
    ),
    "a key to their plans": (
        """
        CREATE TABLE plans (plan varchar(50) PRIMARY KEY); INSERT INTO plans VALUES ('starter'), ('basic'), ('pro');
        ALTER TABLE users ADD FOREIGN KEY (current_plan_id) REFERENCES plans
        """,
        "dropped constraint users_current_plan_id_fkey of users: FOREIGN KEY (current_plan_id) REFERENCES plans(plan)",
        "SELECT count(*) FROM plans",
        3,
    ),
    "a name of ours with another meaning": (
        "ALTER TABLE tasks ADD COLUMN priority integer NOT NULL DEFAULT 5",
        "renamed tasks.priority to priority_old1: Darkroom means something else by it",
        "SELECT count(*) FROM tasks WHERE priority_old1 = 5 AND priority = 'normal'",
        12,
    ),
    "row level security": (
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
        "row level security is on for users: only the owner of the table gets past it",
        "SELECT count(*) FROM pg_class WHERE relname = 'users' AND relrowsecurity",
        1,
    ),
    "an unlogged table": (
        "ALTER TABLE tasks SET UNLOGGED",
        "made tasks a logged table: an unlogged one is empty after a crash",
        "SELECT count(*) FROM pg_class WHERE relname = 'tasks' AND relpersistence = 'p'",
        1,
    ),
    "an index over an expression": (
        "CREATE INDEX ip_status ON tasks (request_ip, (lower(status)))",
        "dropped index: CREATE INDEX ip_status ON public.tasks USING btree (request_ip, lower((status)::text))",
        "SELECT count(*) FROM pg_class WHERE relname = 'ip_status'",
        0,
    ),
    "a unique column of theirs": (
        "ALTER TABLE users ADD COLUMN phone varchar(20) UNIQUE",
        "kept users.phone",
        "SELECT count(*) FROM pg_constraint WHERE conname = 'users_phone_key'",
        1,
    ),
    "a publication": (
        "CREATE PUBLICATION realtime FOR TABLE users, tasks",
        "kept users.locale",
        "SELECT count(*) FROM pg_publication_tables JOIN pg_class ON relname = tablename AND relreplident = 'd'",
        2,
    ),
    "a publication of everything": (
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "kept users.locale",
        "SELECT count(*) FROM pg_publication_tables WHERE tablename IN ('users', 'tasks')",
        2,
    ),
    "a publication of whole rows": (
        "CREATE PUBLICATION realtime FOR TABLE tasks; ALTER TABLE tasks REPLICA IDENTITY FULL",
        "kept users.locale",
        "SELECT count(*) FROM pg_publication_tables JOIN pg_class ON relname = tablename AND relreplident = 'd'",
        1,
    ),
    "rights": (
        "GRANT SELECT ON users TO pg_monitor",
        "kept users.locale",
        "SELECT count(*) FROM pg_class WHERE relname = 'users' AND has_table_privilege('pg_monitor', oid, 'SELECT')",
        1,
    ),
}


@pytest.mark.parametrize(
    "cases", together(LINES, "a publication", "a publication of everything", "a publication of whole rows")
)
async def test_what_is_done_is_told_in_a_line(theirs: Settings, db: Connection, cases: tuple[str, ...]) -> None:
    await make_old_tables(db, FEW)
    for case in cases:
        await db.execute(LINES[case][0])
    told = await adopt(theirs)
    for case in cases:
        _, line, query, expected = LINES[case]
        assert line in told
        assert (case, await db.fetchval(query)) == (case, expected)


TYPES: Final = {
    "times with zones": "ALTER TABLE tasks ALTER created_at TYPE timestamptz(0) USING created_at AT TIME ZONE 'UTC'",
    "json and text": "ALTER TABLE tasks ALTER config DROP DEFAULT, ALTER config TYPE json, ALTER result TYPE text",
    "an interval": "ALTER TABLE tasks ALTER processing_time TYPE interval USING processing_time * interval '1 second'",
    "floats": "ALTER TABLE tasks ALTER progress TYPE real; ALTER TABLE users ALTER current_credits TYPE numeric(10, 2)",
    "another collation": 'ALTER TABLE users ALTER username TYPE text COLLATE "C"',
    "an enum": """
        CREATE TYPE task_status AS ENUM ('pending', 'processing', 'done', 'failed', 'cancelled');
        ALTER TABLE tasks ALTER status DROP DEFAULT, ALTER status TYPE task_status USING status::task_status;
        ALTER TABLE tasks ALTER status SET DEFAULT 'pending';
        CREATE INDEX idx_tasks_open ON tasks (task_id) WHERE status = 'pending';
        """,
    "a generated duration": """
        ALTER TABLE tasks DROP processing_time, ADD processing_time double precision GENERATED ALWAYS AS
        (extract(epoch FROM completed_at - created_at)::double precision) STORED;
        """,
    "columns missing": "ALTER TABLE tasks DROP failed_at, DROP credits_consumed; ALTER TABLE users DROP last_login",
    "no key": "ALTER TABLE tasks DROP CONSTRAINT tasks_pkey",
    "uuids of tasks": "ALTER TABLE tasks ALTER task_id TYPE uuid USING md5(task_id)::uuid",
}


@pytest.mark.parametrize("cases", together(TYPES, "a generated duration", "uuids of tasks"))
async def test_other_types_of_columns(
    theirs: Settings, db: Connection, connection: Connection, cases: tuple[str, ...]
) -> None:
    await make_old_tables(db, FEW)
    for case in cases:
        await db.execute(TYPES[case])
    before = dict(await db.fetch("SELECT task_id::text, status::text FROM tasks"))
    await adopt(theirs)
    columns = {row for row in (await shape(db))["columns"] if row[0] in {"users", "tasks"}}
    fresh = {row for row in (await shape(connection))["columns"] if row[0] in {"users", "tasks"}}
    assert {row[1] for row in columns - fresh} == {"locale", "request_ip"}
    assert fresh <= columns
    after = {row["task_id"]: row for row in await db.fetch("SELECT * FROM tasks")}
    assert {task_id: row["status"] for task_id, row in after.items()} == before
    assert await db.fetchval("SELECT count(*) FROM legacy_quarantine") == 0
    done = [row for row in after.values() if row["status"] == "done"]
    assert all(row["result"]["legacy"]["output_image"].endswith("output_image.jpg") for row in done)
    assert all(row["config"]["quality"] == "high" for row in after.values())
    assert {row["processing_time"] > 0 for row in done} == {True}
