"""PostgreSQL itself: whether it lets us in and what stands before it."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, cast

from service.database import Connection
from service.database.away import READ_ONLY, UNAVAILABLE
from service.database.statements import load_queries
from service.database.transactions import transaction
from service.health.findings import Finding, ok, unknown, wrong
from service.health.pooling import shares_sessions
from service.settings import Settings

QUERIES = load_queries("doctor")

T = TypeVar("T")

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


async def writes(connection: Connection) -> Finding:
    if await takes_writes(connection):
        return ok("writes", "the database can be written to")
    return wrong("writes", READ_ONLY.what, READ_ONLY.remedy)


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
