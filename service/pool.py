"""A pool of connections, and what a connection says when the database is away."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.away import UNAVAILABLE, told

if TYPE_CHECKING:
    # Generic in their stubs only.
    BaseConnection = asyncpg.Connection[Any]
    BasePool = asyncpg.Pool[Any]
    Connection = asyncpg.Connection[Any] | PoolConnectionProxy[Any]
else:
    BaseConnection = asyncpg.Connection
    BasePool = asyncpg.Pool
    Connection = asyncpg.Connection | PoolConnectionProxy

ACQUIRE_TIMEOUT = 5.0
"""Seconds a request waits for a connection before it is told to come back later."""

GROW_AGAIN_AFTER = 1.0
"""Seconds after a refused connection in which the pool asks for no further one while others wait for a live one."""


class PlainConnection(BaseConnection):
    """A connection whose errors tell whether the database is away, whatever code they come with (`told`)."""

    reads_committed = True
    """Whether its transactions are READ COMMITTED if nobody says so (service/transactions.py)."""

    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        try:
            return await super().execute(query, *args, **options)
        except asyncpg.PostgresError as error:
            raise told(error) from None

    async def executemany(self, command: str, args: Iterable[Any], **options: Any) -> Any:
        try:
            return await super().executemany(command, args, **options)
        except asyncpg.PostgresError as error:
            raise told(error) from None

    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        try:
            return await super().fetch(query, *args, **options)
        except asyncpg.PostgresError as error:
            raise told(error) from None

    async def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        try:
            return await super().fetchrow(query, *args, **options)
        except asyncpg.PostgresError as error:
            raise told(error) from None

    async def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        try:
            return await super().fetchval(query, *args, **options)
        except asyncpg.PostgresError as error:
            raise told(error) from None

    async def copy_records_to_table(self, table_name: str, **options: Any) -> Any:
        try:
            return await super().copy_records_to_table(table_name, **options)
        except asyncpg.PostgresError as error:
            raise told(error) from None


class Pool(BasePool):
    """A pool whose callers wait a bounded time for a connection: TimeoutError, one of UNAVAILABLE, comes after it.

    Where no further connection can be opened (PostgreSQL or a pooler has none left for us), callers wait in line for
    one that is open already, instead of being refused.
    """

    __slots__ = ("_grow_at", "_line")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line: deque[asyncio.Future[None]] = deque()
        self._grow_at = 0.0

    @asynccontextmanager
    async def acquire(self, *, timeout: float | None = ACQUIRE_TIMEOUT) -> AsyncGenerator[Connection]:  # pyright: ignore[reportIncompatibleMethodOverride]  # noqa: ASYNC109 - as `async with` only
        connection = await self._take(timeout)
        try:
            yield connection
        except BaseException:
            # What broke off the work is what happened, and not that the connection can't be given back after it: a
            # cancelled loop would take that for a database that is away, and go on.
            with suppress(*UNAVAILABLE, asyncpg.PostgresError):
                await self.release(connection)
            raise
        await self.release(connection)

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await super().release(connection, timeout=timeout)
        finally:
            self._call_next()

    async def _take(self, within: float | None) -> Connection:
        now = asyncio.get_running_loop().time
        until = None if within is None else now() + within
        if not self._may_try():
            await self._wait_in_line(until)
        while True:
            try:
                return await super().acquire(timeout=None if until is None else until - now())
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                if self.get_size() == 0 or self.is_closing() or (until is not None and now() >= until):
                    # Nobody may come back with a connection: whoever is next in line finds out for itself.
                    self._call_next()
                    raise told(error, connecting=True) from None
                self._grow_at = now() + GROW_AGAIN_AFTER
            # One that came back while we were refused is nobody's to tell us of.
            if not self._one_to_spare():
                await self._wait_in_line(until)

    def _may_try(self) -> bool:
        """Whether an open connection is there that nobody was called for, or a further one may be asked for."""
        return not self._line or asyncio.get_running_loop().time() >= self._grow_at or self._one_to_spare()

    def _one_to_spare(self) -> bool:
        return self.get_idle_size() > sum(turn.done() for turn in self._line)

    async def _wait_in_line(self, until: float | None) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout_at(until):
                await turn
        except (TimeoutError, asyncio.CancelledError):
            if turn.done() and not turn.cancelled():
                self._call_next()
            raise
        finally:
            self._line.remove(turn)

    def _call_next(self) -> None:
        for turn in self._line:
            if not turn.done():
                turn.set_result(None)
                return
