"""The one way to PostgreSQL, Redis and the storage for the API, the workers and the commands; and why it is closed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct

from schema.messages import Keys
from service.database import Connection, Pool, connect, open_pool
from service.database.away import UNAVAILABLE, trouble_with_postgres
from service.database.installation import redis_keys
from service.database.migrations import check_not_newer, check_schema
from service.files.mark import open_storage
from service.files.storage import Storage
from service.presence import Kind, Presence
from service.processes.farewell import in_passing
from service.queue import REDIS_AWAY, Queue
from service.queue.errors import CLUSTER, trouble_with_redis
from service.settings import Settings
from service.storage_errors import StorageError

if TYPE_CHECKING:
    from asyncpg import Connection as OwnConnection

CLOSE_WITHIN = 1.0
"""Seconds that the pool's connections get to be given back and to say goodbye."""

log = structlog.get_logger(__name__)


class NotConnected(Exception):  # noqa: N818 - an answer rather than a failure
    """Something that is needed can't be used; the message is a line for a person and names the setting."""


class Connections(Struct, frozen=True):
    """What a process of the service is connected to."""

    pool: Pool
    queue: Queue
    storage: Storage
    presence: Presence


@asynccontextmanager
async def open_connections(
    settings: Settings, kind: Kind, *, least: int = 1, address: str | None = None
) -> AsyncGenerator[Connections]:
    """Connect to everything, sign in, and close it again; `least` connections to PostgreSQL are there from the start.

    A worker can do nothing without Redis and the storage; the API starts without them and says so in /readyz.

    Raises:
        NotConnected: Something can't be used. For the API Redis counts only if it is a cluster.
        SchemaError: The database's schema is older or newer than this version.
    """
    pool, keys = await _opened_pool(settings, least)
    queue = Queue(settings.redis_url, keys)
    presence = Presence(pool, kind, settings.storage_url, address=address)
    try:
        await _look_at_redis(queue, needed=kind == "worker")
        yield Connections(pool, queue, await _settled_storage(settings, pool, presence), presence)
    finally:
        signing_off = await in_passing(presence.end())
        await queue.close()
        await _close(pool)
        await asyncio.wait({signing_off}, timeout=CLOSE_WITHIN)


@asynccontextmanager
async def one_connection(settings: Settings) -> AsyncGenerator["OwnConnection[Any]"]:
    """A connection to PostgreSQL outside of any pool, for commands. Raises what `connect` does."""
    connection = await connect(settings)
    try:
        yield connection
    finally:
        await connection.close()


async def _opened_pool(settings: Settings, least: int) -> tuple[Pool, Keys]:
    pool: Pool | None = None
    try:
        pool = await open_pool(settings, min_size=min(least, settings.database_pool_size))
        async with pool.acquire() as connection:
            keys = await _checked(connection, settings)
    except BaseException as error:
        if pool is not None:
            pool.terminate()
        if trouble := trouble_with_postgres(error):
            raise NotConnected(str(trouble)) from error
        raise
    return pool, keys


async def _checked(connection: Connection, settings: Settings) -> Keys:
    await check_schema(connection)
    await check_not_newer(connection)
    log.info("database pool created", server_version=await connection.fetchval("SHOW server_version"))
    return await redis_keys(connection, settings)


async def _look_at_redis(queue: Queue, *, needed: bool) -> None:
    """Refuse a cluster, which would never do; and, where Redis is needed, one that a worker couldn't work with."""
    try:
        if await queue.is_cluster():
            raise NotConnected(str(CLUSTER))
        if needed:
            await queue.try_to_work()
    except REDIS_AWAY as error:
        trouble = trouble_with_redis(error)
        if needed or trouble is CLUSTER:
            raise NotConnected(str(trouble)) from error
        log.warning("redis can't be used yet", reason=trouble.what, remedy=trouble.remedy)


async def _settled_storage(settings: Settings, pool: Pool, presence: Presence) -> Storage:
    try:
        try:
            async with pool.acquire() as connection:
                storage = await open_storage(connection, settings.storage_url, settings.storage_options)
        except StorageError:
            await presence.note()
            raise
        await presence.begin(storage)
    except StorageError as error:
        raise NotConnected(f"The storage (STORAGE_URL) can't be used: {error}") from error
    except UNAVAILABLE as error:
        # It was there a moment ago.
        raise NotConnected(str(trouble_with_postgres(error))) from error
    return storage


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await pool.close()
    except TimeoutError:
        pool.terminate()
