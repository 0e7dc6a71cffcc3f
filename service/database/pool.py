"""A pool of connections, and what a connection says when the database is away."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.database.away import UNAVAILABLE, told
from service.database.vanishing import notice_when_gone
from service.sharing.for_everybody import begin_for_everybody

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

AT_HAND_SECONDS = 1.0
"""After about so long the connections at hand go back to asyncpg's pool, which looks after those that aren't in use."""


class PlainConnection(BaseConnection):
    """A connection whose errors tell whether the database is away, whatever code they come with (`told`)."""

    reads_committed = True
    """Whether its transactions are READ COMMITTED if nobody says so (service/database/transactions.py)."""

    lacked_room: ClassVar = False
    """Whether a statement of this process found the server's disk full. Reads go on, and writes where there is room."""


def _telling(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(call)
    async def tell(self: PlainConnection, *args: Any, **options: Any) -> Any:
        try:
            return await call(self, *args, **options)
        except asyncpg.PostgresError as error:
            PlainConnection.lacked_room |= isinstance(error, asyncpg.DiskFullError)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                # Its session may stay so for good: on a server that another has succeeded, or of a time that is over.
                self.terminate()
            raise told(error) from None

    return tell


for _name in ("execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table"):
    setattr(PlainConnection, _name, _telling(getattr(BaseConnection, _name)))


class PooledConnection(PlainConnection):
    """One that breaks off when its server has vanished."""

    def __init__(self, protocol: Any, transport: asyncio.BaseTransport, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        notice_when_gone(transport.get_extra_info("socket"))


class Pool(BasePool):
    """A pool whose callers wait a bounded time for a connection: TimeoutError, one of UNAVAILABLE, comes after it.

    Where no further connection can be opened (PostgreSQL or a pooler has none left for us), callers wait in line for
    one that is open already, instead of being refused.

    A connection that is given back goes to the next in line, or is kept at hand for a moment. asyncpg's own taking and
    giving back cost a task and two timers each time, as much as a short statement.
    """

    __slots__ = ("_at_hand", "_giving_up", "_grow_at", "_lent", "_line", "_tidying")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lent = 0
        """How many we have, or are about to have, from asyncpg's pool."""
        self._at_hand: list[Connection] = []
        self._line: deque[asyncio.Future[Connection | None]] = deque()
        """Who waits: for a connection, or to be told to try."""
        self._grow_at = 0.0
        self._tidying: asyncio.Task[None] | None = None
        self._giving_up: set[asyncio.Task[None]] = set()

    def acquire(self, *, timeout: float | None = ACQUIRE_TIMEOUT) -> "Lease":  # pyright: ignore[reportIncompatibleMethodOverride]
        return Lease(self, timeout)

    async def take(self, within: float | None) -> Connection:
        """A connection, to be given back. Raises TimeoutError, and what connecting raises."""
        now = asyncio.get_running_loop().time
        until = None if within is None else now() + within
        while True:
            while self._at_hand:
                connection = self._at_hand.pop()
                if _is_open(connection):
                    return connection
                await self._give_up(connection)
            if not self._may_try(now()):
                connection = await self._wait_in_line(until)
                if connection is not None:
                    return connection
                continue
            self._lent += 1
            try:
                return await super().acquire(timeout=None if until is None else until - now())
            except BaseException as error:
                self._lent -= 1
                if not isinstance(error, (*UNAVAILABLE, asyncpg.PostgresError)):
                    self._call_next(None)
                    raise
                if self._lent == 0 or self.is_closing() or (until is not None and now() >= until):
                    # Nobody may come back with a connection: whoever is next in line finds out for itself.
                    self._call_next(None)
                    raise told(error, connecting=True) from None
                self._grow_at = now() + GROW_AGAIN_AFTER

    async def give_back(self, connection: Connection, *, as_it_was: bool) -> None:
        """Let others have it. `as_it_was`: nothing broke off what it was taken for."""
        if not as_it_was or self.is_closing() or not _is_open(connection) or connection.is_in_transaction():
            await self._give_up(connection)
        elif not self._call_next(connection):
            self._at_hand.append(connection)
            if self._tidying is None or self._tidying.done():
                self._tidying = begin_for_everybody(self._tidy())

    async def close(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait({self._tidying})
        await self._give_up_those_at_hand()
        await super().close()

    def terminate(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
        super().terminate()

    async def _give_up(self, connection: Connection) -> None:
        """To asyncpg's pool, which closes it if it is of no use any more; also if who gives it up is cancelled."""
        giving = begin_for_everybody(self._release(connection))
        self._giving_up.add(giving)
        giving.add_done_callback(self._given_up)
        await asyncio.shield(giving)

    async def _release(self, connection: Connection) -> None:
        try:
            await self.release(connection)  # pyright: ignore[reportArgumentType] - it came from there
        finally:
            self._lent -= 1
            self._call_next(None)

    def _given_up(self, giving: asyncio.Task[None]) -> None:
        self._giving_up.discard(giving)
        if not giving.cancelled():
            giving.exception()  # is told to whoever still waits; to nobody else it is news

    async def _give_up_those_at_hand(self) -> None:
        while self._at_hand:
            with suppress(*UNAVAILABLE, asyncpg.PostgresError):
                await self._give_up(self._at_hand.pop())

    async def _tidy(self) -> None:
        while self._at_hand:
            await asyncio.sleep(AT_HAND_SECONDS)
            await self._give_up_those_at_hand()

    def _may_try(self, now: float) -> bool:
        """Whether asyncpg's pool has an open connection to spare, or may be asked for a further one."""
        if self._lent == 0:
            return True
        return self._lent < self.get_max_size() and (now >= self._grow_at or self.get_idle_size() > 0)

    async def _wait_in_line(self, until: float | None) -> Connection | None:
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout_at(until):
                return await turn
        except (TimeoutError, asyncio.CancelledError):
            if turn.done() and not turn.cancelled():
                connection = turn.result()
                if connection is None:
                    self._call_next(None)
                else:
                    await self.give_back(connection, as_it_was=True)
            raise
        finally:
            with suppress(ValueError):
                self._line.remove(turn)

    def _call_next(self, connection: Connection | None) -> bool:
        """Give it to whoever is next in line, or None: that one may try. False when nobody waits."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False


class Lease:
    """A connection for as long as an `async with` lasts."""

    __slots__ = ("_connection", "_pool", "_within")

    def __init__(self, pool: Pool, within: float | None) -> None:
        self._pool = pool
        self._within = within

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take(self._within)
        return self._connection

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            await self._pool.give_back(self._connection, as_it_was=True)
            return
        # What broke off the work is what happened, and not that the connection can't be given back after it: a
        # cancelled loop would take that for a database that is away, and go on.
        with suppress(*UNAVAILABLE, asyncpg.PostgresError):
            await self._pool.give_back(self._connection, as_it_was=False)


def _is_open(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        # asyncpg's pool has taken it back: it was lost.
        return False
