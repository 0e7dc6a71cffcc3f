"""Transactions, and trying again what was undone as a whole: in one place, for each of them and each lone statement."""

import asyncio
import functools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Concatenate, ParamSpec, TypeVar

import asyncpg
import structlog

from service.database import Connection, Pool
from service.database.away import UNAVAILABLE

T = TypeVar("T")
P = ParamSpec("P")

PASSING = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # The schema was changed under a connection's prepared statements. asyncpg has thrown them away by now.
    asyncpg.InvalidCachedStatementError,
    asyncpg.DatatypeMismatchError,
)
"""What undid a statement or a transaction as a whole, and not for what it says: done once more, it succeeds.

All of it is the server's to say. OutdatedSchemaCacheError isn't among them: asyncpg raises it when it can't read an
answer, by when a lone statement is committed.
"""

TRIES = 8
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""What every transaction of ours says that it is, whatever the database's default: a statement, and each within a
VOLATILE function, sees what others had committed when it began, and so what it had to wait for."""

ABANDONED_AFTER = 30
"""Seconds in which a transaction's owner says nothing, after which the server undoes it. One that has vanished would
keep what it has locked, a user's row perhaps, until the server's kernel looks for it, after two hours."""

UNDO_WITHIN = 5.0
"""Seconds for a roll-back. asyncpg first waits for what it breaks off: for ever, while the database says nothing."""

_DICE = random.SystemRandom()
"""Of the retries alone: how often something was tried again may not change what others roll from a seed."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncGenerator[None]:
    """All that is done inside, or nothing. Whoever breaks it off isn't kept by a database that says nothing.

    asyncpg doesn't know of it: what is to be taken back inside takes a SAVEPOINT, not `connection.transaction()`.
    """
    try:
        await connection.execute(f"{BEGIN}; SET LOCAL idle_in_transaction_session_timeout = '{ABANDONED_AFTER}s'")
        yield
        await connection.execute("COMMIT")
    except BaseException:
        # Also where a BEGIN or a COMMIT was broken off, which the server may have taken all the same.
        try:
            async with asyncio.timeout(UNDO_WITHIN):
                await connection.execute("ROLLBACK")
        except UNAVAILABLE:
            # A connection that can't be told so is of no use to anybody any more; the server undoes it by itself.
            with suppress(asyncpg.InterfaceError):  # it was lost, and the pool has taken it back
                connection.terminate()
        raise


async def insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again what was undone as a whole (PASSING), a bounded number of times and after a random pause."""
    for tried in range(1, TRIES):
        try:
            return await attempt()
        except PASSING as error:
            log.info("tried again", error=type(error).__name__, tried=tried)
            await asyncio.sleep(_DICE.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**tried)))
    return await attempt()


def transactional(
    operation: Callable[Concatenate[Connection, P], Awaitable[T]],
) -> Callable[Concatenate[Pool | Connection, P], Awaitable[T]]:
    """An operation on a connection, as one transaction: all of it or nothing, and again when it was undone (PASSING).

    Whoever calls it gives a pool, or a connection; one that is in a transaction already carries it along, and its own
    opener tries again. So the operation may run several times: it changes nothing but the database.
    """

    @functools.wraps(operation)
    async def run(where: Pool | Connection, *args: P.args, **kwargs: P.kwargs) -> T:
        if not isinstance(where, Pool) and where.is_in_transaction():
            return await operation(where, *args, **kwargs)

        async def once() -> T:
            if isinstance(where, Pool):
                async with where.acquire() as connection, transaction(connection):
                    return await operation(connection, *args, **kwargs)
            async with transaction(where):
                return await operation(where, *args, **kwargs)

        return await insist(once)

    return run
