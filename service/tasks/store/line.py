"""A typed function per statement of `schema/queries/line.sql`."""

from collections.abc import Iterable
from datetime import datetime

from schema.models.edits import Mode
from service.database import Connection
from service.database.statements import load_queries
from service.tasks.rehearsal import Kind, Running, Waiting

QUERIES = load_queries("line")


async def own_line(connection: Connection, user_id: str, *, modes: Iterable[Mode], limit: int) -> list[str]:
    """Ids of a user's waiting tasks of these modes, the next one first."""
    return await QUERIES["own_line"].column(connection, user_id=user_id, modes=list(modes), limit=limit)


async def everybodys_lines(connection: Connection, *, modes: Iterable[Mode]) -> list[Waiting]:
    return await QUERIES["everybodys_lines"].rows(connection, Waiting, modes=list(modes))


async def running(connection: Connection, *, now: datetime | None = None) -> list[Running]:
    return await QUERIES["running"].rows(connection, Running, now=now)


async def recent_medians(connection: Connection, *, limit: int) -> dict[Kind, float]:
    """Seconds that the last edits took, by kind."""
    found = await QUERIES["recent_medians"].rows(connection, tuple[Mode, str | None, float], limit=limit)
    return {(mode, size): seconds for mode, size, seconds in found}
