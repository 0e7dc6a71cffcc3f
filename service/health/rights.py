"""What a user of PostgreSQL may do, and how many connections are left for it."""

import re

from msgspec import Struct

from service.database import Connection
from service.health.findings import SHOWN, Finding, named, ok, wrong
from service.migrations import all_migrations
from service.statements import load_queries

QUERIES = load_queries("doctor")

NEARLY_ALL = 0.9
_MADE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)


class Limits(Struct, frozen=True):
    """Connections, and how many there may be; a limit of -1 is none."""

    used: int
    usable: int
    used_by_user: int
    usable_by_user: int
    used_in_database: int
    usable_in_database: int


async def connections(connection: Connection) -> Finding:
    """A full server lets nobody in any more: told before it is."""
    limits = await QUERIES["connection_limits"].row(connection, Limits)
    assert limits is not None  # noqa: S101 - counting answers a row
    for whose, used, usable in (
        ("this user's", limits.used_by_user, limits.usable_by_user),
        ("this database's", limits.used_in_database, limits.usable_in_database),
        ("PostgreSQL's", limits.used, limits.usable),
    ):
        if usable >= 0 and used >= usable * NEARLY_ALL:
            return wrong(
                "connections",
                f"{used} of {whose} {usable} connections are in use",
                "Raise the limit (max_connections, or ALTER ROLE or DATABASE ... CONNECTION LIMIT), lower "
                "DATABASE_POOL_SIZE, or put a pooler in between.",
            )
    return ok("connections", f"{limits.used} of {limits.usable} in use")


async def rights(connection: Connection) -> Finding:
    """Whether every table may be read and written."""
    tables = sorted({table for migration in all_migrations() for table in _MADE.findall(migration.sql)})
    return named(
        "rights",
        (await QUERIES["tables_without_rights"].column(connection, tables=tables))[:SHOWN],
        none="every table may be read and written",
        some="this user of PostgreSQL may not read and write",
        remedy="Put the user that runs `darkroom migrate` into DATABASE_URL, or: GRANT SELECT, INSERT, UPDATE, DELETE "
        "ON ALL TABLES IN SCHEMA ... TO this user.",
    )
