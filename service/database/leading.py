"""Who of many processes does what one should do: a lease in the database."""

from datetime import timedelta

from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("maintenance")

CHORES = "chores"
"""The duty of the worker that does the chores."""


async def take_lead(connection: Connection, duty: str, holder: str, *, lease: timedelta) -> bool:
    """Take or keep the lead; False while it is another's."""
    return await QUERIES["take_lead"].value(connection, duty=duty, holder=holder, lease=lease) is not None


async def resign(connection: Connection, duty: str, holder: str) -> None:
    """Hand the lead over, if it is ours."""
    await QUERIES["resign"].run(connection, duty=duty, holder=holder)


async def leader(connection: Connection, duty: str) -> str | None:
    """Who leads, if anybody does."""
    return await QUERIES["leader"].value(connection, duty=duty)
