"""The one way to PostgreSQL, Redis and the storage for the API, the workers and the commands; and why it is closed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct
from redis.exceptions import AuthenticationError, NoPermissionError

from service.away import Trouble, trouble_with_postgres
from service.database import Connection, Pool, connect, open_pool
from service.files.storage import Storage, StorageError
from service.migrations import check_schema
from service.queue import REDIS_AWAY, Queue
from service.settings import Settings

if TYPE_CHECKING:
    from asyncpg import Connection as OwnConnection

CLOSE_WITHIN = 2.0
"""Seconds that the pool's connections get to be given back and to say goodbye."""

log = structlog.get_logger(__name__)


class NotConnected(Exception):  # noqa: N818 - an answer rather than a failure
    """Something that is needed can't be used; the message is a line for a person and names the setting."""


class Connections(Struct, frozen=True):
    """What a process of the service is connected to."""

    pool: Pool
    queue: Queue
    storage: Storage


@asynccontextmanager
async def open_connections(
    settings: Settings, *, least: int = 1, redis_needed: bool = False
) -> AsyncGenerator[Connections]:
    """Connect to everything, and close it again; `least` connections to PostgreSQL are there from the start.

    Raises:
        NotConnected: Something can't be used. Redis counts only if it is needed.
        SchemaError: The database's schema is older than this version.
    """
    pool = await _opened_pool(settings, least)
    queue = Queue(settings.redis_url)
    try:
        if redis_needed:
            await _ping(queue)
        yield Connections(pool, queue, _opened_storage(settings))
    finally:
        await queue.close()
        await _close(pool)


@asynccontextmanager
async def one_connection(settings: Settings) -> AsyncGenerator["OwnConnection[Any]"]:
    """A connection to PostgreSQL outside of any pool, for commands. Raises what `connect` does."""
    connection = await connect(settings)
    try:
        yield connection
    finally:
        await connection.close()


def trouble_with_redis(error: Exception) -> Trouble:
    """What keeps us from Redis, for one of those that REDIS_AWAY names."""
    if isinstance(error, AuthenticationError | NoPermissionError):
        return Trouble("Redis refuses the user or password", "Correct REDIS_URL.")
    return Trouble(f"Redis (REDIS_URL) can't be reached: {type(error).__name__}", "Start it, or correct REDIS_URL.")


async def _opened_pool(settings: Settings, least: int) -> Pool:
    pool: Pool | None = None
    try:
        pool = await open_pool(settings, min_size=min(least, settings.database_pool_size))
        async with pool.acquire() as connection:
            await _checked(connection)
    except BaseException as error:
        if pool is not None:
            pool.terminate()
        if trouble := trouble_with_postgres(error):
            raise NotConnected(str(trouble)) from error
        raise
    return pool


async def _checked(connection: Connection) -> None:
    await check_schema(connection)
    log.info("database pool created", server_version=await connection.fetchval("SHOW server_version"))


async def _ping(queue: Queue) -> None:
    try:
        await queue.ping()
    except REDIS_AWAY as error:
        raise NotConnected(str(trouble_with_redis(error))) from error


def _opened_storage(settings: Settings) -> Storage:
    try:
        return Storage.open(settings.storage_url, settings.storage_options)
    except StorageError as error:
        raise NotConnected(f"The storage (STORAGE_URL) can't be used: {error}") from error


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await pool.close()
    except TimeoutError:
        pool.terminate()
