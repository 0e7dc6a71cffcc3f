"""Migrated databases for tests: used again, emptied, as long as nobody has changed more than rows in them."""

import asyncio
from itertools import starmap
from secrets import token_hex
from urllib.parse import urlsplit

import asyncpg

from service.database import Connection
from service.database.migrations import migrate
from service.settings import Settings
from tests.keys import INSTALLATION

EMPTY = "template1"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
FILLED = "SELECT EXISTS (SELECT FROM {})"
EMPTIED = "DELETE FROM {}"

# All that a test may have changed but the rows of tables that are empty in the template:
CATALOGS = {
    "pg_attrdef": "adrelid",
    "pg_attribute": "attrelid",
    "pg_class": "oid",
    "pg_constraint": "oid",
    "pg_depend": "objid",
    "pg_index": "indexrelid",
    "pg_proc": "oid",
    "pg_statistic": "starelid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}
CATALOG = "(SELECT concat_ws(' ', count(*), max(xmin::text::bigint)) FROM {} WHERE {} >= 16384)"
"""What DDL, grants and ANALYZE leave at what isn't PostgreSQL's own."""

SCHEMAS = "(SELECT concat_ws(' ', count(*), max(xmin::text::bigint)) FROM pg_namespace)"

ROWS = "(SELECT md5(string_agg({0}::text, ' ' ORDER BY {0}::text)) FROM {0})"
"""Those that the template has."""

ITSELF = """
(SELECT concat_ws(' ', xmin, (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = oid),
                  (SELECT sum(reltuples) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
                  pg_database_size(oid) < 20 * 1024 * 1024)
   FROM pg_database WHERE datname = current_database())
"""
"""Its settings, what the planner believes, and whether tables became large."""

AS_REPLICA = "SET session_replication_role = replica"
"""No trigger runs, and no foreign key prescribes an order."""

ALONE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

FULL_DISK = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE FUNCTION no_room_for_a_table() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION no_room();
CREATE EVENT TRIGGER full_disk ON ddl_command_start EXECUTE FUNCTION no_room_for_a_table();
"""
"""A table that grows finds no room, and a new one; what fits into the room that there is goes on, as on a full disk."""

ROOM_AGAIN = "DROP EVENT TRIGGER full_disk; DROP TRIGGER full_disk ON tasks"


QUICK_TO_SIGN_IN = "SET scram_iterations = 1; ALTER ROLE CURRENT_USER PASSWORD '{}'"
"""A password costs a client some milliseconds otherwise, each time it connects."""


def url_of_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def let_sign_in_quickly(url: str) -> None:
    """Everybody who connects to this server from now on."""
    connection = await asyncpg.connect(url)
    await connection.execute(QUICK_TO_SIGN_IN.format(urlsplit(url).password))
    await connection.close()


async def create(url: str, name: str, template: str = EMPTY) -> str:
    """The URL of a new database.

    Copying files costs half of what writing every page to the log does, but begins with a checkpoint, which writes out
    what the database before has left in memory. Where tables are made each time, that is much, and costs more.
    """
    strategy = "WAL_LOG" if template == EMPTY else "FILE_COPY"
    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}")
    await admin.close()
    return url_of_database(url, name)


async def drop(url: str, name: str) -> None:
    admin = await asyncpg.connect(url)
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


async def create_migrated(url: str, name: str) -> None:
    """A database whose installation is the tests', to be cloned."""
    made = await create(url, name)
    await migrate(Settings(database_url=made, redis_url="redis://nowhere", storage_url="file:///nowhere"))
    connection = await asyncpg.connect(made)
    await connection.execute("UPDATE installation SET installation_id = $1", INSTALLATION)
    await connection.close()


class Databases:
    """Clones of a template, one after the other; the last is given again if it looks as it did when it was new.

    One connection looks after them, outside of every test's event loop: new ones know nothing of the catalogs yet,
    which cost four times as much.
    """

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        self._name: str | None = None
        self._look = self._as_new = self._empty = ""
        self._keeper: Connection | None = None
        self._loop = asyncio.new_event_loop()

    def take(self) -> str:
        """The URL of one with the template's rows, to which nobody else is connected."""
        return self._loop.run_until_complete(self._take())

    def close(self) -> None:
        self._loop.run_until_complete(self._let_go())
        self._loop.close()

    async def _take(self) -> str:
        if self._name is not None and await self._restored():
            return url_of_database(self._url, self._name)
        if self._name is not None:
            await self._let_go()
            await drop(self._url, self._name)
        self._name = f"test_{token_hex(6)}"
        url = await create(self._url, self._name, self._template)
        self._keeper = await asyncpg.connect(url)
        await self._learn(self._keeper)
        return url

    async def _let_go(self) -> None:
        """However the connection was left by a test."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.terminate()
            await asyncio.sleep(0)  # its transport closes then

    async def _learn(self, keeper: Connection) -> None:
        tables = [row[0] for row in await keeper.fetch(TABLES)]
        filled = [table for table in tables if await keeper.fetchval(FILLED.format(table))]
        looks = [ITSELF, SCHEMAS, *starmap(CATALOG.format, CATALOGS.items()), *map(ROWS.format, filled)]
        self._look = f"SELECT concat_ws(' ', {', '.join(looks)})"
        self._empty = "; ".join(EMPTIED.format(table) for table in tables if table not in filled)
        self._as_new = await keeper.fetchval(self._look)
        await keeper.execute(AS_REPLICA)

    async def _restored(self) -> bool:
        if self._keeper is None:
            return False
        try:
            await self._keeper.execute(ALONE)
            if await self._keeper.fetchval(self._look) != self._as_new:
                return False
            await self._keeper.execute(self._empty)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # a test ended all connections, or dropped it
            return False
        return True
