"""What `darkroom doctor` finds: each part looked at, each finding with its remedy."""

import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

import asyncpg
from msgspec import Struct
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from service.accounts.store import unbalanced_users
from service.database import UNAVAILABLE, Connection, connect, load_queries
from service.files.storage import Storage, StorageError
from service.health.pooling import shares_sessions, without_statements
from service.migrations import SchemaError, check_schema
from service.queue import REDIS_AWAY, Queue
from service.settings import Settings
from service.tasks.workers import living_workers

QUERIES = load_queries("doctor")

SHOWN = 5
"""How many ids a finding names."""

FILES_LOOKED_AT = 200
LONGEST_WAIT = 300.0
CLOCK_SKEW = 2.0


class Health(StrEnum):
    """Wrong fails the visit; unknown doesn't."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Finding(Struct, frozen=True):
    """One thing that was looked at, and what to do about it if it is wrong."""

    check: str
    health: Health
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Finding:
    return Finding(check, Health.OK, message)


def wrong(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, Health.WRONG, message, remedy)


def unknown(check: str, message: str) -> Finding:
    return Finding(check, Health.UNKNOWN, message)


async def examine(settings: Settings) -> AsyncGenerator[Finding]:
    """Look at every part, in the order in which they need each other. Nothing is changed."""
    async for finding in _database(settings):
        yield finding
    async for finding in _redis(settings):
        yield finding
    if settings.legacy_redis_url is not None:
        yield await _old_redis(settings.legacy_redis_url)


async def _database(settings: Settings) -> AsyncGenerator[Finding]:
    try:
        connection = await connect(without_statements(settings))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        yield wrong("database", "PostgreSQL refuses the user or password", "Correct DATABASE_URL.")
    except asyncpg.InvalidCatalogNameError:
        yield wrong("database", "There is no such database", "Create it, or correct DATABASE_URL.")
    except UNAVAILABLE as error:
        yield wrong(
            "database",
            f"PostgreSQL can't be reached ({type(error).__name__})",
            "Start it, or correct DATABASE_URL; behind a firewall, open its port.",
        )
    else:
        try:
            async for finding in _inside(connection, settings):
                yield finding
        except asyncpg.InsufficientPrivilegeError:
            yield wrong(
                "schema",
                "this user of PostgreSQL may not read Darkroom's tables",
                "Put the user that runs `darkroom migrate` into DATABASE_URL, or GRANT this one its rights.",
            )
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
            yield wrong(
                "schema",
                "a part that a migration made is gone",
                "Somebody dropped it by hand. Restore the database from a backup.",
            )
        except UNAVAILABLE as error:
            yield wrong("database", f"PostgreSQL stopped answering ({type(error).__name__})", "Read its log.")
        finally:
            await connection.close()


async def _inside(connection: Connection, settings: Settings) -> AsyncGenerator[Finding]:
    yield ok("database", f"PostgreSQL {await connection.fetchval('SHOW server_version')} answers")
    yield await _pooler(settings)
    yield await _clock(connection)
    try:
        await check_schema(connection)
    except SchemaError as error:
        yield wrong("schema", str(error), "Run: darkroom migrate")
        return
    yield ok("schema", "up to date")
    for look in (_workers, _waiting, _stuck, _undispatched, _ledger, _charges, _refunds, _ownerless, _old_system):
        yield await look(connection)
    async for finding in _storage(connection, settings):
        yield finding


async def _pooler(settings: Settings) -> Finding:
    """Behind a transaction pooler two statements may run on two servers' sessions."""
    pooled = await shares_sessions(settings)
    if pooled and not settings.through_pooler:
        return wrong(
            "pooler",
            "a transaction pooler stands before PostgreSQL, and a direct connection is expected",
            "Set DATABASE_POOLER=transaction (Supabase: port 6543); otherwise prepared statements get lost.",
        )
    if not pooled and settings.through_pooler:
        return ok("pooler", "none seen, though one is expected: statements are parsed each time")
    return ok("pooler", "a transaction pooler, as expected" if pooled else "a direct connection, as expected")


async def _clock(connection: Connection) -> Finding:
    asked = time.monotonic()
    theirs = cast("datetime", await QUERIES["clock"].value(connection))
    ours = datetime.now(UTC)
    skew = (theirs - ours).total_seconds()
    if abs(skew) > CLOCK_SKEW + (time.monotonic() - asked):
        return wrong(
            "clock",
            f"the database's clock is {skew:+.1f} s off this machine's",
            "Synchronise both (NTP): tokens and signed URLs expire by this machine's clock, leases by the database's.",
        )
    return ok("clock", f"{skew:+.2f} s off")


async def _workers(connection: Connection) -> Finding:
    living = await living_workers(connection)
    if not living:
        return wrong("workers", "no worker has been seen for 15 s", "Start one: darkroom worker. Then read its log.")
    return ok("workers", f"{len(living)} with {sum(worker.slots for worker in living)} slots")


async def _waiting(connection: Connection) -> Finding:
    seconds = float(await QUERIES["oldest_waiting"].value(connection))
    if seconds > LONGEST_WAIT:
        return wrong(
            "waiting tasks", f"the oldest has waited {seconds:.0f} s", "Start more workers, or raise WORKER_SLOTS."
        )
    return ok("waiting tasks", f"the oldest has waited {seconds:.0f} s" if seconds else "none waits")


async def _stuck(connection: Connection) -> Finding:
    return _named(
        "stuck tasks",
        await QUERIES["stuck_tasks"].column(connection, limit=SHOWN),
        none="none",
        some="processing without a worker",
        remedy="Start a worker: its sweep puts them back into the line within 30 s.",
    )


async def _undispatched(connection: Connection) -> Finding:
    tasks = await QUERIES["undispatched_too_long"].value(connection)
    if tasks:
        return wrong("dispatch", f"{tasks} tasks wait without a message", "Check Redis; a worker's sweep sends them.")
    return ok("dispatch", "every waiting task was announced")


async def _ledger(connection: Connection) -> Finding:
    return _named(
        "ledger",
        [user.user_id for user in await unbalanced_users(connection, SHOWN)],
        none="every balance is the sum of its ledger",
        some="users whose balance isn't the sum of their ledger",
        remedy="Something wrote to users.current_credits directly. Set it to the sum of the user's ledger.",
    )


async def _charges(connection: Connection) -> Finding:
    return _named(
        "charges",
        await QUERIES["miscounted_tasks"].column(connection, limit=SHOWN),
        none="every task says what the ledger says",
        some="tasks whose ledger entries differ from what they say they took or gave back",
        remedy="Something changed tasks or the ledger directly. Grant what is missing: darkroom user grant.",
    )


async def _refunds(connection: Connection) -> Finding:
    return _named(
        "refunds",
        await QUERIES["unrefunded_tasks"].column(connection, limit=SHOWN),
        none="every failed or cancelled task was refunded",
        some="failed or cancelled tasks that were not refunded in full",
        remedy="Something changed tasks directly. Grant the credits back: darkroom user grant.",
    )


async def _ownerless(connection: Connection) -> Finding:
    return ok("ownerless tasks", str(await QUERIES["ownerless_tasks"].value(connection)))


async def _old_system(connection: Connection) -> Finding:
    left = await connection.fetchrow(QUERIES["old_system"].sql)
    assert left is not None  # noqa: S101 - counting answers a row
    if not (left["imported"] or left["elsewhere"] or left["quarantined"]):
        return ok("old system", "nothing came from one")
    return ok("old system", f"it still has {left['elsewhere']} tasks; {left['quarantined']} records are in quarantine")


def _named(check: str, ids: list[str], *, none: str, some: str, remedy: str) -> Finding:
    if not ids:
        return ok(check, none)
    more = " and perhaps more" if len(ids) == SHOWN else ""
    return wrong(check, f"{some}: {', '.join(ids)}{more}", remedy)


async def _storage(connection: Connection, settings: Settings) -> AsyncGenerator[Finding]:
    try:
        storage = Storage.open(settings.storage_url, settings.storage_options)
        await storage.check()
    except StorageError as error:
        yield wrong("storage", str(error), "Correct STORAGE_URL, its permissions or its credentials; make room.")
        return
    yield ok("storage", "can be written, read and deleted")
    files = await connection.fetch(QUERIES["sample_of_files"].sql, FILES_LOOKED_AT)
    try:
        missing = [file["file_id"] for file in files if not await storage.exists(file["blob_key"])]
    except StorageError as error:
        yield unknown("files", f"the storage stopped answering: {error}")
        return
    yield _named(
        "files",
        missing[:SHOWN],
        none=f"the {len(files)} that were looked for are there",
        some="not in the storage",
        remedy="Restore them from a backup, or mount the volume that STORAGE_URL means.",
    )


async def _redis(settings: Settings) -> AsyncGenerator[Finding]:
    queue = Queue(settings.redis_url)
    try:
        await queue.ping()
    except (AuthenticationError, NoPermissionError):
        yield wrong("redis", "Redis refuses the user or password", "Correct REDIS_URL.")
    except REDIS_AWAY as error:
        yield wrong("redis", f"Redis can't be reached ({type(error).__name__})", "Start it, or correct REDIS_URL.")
    else:
        yield ok("redis", "answers")
        yield await _eviction(queue)
        yield await _queue(queue)
    finally:
        await queue.close()


async def _old_redis(url: str) -> Finding:
    queue = Queue(url)
    try:
        await queue.ping()
    except REDIS_AWAY as error:
        return wrong(
            "old redis",
            f"LEGACY_REDIS_URL can't be used ({type(error).__name__}): tasks that weren't imported can't be read",
            "Start it or correct the URL; once everything has moved, unset LEGACY_REDIS_URL.",
        )
    finally:
        await queue.close()
    return ok("old redis", "answers: tasks that weren't imported yet are read there")


async def _queue(queue: Queue) -> Finding:
    try:
        return ok("queue", f"{await queue.length()} messages wait")
    except ResponseError as error:
        why = "this user may not" if isinstance(error, NoPermissionError) else "something else lies under its name"
        return wrong(
            "queue",
            f"the queue can't be read: {why}",
            "Give Darkroom a database of Redis, and a user for it, that may do everything there.",
        )
    except REDIS_AWAY as error:
        return wrong("queue", f"Redis stopped answering ({type(error).__name__})", "Read its log.")


async def _eviction(queue: Queue) -> Finding:
    """A Redis that evicts throws waiting messages away when it is full; they are found again, but late."""
    try:
        configured = cast("dict[str, str]", await queue.redis.config_get("maxmemory-policy"))
    except ResponseError:
        return unknown("eviction", "Redis doesn't tell its maxmemory-policy; it should be noeviction")
    except REDIS_AWAY as error:
        return unknown("eviction", f"Redis stopped answering ({type(error).__name__})")
    policy = configured.get("maxmemory-policy")
    if policy is None:
        return unknown("eviction", "Redis doesn't tell its maxmemory-policy; it should be noeviction")
    if policy != "noeviction":
        return wrong(
            "eviction", f"maxmemory-policy is {policy}", "Set it to noeviction: otherwise a full Redis loses messages."
        )
    return ok("eviction", "maxmemory-policy is noeviction")
