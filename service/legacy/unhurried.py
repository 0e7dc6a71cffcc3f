"""Transactions of a move: their statements may take long, whatever time the host gives others'."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from service.database import Connection
from service.database.transactions import transaction
from service.legacy import store


@asynccontextmanager
async def unhurried(connection: Connection) -> AsyncGenerator[None]:
    """A transaction whose statements no time-out of the database or the role ends (Supabase sets one of 2 minutes).

    For the transaction alone: through a pooler the session is everybody's.
    """
    async with transaction(connection):
        await store.take_time(connection)
        yield
