"""When a key or a session was last used: written now and then, and never while a request waits for it."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from service.database import Connection, Pool
from service.database.away import UNAVAILABLE
from service.sharing.for_everybody import begin_for_everybody

MOST = 10_000
"""Those that may wait to be noted; of more, the use is forgotten."""

log = structlog.get_logger(__name__)


class Uses:
    """Notes uses in the background, all that came meanwhile in one statement. One per event loop."""

    def __init__(self, pool: Pool, write: Callable[[Connection, list[bytes]], Awaitable[None]]) -> None:
        self._pool = pool
        self._note = write
        self._used: set[bytes] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, digest: bytes) -> None:
        """What this is the hash of was used just now."""
        if len(self._used) < MOST:
            self._used.add(digest)
        if self._writing is None or self._writing.done():
            self._writing = begin_for_everybody(self._write())

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._used:
            used = list(self._used)
            self._used.clear()
            try:
                async with self._pool.acquire() as connection:
                    await self._note(connection, used)
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                # Nobody waits for it, and the next use will be noted.
                log.warning("uses aren't noted", used=len(used), error=type(error).__name__)
