"""/livez and /readyz: for whoever keeps the process running and sends it requests."""

import asyncio
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

import asyncpg
import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta, Struct

from service.database import UNAVAILABLE, Pool
from service.files.storage import Storage, StorageError
from service.http.services import Services
from service.migrations import SchemaError, check_schema
from service.queue import REDIS_AWAY, Queue
from service.tasks.workers import living_workers

PATIENCE = 3.0
"""Seconds a part may take to answer before it counts as away."""

log = structlog.get_logger(__name__)


class Part(StrEnum):
    """How a part of the service is."""

    OK = "ok"
    AWAY = "away"
    OUTDATED = "outdated"
    NONE_SEEN = "none seen"


class Alive(Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


class Readiness(Struct, frozen=True):
    """Whether requests can be served: `ok`, `degraded` (they can, but edits may wait) or `unavailable`."""

    status: Annotated[str, Meta(description="ok, degraded or unavailable")]
    database: Part
    schema: Part
    storage: Part
    redis: Part
    workers: Part


@get("/livez", tags=["Health"], security=[{}])
async def livez() -> Alive:
    """The process is alive."""
    return Alive()


@get(
    "/readyz",
    tags=["Health"],
    security=[{}],
    responses={503: ResponseSpec(Readiness, generate_examples=False, description="A part that is needed is away.")},
)
async def readyz(
    services: NamedDependency[Services],
) -> Response[Readiness]:
    """Whether requests can be served, and which part is away if not."""
    (database, schema, workers), stored, redis = await asyncio.gather(
        _look_at_database(services.pool), _look_at_storage(services.storage), _look_at_redis(services.queue)
    )
    needed = (database, schema, stored)
    if any(part is not Part.OK for part in needed):
        status = "unavailable"
    elif redis is not Part.OK or workers is not Part.OK:
        status = "degraded"
    else:
        status = "ok"
    return Response(
        Readiness(status, database=database, schema=schema, storage=stored, redis=redis, workers=workers),
        status_code=HTTPStatus.SERVICE_UNAVAILABLE if status == "unavailable" else HTTPStatus.OK,
        headers={"Cache-Control": "no-store"},
    )


async def _look_at_database(pool: Pool) -> tuple[Part, Part, Part]:
    try:
        async with asyncio.timeout(PATIENCE), pool.acquire() as connection:
            try:
                await check_schema(connection)
            except SchemaError:
                return Part.OK, Part.OUTDATED, Part.NONE_SEEN
            return Part.OK, Part.OK, Part.OK if await living_workers(connection) else Part.NONE_SEEN
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
            await queue.ping()
    except REDIS_AWAY as error:
        log.warning("redis away", error=type(error).__name__)
        return Part.AWAY
    return Part.OK
