"""PostgreSQL itself: whether it lets us in and what stands before it."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, cast

import asyncpg

from service.database import Connection
from service.database.away import READ_ONLY, UNAVAILABLE
from service.database.pool import PlainConnection
from service.database.statements import load_queries
from service.database.transactions import transaction
from service.health.findings import Finding, ok, unknown, wrong
from service.health.pooling import shares_sessions
from service.settings import Settings

QUERIES = load_queries("doctor")

T = TypeVar("T")

A_MEGABYTE = """
CREATE TEMPORARY TABLE room ON COMMIT DROP AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)
"""
CLOCK_SKEW = 2.0
HELD_FOR = "SET LOCAL lock_timeout = '5s'"
"""How long somebody may hold a table that is looked at: the doctor is called when all wait, and mustn't wait, too."""


async def unheld(connection: Connection, look: Callable[[Connection], Awaitable[T]]) -> T:
    """What a look finds; in a transaction, so that it goes through a pooler. Raises LockNotAvailableError."""
    async with transaction(connection):
        await connection.execute(HELD_FOR)
        return await look(connection)


async def takes_writes(connection: Connection) -> bool:
    """False on a standby, and where somebody made it read-only (hosts do that when the disk is full)."""
    return await QUERIES["takes_writes"].value(connection)


async def has_room(connection: Connection) -> bool:
    """Whether the server's disk takes a megabyte, which is gone again after it; True if this user may not try."""
    try:
        async with transaction(connection):
            await connection.execute(A_MEGABYTE)
    except asyncpg.DiskFullError:
        return False
    except asyncpg.InsufficientPrivilegeError:
        return True
    PlainConnection.lacked_room = False
    return True


async def writes(connection: Connection) -> Finding:
    if not await takes_writes(connection):
        return wrong("writes", READ_ONLY.what, READ_ONLY.remedy)
    if not await has_room(connection):
        return wrong("writes", "PostgreSQL's disk is full", "Make room on it.")
    return ok("writes", "the database can be written to")


async def pooler(settings: Settings) -> Finding:
    """Behind a transaction pooler two statements may run on two servers' sessions."""
    try:
        pooled = await shares_sessions(settings)
    except UNAVAILABLE:
        return unknown("pooler", "no second connection is to be had, by which it would be seen")
    if pooled and not settings.through_pooler:
        return wrong(
            "pooler",
            "a transaction pooler stands before PostgreSQL, and a direct connection is expected",
            "Set DATABASE_POOLER=transaction (Supabase: port 6543); otherwise prepared statements get lost.",
        )
    if not pooled and settings.through_pooler:
        return ok("pooler", "none seen, though one is expected: statements are parsed each time")
    return ok("pooler", "a transaction pooler, as expected" if pooled else "a direct connection, as expected")


async def clock(connection: Connection) -> Finding:
    asked = time.monotonic()
    theirs = cast("datetime", await QUERIES["clock"].value(connection))
    ours = datetime.now(UTC)
    skew = (theirs - ours).total_seconds()
    if abs(skew) > CLOCK_SKEW + (time.monotonic() - asked):
        return wrong(
            "clock",
            f"the database's clock is {skew:+.1f} s off this machine's",
            "Synchronise both (NTP): tokens and signed URLs expire by this machine's clock, leases by the database's.",
        )
    return ok("clock", f"{skew:+.2f} s off")
