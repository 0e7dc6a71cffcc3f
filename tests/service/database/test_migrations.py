"""The schema's way forward: once each, however often and from wherever it is asked for."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec import structs

from service.database import connect
from service.database.migrations import TIMES, Migration, SchemaError, all_migrations, check_schema, migrate
from service.settings import Settings
from tests import lives
from tests.conftest import SECRET_KEY
from tests.running import PATIENCE, run_command, running

CONCURRENTLY = Migration(
    9001,
    "9001_index_concurrently.sql",
    """-- A big table's index. Runs after the deploy.
-- no-transaction

CREATE INDEX CONCURRENTLY idx_tasks_by_worker ON tasks (worker_id);
COMMENT ON INDEX idx_tasks_by_worker IS 'made; without a transaction';
""",
)
AT_ONCE = 4


@pytest.fixture
def fresh(empty_database: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings for a database without anything."""
    return Settings(
        database_url=empty_database,
        redis_url=redis_url,
        storage_url=(tmp_path / "files").as_uri(),
        secret_keys=(SECRET_KEY,),
    )


async def fetch(settings: Settings, query: str) -> list[tuple[object, ...]]:
    connection = await connect(settings)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def execute(settings: Settings, statements: str) -> None:
    connection = await connect(settings)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


FILES_AND_EMAILS = 13
TURNS = 16

EVERYTHING = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2
"""


async def test_a_database_that_takes_no_writes_is_told_as_such(fresh: Settings) -> None:
    """Whose session is ended where that is seen: what undoes its transaction then says something else."""
    name = (await fetch(fresh, "SELECT current_database()"))[0][0]
    await execute(fresh, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await migrate(fresh)


async def test_every_file_is_applied_once_and_in_order(fresh: Settings) -> None:
    names = [migration.name for migration in all_migrations()]
    numbers = [int(name[:4]) for name in names]
    assert numbers == sorted(set(numbers))
    assert await migrate(fresh) == names
    assert await fetch(fresh, "SELECT name FROM schema_migrations ORDER BY version") == [(name,) for name in names]
    before = await fetch(fresh, EVERYTHING)
    assert await migrate(fresh) == []
    assert await fetch(fresh, EVERYTHING) == before


async def test_the_schema_is_complete_afterwards(fresh: Settings) -> None:
    connection = await connect(fresh)
    with pytest.raises(SchemaError, match=r"isn't there yet\. Run: darkroom migrate"):
        await check_schema(connection)
    await migrate(fresh, all_migrations()[:3])
    fourth, *others = all_migrations()[3:]
    with pytest.raises(SchemaError, match=rf"lacks {fourth.name} and {len(others)} more\. Run: darkroom migrate"):
        await check_schema(connection)
    await migrate(fresh)
    await check_schema(connection)
    await connection.close()


async def test_two_at_once_apply_each_file_once(fresh: Settings) -> None:
    answers = await asyncio.gather(*(migrate(fresh) for _ in range(AT_ONCE)))
    applied = sorted(name for answer in answers for name in answer)
    assert applied == [migration.name for migration in all_migrations()]


async def test_through_a_transaction_pooler_nothing_is_prepared(fresh: Settings) -> None:
    """There named statements fail: the next transaction may run in another session."""
    pooled = structs.replace(fresh, database_pooler="transaction")
    assert pooled.through_pooler
    assert len(await migrate(pooled)) == len(all_migrations())
    connection = await connect(pooled)
    await check_schema(connection)
    assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0
    await connection.close()


async def test_a_changed_file_is_refused(fresh: Settings) -> None:
    first, *others = all_migrations()
    await migrate(fresh, [first])
    changed = structs.replace(first, sql=first.sql + "\nALTER TABLE users ADD COLUMN nickname text;")
    with pytest.raises(SchemaError, match=r"0001_tasks_table\.sql has been changed"):
        await migrate(fresh, [changed, *others])
    assert len(await fetch(fresh, "SELECT FROM schema_migrations")) == 1
    assert await fetch(fresh, "SELECT to_regclass('files')") == [(None,)]


@pytest.mark.parametrize("table", ["users", "tasks"])
async def test_somebody_elses_tables_are_refused_and_left_as_they_are(fresh: Settings, table: str) -> None:
    await execute(fresh, f"CREATE TABLE {table} AS SELECT 17 AS id")
    before = await fetch(fresh, EVERYTHING)
    with pytest.raises(SchemaError, match="--adopt"):
        await migrate(fresh)
    assert await fetch(fresh, EVERYTHING) == before
    assert await fetch(fresh, f"SELECT id FROM {table}") == [(17,)]  # noqa: S608 - a name from above


@pytest.mark.parametrize("whose", ["DATABASE {}", "ROLE CURRENT_USER IN DATABASE {}"])
async def test_a_search_path_that_leads_elsewhere_makes_no_second_set_of_tables(fresh: Settings, whose: str) -> None:
    """Unless DATABASE_URL says so. An empty Darkroom in place of a full one looks like a loss."""
    await migrate(fresh)
    database = urlsplit(fresh.database_url).path[1:]
    await execute(fresh, f"CREATE SCHEMA other; ALTER {whose.format(database)} SET search_path = other")
    told = ""
    for attempt in (migrate, checked):
        with pytest.raises(SchemaError, match="are in the schema public") as refused:
            await attempt(fresh)
        told = str(refused.value)
    assert await fetch(fresh, "SELECT FROM pg_tables WHERE schemaname = 'other'") == []
    meant = structs.replace(fresh, database_url=f"{fresh.database_url}?search_path=other")
    assert len(await migrate(meant)) == len(all_migrations())
    # What is told to be done mends it.
    await execute(fresh, told[told.index("ALTER ROLE") :])
    await checked(fresh)


async def checked(settings: Settings) -> None:
    connection = await connect(settings)
    try:
        await check_schema(connection)
    finally:
        await connection.close()


async def test_what_is_there_already_is_counted_and_spelt(fresh: Settings) -> None:
    """Emails that are another account's but for their spelling stay: both are accounts, and nobody may lose theirs."""
    await migrate(fresh, [migration for migration in all_migrations() if migration.version < FILES_AND_EMAILS])
    emails = [
        "zoe\u0308@example.com",
        "jose\u0301@example.com",
        "JOS\u00c9@example.com",
        "a\u0308\u0323@example.com",
        "a\u0323\u0308@example.com",
        "plain@example.com",
        None,
    ]
    rows = ", ".join(f"('{number}', {'NULL' if email is None else repr(email)})" for number, email in enumerate(emails))
    await execute(fresh, f"INSERT INTO users (user_id, email) VALUES {rows}")  # noqa: S608 - our own values
    await execute(
        fresh,
        """INSERT INTO files (file_id, user_id, task_id, filename, blob_key, sha256, content_type, size, width, height)
           SELECT 'file_' || n, CASE WHEN n < 9 THEN (n % 2)::text END, CASE WHEN n % 4 = 3 THEN 'task_1' END,
                  'a', 'k', repeat('0', 64), 'image/png', 10 ^ n, 1, 1
             FROM generate_series(0, 9) AS n""",
    )
    await migrate(fresh)
    assert await fetch(fresh, "SELECT user_id, bytes FROM stored_bytes ORDER BY user_id") == [
        ("0", 101010101),
        ("1", 100010),
    ]
    assert [email for (email,) in await fetch(fresh, "SELECT email FROM users ORDER BY user_id")] == [
        "zo\u00eb@example.com",
        *emails[1:],
    ]


async def test_whoever_waited_before_the_turns_is_served_after_them(fresh: Settings) -> None:
    """Those who were served before and those who weren't; what backs off and what runs elsewhere as much as it may."""
    await migrate(fresh, [migration for migration in all_migrations() if migration.version < TURNS])
    await execute(
        fresh,
        """INSERT INTO users (user_id) SELECT name FROM unnest('{served,new,backs off,elsewhere,done}'::text[]) AS name;
           INSERT INTO claim_turns VALUES ('served', now() - interval '1 hour'), ('done', now() - interval '2 hours');
           INSERT INTO tasks (task_id, user_id, mode, source_image, not_before, elsewhere, legacy_fingerprint)
           SELECT 'task_' || user_id, user_id, 'POSE_CHANGE', 'file_a',
                  CASE WHEN user_id = 'backs off' THEN now() + interval '1 minute' END,
                  user_id = 'elsewhere', CASE WHEN user_id = 'elsewhere' THEN ''::bytea END
             FROM users WHERE user_id <> 'done'""",
    )
    await migrate(fresh)

    async def claimed(function: str, within: str) -> list[tuple[object, ...]]:
        return await fetch(
            fresh,
            f"SELECT {'task_id' if function == 'claim_next_task' else 'claimed_task_id'} FROM {function}("  # noqa: S608 - ours
            f"'worker', '{{POSE_CHANGE}}', '10 s', now() + '{within}'::interval)",
        )

    assert await claimed("claim_next_task_v3", "0 s") == [("task_new",)]
    assert await claimed("claim_next_task", "1 s") == [("task_served",)], "by a process of the version before"
    assert await claimed("claim_next_task_v3", "2 s") == []
    assert await claimed("claim_next_task_v3", "2 minutes") == [("task_backs off",)]
    await execute(fresh, "UPDATE tasks SET elsewhere = false WHERE elsewhere")
    assert await claimed("claim_next_task_v3", "3 minutes") == [("task_elsewhere",)]
    assert await claimed("claim_next_task_v3", "4 minutes") == []
    waiting = await fetch(fresh, "SELECT user_id FROM claim_turns WHERE waiting")
    assert waiting == []


async def test_a_file_that_fails_leaves_nothing_behind(fresh: Settings) -> None:
    bad = Migration(9001, "9001_bad.sql", "CREATE TABLE half (id integer); CREATE TABLE half (id integer);")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(fresh, [*all_migrations(), bad])
    assert await fetch(fresh, "SELECT to_regclass('half')") == [(None,)]
    assert len(await fetch(fresh, "SELECT FROM schema_migrations")) == len(all_migrations())
    good = structs.replace(bad, sql="CREATE TABLE half (id integer)")
    assert await migrate(fresh, [*all_migrations(), good]) == ["9001_bad.sql"]


@pytest.mark.parametrize("pooler", ["none", "transaction"])
async def test_an_index_is_made_concurrently_by_one_of_many(fresh: Settings, pooler: str) -> None:
    """PostgreSQL waits for every older snapshot then: whoever waits for the lock must hold none."""
    settings = structs.replace(fresh, database_pooler=pooler)
    assert not CONCURRENTLY.in_transaction
    await migrate(settings)
    wanted = [*all_migrations(), CONCURRENTLY]
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*(migrate(settings, wanted) for _ in range(AT_ONCE)))
    assert sorted(answers) == [[]] * (AT_ONCE - 1) + [[CONCURRENTLY.name]]
    query = (
        "SELECT indisvalid, obj_description(indexrelid) FROM pg_index WHERE indexrelid::regclass::text ~ 'by_worker'"
    )
    assert await fetch(fresh, query) == [(True, "made; without a transaction")]


async def test_an_index_is_made_concurrently_on_the_very_first_run(fresh: Settings) -> None:
    """The journal's own table is made in the transaction that holds the lock; that must not be in the way."""
    async with asyncio.timeout(PATIENCE):
        applied = await migrate(fresh, [*all_migrations(), CONCURRENTLY])
    assert applied[-1] == CONCURRENTLY.name


async def test_an_index_may_take_longer_than_who_vanished_may_be_silent(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that holds the lock has nothing to say meanwhile."""
    await migrate(fresh)
    monkeypatch.setattr("service.database.transactions.ABANDONED_AFTER", 1)
    slow = structs.replace(CONCURRENTLY, sql="-- no-transaction\nSELECT pg_sleep(1.5)")
    assert await migrate(fresh, [*all_migrations(), slow]) == [slow.name]


async def test_a_newer_schema_is_fine(fresh: Settings) -> None:
    """A deploy is under way: this process is the older one."""
    await migrate(fresh, [*all_migrations(), Migration(9001, "9001_more.sql", "CREATE TABLE more (id integer)")])
    connection = await connect(fresh)
    await check_schema(connection)
    await connection.close()
    assert await migrate(fresh) == []


def test_the_command_tells_what_it_applied(fresh: Settings) -> None:
    first, second = [run_command("migrate", settings=fresh) for _ in range(2)]
    assert first.stdout.splitlines() == [
        *(f"applied {migration.name}" for migration in all_migrations()),
        "The schema is up to date.",
    ]
    assert second.stdout.splitlines() == ["The schema is up to date."]
    assert (first.returncode, second.returncode) == (0, 0)


async def test_the_command_refuses_somebody_elses_tables_in_one_line(fresh: Settings) -> None:
    await execute(fresh, "CREATE TABLE tasks (id integer)")
    ended = await asyncio.to_thread(run_command, "migrate", settings=fresh)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("darkroom: ")
    assert "--adopt" in line


async def test_an_api_on_an_older_schema_refuses_to_start(fresh: Settings, tmp_path: Path) -> None:
    await migrate(fresh, all_migrations()[:-1])
    log = tmp_path / "api.log"
    with running("api", "--port", "0", settings=fresh, log=log) as process:
        assert await asyncio.to_thread(process.wait, PATIENCE) == 1
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("darkroom: ")]
    assert all_migrations()[-1].name in line
    assert line.endswith("Run: darkroom migrate")


async def test_whoever_holds_a_table_keeps_the_others_waiting_only_briefly(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump reads for an hour: whoever waits for it in front of everybody else stops the service for that long."""
    large = Migration(9002, "9002_large.sql", "ALTER TABLE users ADD COLUMN large text; SELECT pg_sleep(1.2);\n")
    await migrate(fresh)
    monkeypatch.setattr("service.database.migrations.LET_PASS", 0.1)
    monkeypatch.setattr("service.database.migrations.TIMES", TIMES.replace("2s", "100ms"))
    admin, looker = await connect(fresh), await connect(fresh)
    database = await admin.fetchval("SELECT quote_ident(current_database())")
    await admin.execute(f"ALTER DATABASE {database} SET statement_timeout = '1s'")
    async with admin.transaction():
        await admin.execute("LOCK TABLE users IN ACCESS SHARE MODE")
        migrating = asyncio.create_task(migrate(fresh, [large]))
        await lives.until_blocked(looker)
        assert await fetch(fresh, "SELECT count(*) FROM users") == [(0,)]
        monkeypatch.setattr("service.database.migrations.LOCKED_OUT_FOR", 0.0)
        with pytest.raises(SchemaError, match=r"holds a table that 9002_large\.sql changes"):
            await migrate(fresh, [large])
    assert await migrating == [large.name]
    await admin.close()
    await looker.close()
