"""How long a slot waits for a database that is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.database.away import UNAVAILABLE

T = TypeVar("T")

DATABASE_PATIENCE = 120.0
"""Seconds that an outcome is held while the database is away or takes no writes: nobody else can have the task then."""

STOPPING_PATIENCE = 5.0
"""The same once the worker was asked to stop."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 2.0


class GaveUp(Exception):  # noqa: N818 - an outcome of its own
    """The database was away for longer than that; what was to be written is left to the lease."""


class Patience:
    """One attempt's. However many operations fail in a row, together they get it once."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._away_since: float | None = None
        self._stopped_at: float | None = None

    async def hold(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Do it, trying again while the database is away.

        Raises:
            GaveUp: That lasted too long.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                done = await operation()
            except UNAVAILABLE as error:
                if self._is_over():
                    raise GaveUp from error
            else:
                self._away_since = None
                return done
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _is_over(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
        if self._stopped_at is None and self._stopping.is_set():
            self._stopped_at = now
        if self._stopped_at is not None and now >= self._stopped_at + STOPPING_PATIENCE:
            return True
        return now >= self._away_since + DATABASE_PATIENCE
