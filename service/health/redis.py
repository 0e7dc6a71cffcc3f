"""Redis: whether messages can wait there, and whether they are safe while they do."""

from collections.abc import AsyncGenerator
from typing import cast

from redis.exceptions import NoPermissionError, ResponseError

from service.connections import trouble_with_redis
from service.health.findings import Finding, ok, unknown, wrong
from service.queue import REDIS_AWAY, Queue
from service.settings import Settings


async def redis(settings: Settings) -> AsyncGenerator[Finding]:
    queue = Queue(settings.redis_url)
    try:
        await queue.ping()
    except REDIS_AWAY as error:
        trouble = trouble_with_redis(error)
        yield wrong("redis", trouble.what, trouble.remedy)
    else:
        yield ok("redis", "answers")
        yield await _eviction(queue)
        yield await _queue(queue)
    finally:
        await queue.close()


async def old_redis(url: str) -> Finding:
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
