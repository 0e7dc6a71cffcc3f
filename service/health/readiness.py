"""What `/readyz` looks at: whether requests can be served, and which part is away if not."""

import asyncio
from enum import StrEnum
from typing import Annotated

import asyncpg
import structlog
from msgspec import Meta, Struct

from service.connections import Connections
from service.database import UNAVAILABLE, Connection, Pool
from service.database.migrations import SchemaError, check_schema
from service.database.pool import PlainConnection
from service.files.mark import key_of
from service.health.database import has_room, takes_writes
from service.presence import recent_processes
from service.queue import REDIS_AWAY, Queue
from service.queue.errors import RedisState, trouble_with_redis
from service.sharing.coalescing import Coalesced
from service.storage_errors import StorageError
from service.tasks.workers import living_workers

PATIENCE = 3.0
"""Seconds a part may take to answer before it counts as away."""

WRITE_EVERY = 60.0
"""Seconds between two tries whether the storage can be written."""

log = structlog.get_logger(__name__)


class Part(StrEnum):
    """How a part of the service is."""

    OK = "ok"
    AWAY = "away"
    READ_ONLY = "read-only"
    UNUSABLE = "unusable"
    OUTDATED = "outdated"
    NONE_SEEN = "none seen"
    ANOTHER_STORAGE = "another storage"


class Readiness(Struct, frozen=True):
    """Whether requests can be served: `ok`, `degraded` (they can, but edits may wait) or `unavailable`."""

    status: Annotated[str, Meta(description="ok, degraded or unavailable")]
    database: Part
    schema: Part
    storage: Part
    redis: Part
    workers: Part


class HealthWatch:
    """Looks at the connections of one process."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._storage_check_due = 0.0
        # Anybody may ask.
        self._looks = Coalesced(self._look)

    async def look(self) -> Readiness:
        """How everything is: looked at now, unless it is asked very often."""
        return await self._looks.get()

    async def _look(self) -> Readiness:
        (database, schema, workers), stored, redis = await asyncio.gather(
            _look_at_database(self._connections.pool),
            self._look_at_storage(),
            _look_at_redis(self._connections.queue),
        )
        if any(part is not Part.OK for part in (database, schema, stored)):
            status = "unavailable"
        elif redis is not Part.OK or workers is not Part.OK:
            status = "degraded"
        else:
            status = "ok"
        return Readiness(status, database=database, schema=schema, storage=stored, redis=redis, workers=workers)

    async def _look_at_storage(self) -> Part:
        """A look at the mark is cheap; whether it can be written too is tried now and then, and when it couldn't."""
        storage, mark = self._connections.storage, self._connections.presence.mark
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PATIENCE):
                if mark is None or not await storage.exists(key_of(mark)):
                    # Away when it was to be settled, or changed below us: a sign of life settles it, or finds it wrong.
                    await storage.check()
                    return Part.ANOTHER_STORAGE
                if storage.doubtful or now >= self._storage_check_due:
                    self._storage_check_due = 0.0
                    await storage.check()
                    self._storage_check_due = now + WRITE_EVERY
        except (StorageError, TimeoutError) as error:
            self._storage_check_due = 0.0
            log.warning("storage away", error=str(error))
            return Part.AWAY
        return Part.OK


async def _look_at_database(pool: Pool) -> tuple[Part, Part, Part]:
    try:
        async with asyncio.timeout(PATIENCE), pool.acquire() as connection:
            try:
                await check_schema(connection)
            except SchemaError:
                return Part.OK, Part.OUTDATED, Part.NONE_SEEN
            usable = await takes_writes(connection) and (not PlainConnection.lacked_room or await has_room(connection))
            database = Part.OK if usable else Part.READ_ONLY
            workers = await _look_at_workers(connection)
            if database is Part.READ_ONLY:
                # As whoever writes: the next look finds out whether it was this session alone.
                connection.terminate()
            return database, Part.OK, workers
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        # Whatever PostgreSQL says no with, be it a new password or a database that isn't there: it can't be used.
        log.warning("database away", error=type(error).__name__)
        return Part.AWAY, Part.AWAY, Part.NONE_SEEN


async def _look_at_workers(connection: Connection) -> Part:
    """A worker on another storage finds no photo."""
    if any(
        each.kind == "worker" and each.living and each.storage_mark is None
        for each in await recent_processes(connection)
    ):
        return Part.ANOTHER_STORAGE
    return Part.OK if await living_workers(connection) else Part.NONE_SEEN


async def _look_at_redis(queue: Queue) -> Part:
    try:
        async with asyncio.timeout(PATIENCE):
            await queue.try_to_send()
    except REDIS_AWAY as error:
        trouble = trouble_with_redis(error)
        log.warning("redis can't be used", reason=trouble.what, remedy=trouble.remedy)
        return Part.AWAY if trouble.state is RedisState.AWAY else Part.UNUSABLE
    return Part.OK
