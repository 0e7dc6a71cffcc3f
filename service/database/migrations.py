"""The schema's way forward: each file of `schema/tables` once, in order, safe to run from two machines at once."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
from msgspec import Struct

from service.database import Connection, connect
from service.database.rights import close_to_outsiders, tables_of
from service.database.transactions import insist, transaction
from service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

NO_TRANSACTION = "-- no-transaction"

TRY_LOCK = """
SELECT pg_try_advisory_xact_lock(hashtextextended('darkroom migrations', 0))
  FROM set_config('idle_in_transaction_session_timeout', '0', true)
"""
"""Whoever has it may have nothing to say for long: while another connection of theirs makes an index."""

TRY_AGAIN_AFTER = 0.1
DROP_SNAPSHOT = "SELECT"
"""Sent without parameters it takes the place of the last statement, which kept its snapshot in case of more rows."""

TIMES = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '2s'"
"""No host's time-out ends a step. But whoever waits for a table has everybody else wait behind: that, only briefly."""
LOCKED_OUT_FOR = 300.0
"""Seconds for which a step is tried again while somebody else (a dump, a forgotten transaction) holds its tables."""
LET_PASS = 2.0
"""Seconds for those who had to wait behind us."""

CREATE_JOURNAL = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
FOREIGN_TABLES = "SELECT to_regclass('users') IS NOT NULL OR to_regclass('tasks') IS NOT NULL"

ELSEWHERE = """
SELECT quote_ident(nspname) AS schema, quote_ident(current_user) AS user,
       quote_ident(current_database()) AS database
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relname = 'schema_migrations' AND relowner = quote_ident(current_user)::regrole
   AND to_regclass(format('%I.credit_ledger', nspname)) IS NOT NULL
   AND (SELECT source FROM pg_settings WHERE name = 'search_path') NOT IN ('client', 'session')
 LIMIT 1
"""
"""Tables of ours where search_path doesn't lead. One that DATABASE_URL names (poolers SET it) is meant."""

RIGHTS = """
SELECT quote_ident(current_user) AS user, quote_ident(coalesce(current_schema(), 'public')) AS schema,
       current_schema() IS NOT NULL AND has_schema_privilege(current_schema(), 'CREATE') AS may_create
"""


class SchemaError(Exception):
    """The database's schema isn't what this version works with; the message says what to do."""


class TablesHidden(SchemaError):  # noqa: N818 - what they are
    """Row security (`service/database/rights.py`) shows this user none of our rows: it isn't the tables' owner."""

    def __init__(self) -> None:
        super().__init__(
            "Row security hides Darkroom's tables from the user in DATABASE_URL. Name the one there that runs "
            "`darkroom migrate` and owns them."
        )


class TablesElsewhere(SchemaError):  # noqa: N818 - what they are
    """Somebody changed the search_path. A second set, without a row, would be served as if all were lost."""

    def __init__(self, schema: str, user: str, database: str) -> None:
        super().__init__(
            f"Darkroom's tables are in the schema {schema}, where search_path doesn't lead any more. Lead it there: "
            f"ALTER ROLE {user} IN DATABASE {database} SET search_path = {schema};"
        )


class Migration(Struct, frozen=True):
    """One file of `schema/tables`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """One by one. Not for files that make functions in PL/pgSQL, whose lines end like statements."""
        return [statement for statement in self.sql.split(";\n") if statement.strip()]

    @property
    def in_transaction(self) -> bool:
        """False for what PostgreSQL refuses inside one, such as CREATE INDEX CONCURRENTLY."""
        return not any(line.strip() == NO_TRANSACTION for line in self.sql.splitlines())


def all_migrations() -> list[Migration]:
    """The files of `schema/tables`, in order."""
    folder = files("schema").joinpath("tables")
    found = [
        Migration(int(file.name.partition("_")[0]), file.name, file.read_text())
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    ]
    return sorted(found, key=lambda migration: migration.version)


def our_tables() -> list[str]:
    """The names of all tables that are Darkroom's."""
    return tables_of(*(migration.sql for migration in all_migrations()))


async def migrate(settings: Settings, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what hasn't been applied, one transaction a file; the names of what was.

    Every step takes a lock that lives as long as its transaction, so it also works through a transaction pooler.

    Raises:
        SchemaError: The database holds other tables of these names, or an applied file has been changed since.
    """
    connection = await connect(settings)
    try:
        async with _locked(connection) as journal:
            _verify(journal, migrations or all_migrations())
        applied = [
            migration.name
            for migration in migrations or all_migrations()
            if await _apply_when_it_can(connection, settings, migration)
        ]
        await insist(partial(_close, connection))
    except asyncpg.InsufficientPrivilegeError as error:
        raise SchemaError(await _missing_right(connection, error)) from None
    else:
        return applied
    finally:
        await connection.close()


async def _apply_when_it_can(connection: asyncpg.Connection, settings: Settings, migration: Migration) -> bool:
    """As `_apply`, and again as long as somebody else holds a table that it changes.

    Raises:
        SchemaError: That took too long.
    """
    until = time.monotonic() + LOCKED_OUT_FOR
    while True:
        try:
            return await insist(partial(_apply, connection, settings, migration))
        except asyncpg.LockNotAvailableError:
            if time.monotonic() > until:
                raise SchemaError(
                    f"Somebody holds a table that {migration.name} changes, and nothing of it was done. Is a dump or a "
                    "forgotten transaction going on (pg_stat_activity)? End it, and run: darkroom migrate"
                ) from None
        await asyncio.sleep(LET_PASS)


async def _apply(connection: asyncpg.Connection, settings: Settings, migration: Migration) -> bool:
    """Whether it was still to be applied. Who is in its way (40P01) may undo it as a whole; then it is tried again."""
    async with _locked(connection) as journal:
        if migration.version in journal:
            return False
        if migration.in_transaction:
            await connection.execute(TIMES)
            await connection.execute(migration.sql)
        else:
            await connection.execute(DROP_SNAPSHOT)
            await _run_outside(settings, migration)
        await enter(connection, migration)
        await close_to_outsiders(connection, our_tables())
        return True


async def _close(connection: asyncpg.Connection) -> None:
    """Whatever somebody has granted since the last time."""
    async with _locked(connection):
        await close_to_outsiders(connection, our_tables())


async def _missing_right(connection: asyncpg.Connection, error: asyncpg.InsufficientPrivilegeError) -> str:
    """Since PostgreSQL 15 nobody but its owner may create anything in a new database's schema `public`."""
    row = await connection.fetchrow(RIGHTS)
    assert row is not None  # noqa: S101 - it is one of constants
    if row["may_create"]:
        return f"PostgreSQL doesn't let the user {row['user']} do this: {error.message}"
    return (
        f"The user {row['user']} may not create tables in the schema {row['schema']}. Let the database's owner run: "
        f"GRANT USAGE, CREATE ON SCHEMA {row['schema']} TO {row['user']};"
    )


@asynccontextmanager
async def _locked(connection: asyncpg.Connection) -> "AsyncGenerator[Mapping[int, str]]":
    async with transaction_with_lock(connection):
        journal = await read_journal(connection)
        if journal is None:
            if await connection.fetchval(FOREIGN_TABLES):
                raise SchemaError(
                    "This database has tables `users` or `tasks` that Darkroom did not make, so nothing was changed. "
                    "Use an empty database; or, if they are the existing system's, have them taken over with all their "
                    "rows: darkroom migrate --adopt"
                )
            await connection.execute(CREATE_JOURNAL)
        yield journal or {}


@asynccontextmanager
async def transaction_with_lock(connection: asyncpg.Connection) -> "AsyncGenerator[None]":
    """A transaction that holds the lock on migrating, which one process has at a time.

    Whoever doesn't get it asks again later, in a new transaction: waiting inside a statement would hold a snapshot, and
    CREATE INDEX CONCURRENTLY in the process that has the lock would wait for that snapshot to go, for ever.
    """
    while True:
        async with transaction(connection):
            if await connection.fetchval(TRY_LOCK):
                yield
                return
        await asyncio.sleep(TRY_AGAIN_AFTER)


async def enter(connection: Connection, migration: Migration) -> None:
    """Write into the journal that a migration was applied."""
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.checksum,
    )


async def _run_outside(settings: Settings, migration: Migration) -> None:
    """On a second connection, statement by statement, while the first one holds the lock (and no snapshot)."""
    connection = await connect(settings)
    try:
        for statement in migration.statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def read_journal(connection: Connection) -> dict[int, str] | None:
    """Version to checksum of what was applied; None where Darkroom has never been.

    Raises:
        SchemaError: The journal is another program's, hidden from us, or in another schema.
    """
    guarded = await connection.fetchval("SELECT row_security_active(to_regclass('schema_migrations'))")
    if guarded is None:
        if found := await connection.fetchrow(ELSEWHERE):
            raise TablesElsewhere(**found)
        return None
    try:
        rows = await connection.fetch("SELECT version, checksum FROM schema_migrations")
    except asyncpg.UndefinedColumnError:
        raise SchemaError(
            "This database has a table `schema_migrations` that another program made, so nothing was changed. "
            "Rename it, or give Darkroom a schema of its own with search_path in DATABASE_URL."
        ) from None
    if guarded and not rows:
        raise TablesHidden
    return {row["version"]: row["checksum"] for row in rows}


def _verify(journal: Mapping[int, str], migrations: list[Migration]) -> None:
    for migration in migrations:
        checksum = journal.get(migration.version)
        if checksum is not None and checksum != migration.checksum:
            raise SchemaError(
                f"{migration.name} has been changed since it was applied to this database. "
                "Applied files stay as they are; put the change into a new file."
            )


async def check_schema(connection: Connection) -> None:
    """A newer schema than ours is fine (a deploy is under way); an older one isn't.

    Raises:
        SchemaError: Something is missing; the message names the command that brings it.
    """
    journal = await read_journal(connection) or {}
    missing = [migration.name for migration in all_migrations() if migration.version not in journal]
    if missing and not journal:
        raise SchemaError("The database's schema isn't there yet. Run: darkroom migrate")
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise SchemaError(f"The database's schema lacks {missing[0]}{more}. Run: darkroom migrate")


async def check_not_newer(connection: Connection) -> None:
    """For a start: what was brought up for a later version isn't worked on by an older one. Whoever runs may go on.

    Raises:
        SchemaError: The database was migrated by a later version.
    """
    journal = await read_journal(connection) or {}
    known = {migration.version for migration in all_migrations()}
    if newer := sorted(journal.keys() - known):
        raise SchemaError(
            f"The database's schema is newer than this version of Darkroom: it has {', '.join(map(str, newer))}. "
            "Update Darkroom here, or correct DATABASE_URL."
        )
