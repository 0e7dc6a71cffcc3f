"""What `/readyz` looks at: whether requests can be served, and which part is away if not."""

import asyncio
from enum import StrEnum
from typing import Annotated

import asyncpg
import structlog
from msgspec import Meta, Struct

from service.connections import Connections
from service.database import UNAVAILABLE, Pool
from service.files.storage import Storage, StorageError
from service.health.database import takes_writes
from service.migrations import SchemaError, check_schema
from service.queue import REDIS_AWAY, Queue
from service.redis_errors import RedisState, trouble_with_redis
from service.tasks.workers import living_workers

PATIENCE = 3.0
"""Seconds a part may take to answer before it counts as away."""

log = structlog.get_logger(__name__)


class Part(StrEnum):
    """How a part of the service is."""

    OK = "ok"
    AWAY = "away"
    READ_ONLY = "read-only"
    UNUSABLE = "unusable"
    OUTDATED = "outdated"
    NONE_SEEN = "none seen"


class Readiness(Struct, frozen=True):
    """Whether requests can be served: `ok`, `degraded` (they can, but edits may wait) or `unavailable`."""

    status: Annotated[str, Meta(description="ok, degraded or unavailable")]
    database: Part
    schema: Part
    storage: Part
    redis: Part
    workers: Part


async def look(connections: Connections) -> Readiness:
    """Look at everything at once."""
    (database, schema, workers), stored, redis = await asyncio.gather(
        _look_at_database(connections.pool), _look_at_storage(connections.storage), _look_at_redis(connections.queue)
    )
    if any(part is not Part.OK for part in (database, schema, stored)):
        status = "unavailable"
    elif redis is not Part.OK or workers is not Part.OK:
        status = "degraded"
    else:
        status = "ok"
    return Readiness(status, database=database, schema=schema, storage=stored, redis=redis, workers=workers)


async def _look_at_database(pool: Pool) -> tuple[Part, Part, Part]:
    try:
        async with asyncio.timeout(PATIENCE), pool.acquire() as connection:
            try:
                await check_schema(connection)
            except SchemaError:
                return Part.OK, Part.OUTDATED, Part.NONE_SEEN
            database = Part.OK if await takes_writes(connection) else Part.READ_ONLY
            return database, Part.OK, Part.OK if await living_workers(connection) else Part.NONE_SEEN
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        # Whatever PostgreSQL says no with, be it a new password or a database that isn't there: it can't be used.
        log.warning("database away", error=type(error).__name__)
        return Part.AWAY, Part.AWAY, Part.NONE_SEEN


async def _look_at_storage(storage: Storage) -> Part:
    try:
        async with asyncio.timeout(PATIENCE):
            await storage.check()
    except (StorageError, TimeoutError) as error:
        log.warning("storage away", error=str(error))
        return Part.AWAY
    return Part.OK


async def _look_at_redis(queue: Queue) -> Part:
    try:
        async with asyncio.timeout(PATIENCE):
            await queue.try_to_send()
    except REDIS_AWAY as error:
        trouble = trouble_with_redis(error)
        log.warning("redis can't be used", reason=trouble.what, remedy=trouble.remedy)
        return Part.AWAY if trouble.state is RedisState.AWAY else Part.UNUSABLE
    return Part.OK
