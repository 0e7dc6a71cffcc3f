"""`migrate --adopt`: what it can't change is named with what to do about it, and nothing at all is changed then."""

from collections.abc import AsyncGenerator
from secrets import token_hex
from typing import Final
from urllib.parse import urlsplit

import pytest
from msgspec import structs

from service.database import Connection
from service.database.migrations import SchemaError, migrate
from service.legacy.adopting.adoption import adopt
from service.settings import Settings
from tests.legacy.catalogs import contents, shape
from tests.legacy.old_tables import OldTables, make_old_tables

FEW: Final = OldTables(users=4, tasks=12, odd=False)

REFUSED: Final = {
    "a view": ("CREATE VIEW v AS SELECT email FROM users", r"view v depends on a column that changes: drop it"),
    "a materialized view": ("CREATE MATERIALIZED VIEW m AS SELECT status FROM tasks", r"materialized view m depends"),
    "a rule": (
        "CREATE RULE r AS ON DELETE TO users WHERE old.email IS NULL DO INSTEAD NOTHING",
        r"rule r makes something else of what is written into `users`: drop it",
    ),
    # It depends on no column, and nobody could be erased.
    "a rule without columns": ("CREATE RULE r AS ON DELETE TO tasks DO INSTEAD NOTHING", r"rule r .* into `tasks`"),
    "a policy": ("CREATE POLICY own ON tasks USING (user_id IS NOT NULL)", r"policy own on table tasks depends"),
    "a generated column": (
        "ALTER TABLE users ADD COLUMN short text GENERATED ALWAYS AS (left(email, 3)) STORED",
        r"column short of table users depends",
    ),
    "a function": (
        "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(email) FROM users; END",
        r"function f\(\) depends",
    ),
    "rows of users elsewhere": ("CREATE TABLE copies (was users)", r"column was of table copies depends"),
    "a trigger on a column that follows": (
        "CREATE TRIGGER t BEFORE UPDATE OF user_id ON orders FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()",
        r"trigger t on table orders depends",
    ),
    "a key to emails": (
        "CREATE TABLE letters (email varchar(255) REFERENCES users (email))",
        r"letters_email_fkey of letters refers to users \(email\)",
    ),
    "a table that a migration makes": ("CREATE TABLE files (id integer)", r"there is a table files, a name"),
    "a sequence of a table's name": ("CREATE SEQUENCE workers", r"there is a sequence workers, a name"),
    "an index that a migration makes": ("CREATE INDEX idx_files_user ON orders (cents)", r"an index idx_files_user"),
    "a function that a migration makes": (
        "CREATE FUNCTION waiting_tasks() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        r"a function waiting_tasks",
    ),
    "times that are text": (
        "ALTER TABLE users ALTER last_login TYPE text",
        r"users\.last_login is text, which can't be",
    ),
    "ids that are lists": (
        "ALTER TABLE tasks ALTER source_image TYPE text[] USING ARRAY[source_image]",
        r"tasks\.source_image is text\[\], which",
    ),
    "somebody else's table": (
        "ALTER TABLE tasks RENAME source_image TO title; ALTER TABLE tasks DROP mode",
        r"`tasks` has no column mode and no source_image, so it isn't the existing system's",
    ),
    "a partition": (
        "ALTER TABLE tasks RENAME TO tasks_1; CREATE TABLE tasks (LIKE tasks_1) PARTITION BY LIST (status)",
        r"`tasks` is partitioned",
    ),
    "a parent": ("CREATE TABLE old_tasks () INHERITS (tasks)", r"`tasks` inherits, is inherited from"),
    "a view of the name": ("ALTER TABLE tasks RENAME TO jobs; CREATE VIEW tasks AS SELECT * FROM jobs", r"not a table"),
    "an id twice": (
        "ALTER TABLE tasks DROP CONSTRAINT tasks_pkey; INSERT INTO tasks SELECT * FROM tasks LIMIT 1",
        r"several rows of `tasks` have one task_id, such as 'task_",
    ),
    "a check of theirs": (
        "ALTER TABLE users ADD CHECK (locale IS NOT NULL) NOT VALID",
        r"rows as Darkroom makes them would be refused .*users_locale_check",
    ),
    "a reference to what goes": (
        """
        UPDATE tasks SET status = '?' WHERE task_id = (SELECT min(task_id) FROM tasks);
        CREATE TABLE shares AS SELECT task_id FROM tasks;
        ALTER TABLE shares ADD FOREIGN KEY (task_id) REFERENCES tasks
        """,
        r"shares_task_id_fkey of shares refers to rows that would go into quarantine",
    ),
    "an index that fails": (
        """
        CREATE FUNCTION picky(text, text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN IF current_setting(''application_name'') <> ''test'' THEN RAISE ''picky''; END IF; RETURN $1; END';
        SET application_name = 'test'; CREATE INDEX picked ON tasks (picky(request_ip, request_ip))
        """,
        r"PostgreSQL refused a step of the adoption, and nothing was changed: picky",
    ),
    "another program's journal": (
        "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)",
        r"`schema_migrations` that another program made",
    ),
    "another schema": (
        """
        CREATE SCHEMA app; ALTER TABLE tasks SET SCHEMA app;
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, app', current_database()); END $$
        """,
        r"`tasks` is not in the schema that comes first in search_path",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_stands_in_the_way_is_named_and_nothing_is_changed(
    theirs: Settings, db: Connection, case: str
) -> None:
    statements, words = REFUSED[case]
    await make_old_tables(db, FEW)
    await db.execute(statements)
    before = (await shape(db), await contents(db))
    with pytest.raises(SchemaError, match=words) as refused:
        await adopt(theirs)
    assert "\n" not in str(refused.value)
    assert "nothing was changed" in str(refused.value)
    assert (await shape(db), await contents(db)) == before
    if case != "another program's journal":
        with pytest.raises(SchemaError, match="migrate --adopt"):
            await migrate(theirs)


async def test_every_obstacle_is_named_at_once(theirs: Settings, db: Connection) -> None:
    await make_old_tables(db, FEW)
    await db.execute("CREATE VIEW v AS SELECT email FROM users; CREATE TABLE workers (id integer)")
    with pytest.raises(SchemaError, match=r"view v .*; there is a table workers"):
        await adopt(theirs)


@pytest.fixture
async def mortal(theirs: Settings, db: Connection) -> AsyncGenerator[Settings]:
    """A user of PostgreSQL who owns the tables and is nothing special."""
    name = f"mortal_{token_hex(4)}"
    await make_old_tables(db, FEW)
    await db.execute(
        f"CREATE ROLE {name} LOGIN PASSWORD 'p'; GRANT CREATE ON SCHEMA public TO {name}; "
        f"ALTER TABLE users OWNER TO {name}; ALTER TABLE tasks OWNER TO {name}; ALTER TABLE orders OWNER TO {name}; "
        f"ALTER FUNCTION update_updated_at_column OWNER TO {name}"
    )
    parts = urlsplit(theirs.database_url)
    host = parts.netloc.rpartition("@")[2]
    yield structs.replace(theirs, database_url=parts._replace(netloc=f"{name}:p@{host}").geturl())
    await db.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


async def test_the_owner_of_the_tables_needs_no_more_rights(mortal: Settings) -> None:
    assert "adopted 4 users" in "\n".join(await adopt(mortal))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("ALTER TABLE tasks OWNER TO CURRENT_USER", r"`tasks` belongs to another user of PostgreSQL"),
        ("ALTER TABLE orders OWNER TO CURRENT_USER", r"the table orders, .*belongs to another user"),
        (
            "ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY",
            r"ALTER TABLE users NO FORCE ROW LEVEL SECURITY first",
        ),
        ("REVOKE CREATE ON SCHEMA public FROM {role}", r"may not create tables here"),
    ],
)
async def test_rights_that_are_missing_are_named(mortal: Settings, db: Connection, statement: str, words: str) -> None:
    role = urlsplit(mortal.database_url).username
    await db.execute(statement.format(role=role))
    with pytest.raises(SchemaError, match=words):
        await adopt(mortal)
