"""What a user of PostgreSQL may do, and how many connections are left for it."""

from msgspec import Struct

from service.database import Connection
from service.database.migrations import our_tables
from service.database.rights import open_to_outsiders
from service.database.statements import load_queries
from service.health.findings import SHOWN, Finding, named, ok, wrong

QUERIES = load_queries("doctor")

NEARLY_ALL = 0.9


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
    """Whether every table may be read and written, and every sequence used."""
    return named(
        "rights",
        (await QUERIES["tables_without_rights"].column(connection, tables=our_tables()))[:SHOWN],
        none="every table may be read and written",
        some="this user of PostgreSQL may not read and write",
        remedy="Put the user that runs `darkroom migrate` into DATABASE_URL, or: GRANT SELECT, INSERT, UPDATE, DELETE "
        "ON ALL TABLES IN SCHEMA ... TO this user; GRANT USAGE ON ALL SEQUENCES IN SCHEMA ... TO this user.",
    )


async def outsiders(connection: Connection) -> Finding:
    """Hosts that let their own HTTP face into every table (Supabase) let anybody in who has its public key."""
    return named(
        "outsiders",
        (await open_to_outsiders(connection, our_tables()))[:SHOWN],
        none="the tables are their owner's alone",
        some="the roles anon and authenticated, or everybody, get at",
        remedy="Run: darkroom migrate. It takes the rights away and turns row security on.",
    )
