"""No single row stops a loop that serves others: each is tried on its own, and one that fails is passed over.

What is passed over is counted in the database, logged once with its id, and told by the doctor.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog
from msgspec import Struct

from service.database import Connection, Pool
from service.database.away import UNAVAILABLE
from service.database.statements import load_queries
from service.database.transactions import transaction
from service.storage_errors import StorageError

T = TypeVar("T")
R = TypeVar("R")

QUERIES = load_queries("maintenance")

WHOLE = ""
"""The subject of a failure that is no single row's."""

LOCK_PATIENCE = "SET LOCAL lock_timeout = '1s'"
"""How long one row may keep the others waiting because somebody holds it locked."""

TOGETHER_WITHIN = 5.0
"""Seconds that many rows get together, before each is tried on its own."""

log = structlog.get_logger(__name__)


class ChoreFailure(Struct, frozen=True):
    """What a chore passed over a moment ago."""

    chore: str
    subject: str
    reason: str
    failures: int


async def recent_failures(connection: Connection, limit: int) -> list[ChoreFailure]:
    return await QUERIES["recent_failures"].rows(connection, ChoreFailure, limit=limit)


async def forget_old_failures(connection: Connection) -> None:
    await QUERIES["forget_old_failures"].run(connection)


class Sparing:
    """A chore's way through many rows. With the database away it ends, by one of UNAVAILABLE: nothing can be done."""

    def __init__(self, pool: Pool, chore: str) -> None:
        self._pool = pool
        self._chore = chore

    @asynccontextmanager
    async def alone(self, subject: str) -> AsyncGenerator[Connection]:
        """A transaction for one row. Whatever is raised inside undoes it, and the caller goes on behind the block."""
        failed: Exception | None = None
        async with self._pool.acquire() as connection:
            try:
                async with transaction(connection):
                    await connection.execute(LOCK_PATIENCE)
                    yield connection
            except Exception as error:  # noqa: BLE001 - whatever it is, it is judged below
                failed = error
        if failed is not None:
            await self.pass_over(subject, failed)

    async def together(
        self, rows: Sequence[T], subject_of: Callable[[T], str], work: Callable[[Connection, Sequence[T]], Awaitable[R]]
    ) -> list[R]:
        """All rows in one statement, which is what they need as a rule; each alone if that fails."""
        if not rows:
            return []
        try:
            async with asyncio.timeout(TOGETHER_WITHIN), self._pool.acquire() as connection:
                return [await work(connection, rows)]
        except Exception as error:
            if await self._ends_all(error):
                raise
            log.info("rows failed together; each is tried alone", chore=self._chore, rows=len(rows))
        done: list[R] = []
        for row in rows:
            async with self.alone(subject_of(row)) as connection:
                done.append(await work(connection, [row]))
        return done

    async def pass_over(self, subject: str, error: Exception) -> None:
        """Count the failure and go on. Raises it if it isn't this row's, but the whole database is away."""
        if await self._ends_all(error):
            raise error
        if isinstance(error, asyncpg.TransactionRollbackError):
            # In another transaction's way: the next round finds it gone.
            return
        async with self._pool.acquire() as connection:
            failures = await QUERIES["note_failure"].value(
                connection, chore=self._chore, subject=subject, reason=_reason(error)
            )
        if failures == 1:
            what = {"subject": subject} if subject else {}
            log.error("a chore passes over what fails", chore=self._chore, **what, exc_info=error)

    async def _ends_all(self, error: Exception) -> bool:
        """Whether the database is away: a time-out or a lock may also be one row's fault."""
        if not isinstance(error, UNAVAILABLE):
            return False
        try:
            async with self._pool.acquire() as connection:
                await connection.fetchval("SELECT 1")
        except UNAVAILABLE:
            return True
        return isinstance(error, asyncpg.ReadOnlySQLTransactionError)


def _reason(error: Exception) -> str:
    """What it was, without its words, which may hold somebody's data; the log has them."""
    if isinstance(error, asyncpg.PostgresError):
        return f"SQLSTATE {error.sqlstate}"
    return "storage" if isinstance(error, StorageError) else "unforeseen"
