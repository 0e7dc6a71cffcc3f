"""Our tables are ours alone: on hosts that let their own HTTP face into every table, they are closed to it."""

import re
from typing import Final

from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("rights")

JOURNAL: Final = "schema_migrations"
_TABLE: Final = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)


def tables_of(*sql: str) -> list[str]:
    """The tables that migrations make, and the one in which they are entered."""
    return sorted({JOURNAL, *(name for text in sql for name in _TABLE.findall(text))})


async def open_to_outsiders(connection: Connection, tables: list[str]) -> list[str]:
    """Those of these tables that the host's own roles get at; none where it has no such roles."""
    return await QUERIES["open_to_outsiders"].column(connection, tables=tables)


async def close_to_outsiders(connection: Connection, tables: list[str]) -> None:
    """Take all rights from the host's roles and from PUBLIC, and turn row security on without a policy.

    The tables' owner gets past row security: that is who migrates, and whose name belongs into DATABASE_URL. Only what
    is open is touched, so that nothing waits for a lock where there is nothing to do.
    """
    for table in await open_to_outsiders(connection, tables):
        outsiders = ", ".join(["PUBLIC", *await QUERIES["outsiders"].column(connection)])
        await connection.execute(f"REVOKE ALL ON TABLE {table} FROM {outsiders}")
        for sequence in await QUERIES["sequences_of"].column(connection, table_name=table):
            await connection.execute(f"REVOKE ALL ON SEQUENCE {sequence} FROM {outsiders}")
        await connection.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
