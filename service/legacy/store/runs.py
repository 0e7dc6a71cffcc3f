"""A typed function per statement of `schema/queries/legacy_runs.sql`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("legacy_runs")


class Import(Struct, frozen=True):
    """An import that was begun."""

    import_id: int
    prefix: str
    timezone: str
    take_over: bool
    started_at: datetime
    finished_at: datetime | None


async def begin_import(
    connection: Connection, *, prefix: str, timezone: str, take_over: bool, source: Sequence[str]
) -> int:
    return await QUERIES["begin_import"].value(
        connection, prefix=prefix, timezone=timezone, take_over=take_over, source=source
    )


async def finish_import(connection: Connection, import_id: int, summary: Any) -> None:
    await QUERIES["finish_import"].run(connection, import_id=import_id, summary=msgspec.to_builtins(summary))


async def last_import(connection: Connection) -> Import | None:
    return await QUERIES["last_import"].row(connection, Import)


async def mixed_clocks(connection: Connection, timezone: str) -> bool:
    """Whether the times of some tasks here may have been read in another zone than this."""
    return await QUERIES["mixed_clocks"].value(connection, timezone=timezone)


async def balances_live_here(connection: Connection) -> bool:
    """Whether tasks have been taken over: from then on no import changes a balance."""
    return await QUERIES["balances_live_here"].value(connection)


async def begin_take_over(connection: Connection, import_id: int) -> None:
    await QUERIES["begin_take_over"].run(connection, import_id=import_id)


async def take_time(connection: Connection) -> None:
    """No statement of this transaction is ended for taking long."""
    await QUERIES["take_time"].run(connection)


async def begin_batch(connection: Connection) -> None:
    """Wait for other imports' batches. The commit won't wait for the disk: what a crash takes, the next run imports."""
    await take_time(connection)
    await QUERIES["begin_batch"].run(connection)


async def settle(connection: Connection) -> None:
    """This transaction's commit waits for the disk, and so for all before it."""
    await QUERIES["settle"].run(connection)
