"""Whether a pooler in transaction mode stands before PostgreSQL: found out, not believed."""

from msgspec import structs

from service.connections import one_connection
from service.database import UNAVAILABLE
from service.settings import Settings

SESSION = "SELECT pg_backend_pid()"
ASKED = 3
"""Times that one connection is asked for its session: a pooler may deal sessions out in turn."""


def without_statements(settings: Settings) -> Settings:
    """Settings under which nothing is left in a session, so that they work with a pooler and without."""
    return structs.replace(settings, database_pooler="transaction")


async def shares_sessions(settings: Settings) -> bool:
    """Whether the server's sessions are dealt out for a transaction each.

    Raises what UNAVAILABLE names, and what connecting raises.
    """
    async with one_connection(without_statements(settings)) as first:
        seen: set[int] = {await first.fetchval(SESSION) for _ in range(ASKED)}
        if len(seen) > 1:
            return True
        if first.get_server_pid() in seen:
            return False  # PostgreSQL itself told it to us when we connected: a pooler tells a number of its own
        try:
            # A pooler in session mode keeps the first one's session for it as long as it is connected.
            async with one_connection(without_statements(settings)) as second:
                return await second.fetchval(SESSION) in seen
        except UNAVAILABLE:
            return False  # no other session is to be had
