"""What `darkroom doctor` finds: each part looked at, each finding with its remedy. Nothing is changed."""

from collections.abc import AsyncGenerator

import asyncpg

from schema.messages import Keys
from schema.models.edits import LOCAL
from service.connections import one_connection
from service.database import Connection
from service.database.away import CHANGED_BELOW_US, UNAVAILABLE, trouble_with_postgres
from service.database.installation import redis_keys
from service.database.migrations import SchemaError, TablesElsewhere, TablesHidden, check_not_newer, check_schema
from service.health.database import clock, pooler, unheld, writes
from service.health.findings import Finding, ok, wrong
from service.health.money import charges, ledger, refunds
from service.health.pooling import without_statements
from service.health.processes import api, models, shared_storage
from service.health.redis import old_redis, redis
from service.health.rights import connections, outsiders, rights
from service.health.storage import storage
from service.health.tasks import old_system, ownerless, stuck, undispatched, waiting
from service.health.webhooks import webhooks
from service.health.workers import chores, workers
from service.settings import Settings

LOOKS = (
    rights,
    connections,
    api,
    workers,
    chores,
    shared_storage,
    waiting,
    stuck,
    undispatched,
    webhooks,
    ledger,
    charges,
    refunds,
    ownerless,
    old_system,
)
"""What the tables tell, in the order in which it is told."""


async def examine(settings: Settings, lacking_model: str | None = None) -> AsyncGenerator[Finding]:
    """Look at every part, in the order in which they need each other; `lacking_model`: what this machine lacks."""
    yield secret_key(settings)
    async for finding in _database(settings, lacking_model):
        yield finding
    async for finding in redis(settings, await _keys(settings)):
        yield finding
    if settings.legacy_redis_url is not None:
        yield await old_redis(settings.legacy_redis_url)


def secret_key(settings: Settings) -> Finding:
    """Without one there are no signed URLs and no tokens, and neither API nor worker starts."""
    if settings.secret_keys:
        return ok("secret key", "set")
    return wrong(
        "secret key",
        "SECRET_KEY is not set: neither the API nor a worker starts without",
        "Set it to the same value for every process; `openssl rand -hex 32` makes one.",
    )


async def _keys(settings: Settings) -> Keys | None:
    """What is ours in Redis, if the database tells; what keeps it from telling is found elsewhere."""
    try:
        async with one_connection(without_statements(settings)) as connection:
            return await unheld(connection, lambda it: redis_keys(it, settings))
    except (*UNAVAILABLE, asyncpg.PostgresError, SchemaError):
        return None


async def _database(settings: Settings, lacking_model: str | None) -> AsyncGenerator[Finding]:
    try:
        async with one_connection(without_statements(settings)) as connection:
            async for finding in _inside(connection, settings, lacking_model):
                yield finding
    except Exception as error:
        trouble = trouble_with_postgres(error)
        if trouble is None:
            raise
        yield wrong("schema" if isinstance(error, CHANGED_BELOW_US) else "database", trouble.what, trouble.remedy)


async def _inside(connection: Connection, settings: Settings, lacking_model: str | None) -> AsyncGenerator[Finding]:
    yield ok("database", f"PostgreSQL {await connection.fetchval('SHOW server_version')} answers")
    yield await writes(connection)
    yield await pooler(settings)
    yield await clock(connection)
    try:
        await unheld(connection, check_schema)
    except TablesHidden as error:
        remedy = "Or make a policy for this user on each of them: CREATE POLICY ... USING (true) WITH CHECK (true)."
        yield wrong("schema", str(error), remedy)
        return
    except TablesElsewhere as error:
        yield wrong("schema", str(error), "A second set of tables is made by search_path in DATABASE_URL alone.")
        return
    except SchemaError as error:
        yield wrong("schema", str(error), "Run: darkroom migrate")
        return
    try:
        await unheld(connection, check_not_newer)
    except SchemaError as error:
        yield wrong("schema", str(error), "No API and no worker of this version starts. Update Darkroom here.")
    else:
        yield ok("schema", "up to date")
    for look in (outsiders, *LOOKS):
        yield await unheld(connection, look)
    if any(LOCAL in names for names in settings.engines.values()):
        yield await models(connection, lacking_model)
    async for finding in storage(connection, settings):
        yield finding
