"""Redis: whether messages can wait there, whether they are safe while they do, and which were thrown away."""

from collections.abc import AsyncGenerator
from typing import cast

from redis.exceptions import ResponseError

from schema.messages import Keys, Reason
from service.health.findings import Finding, Health, ok, unknown, wrong
from service.queue import COMMAND_TIMEOUT, CONNECT_TIMEOUT, REDIS_AWAY, Queue
from service.queue.client import make_client
from service.queue.errors import CLUSTER, RedisState, how_away, trouble_with_redis
from service.settings import Settings


async def redis(settings: Settings, keys: Keys | None) -> AsyncGenerator[Finding]:
    """`keys` are None where the database couldn't tell them."""
    queue = Queue(settings.redis_url, keys or Keys("", ""))
    try:
        if await queue.is_cluster():
            yield wrong("redis", CLUSTER.what, CLUSTER.remedy)
            return
        await queue.ping()
        if keys is None:
            yield ok("redis", "answers")
            yield unknown("queue", "the database, which knows its keys, couldn't be asked")
            return
        async for finding in _inside(queue):
            yield finding
    except REDIS_AWAY as error:
        trouble = trouble_with_redis(error)
        yield wrong("redis", trouble.what, trouble.remedy)
    finally:
        await queue.close()


async def _inside(queue: Queue) -> AsyncGenerator[Finding]:
    """Raises what REDIS_AWAY names, for what has no finding of its own."""
    try:
        await queue.try_to_send()
        await queue.try_to_work()
    except REDIS_AWAY as error:
        trouble = trouble_with_redis(error)
        if trouble.state not in {RedisState.FORBIDDEN, RedisState.OCCUPIED}:
            raise
        yield ok("redis", "answers")
        yield wrong("queue", f"{trouble.what}. Its keys begin with {queue.keys.prefix}:", trouble.remedy)
        return
    yield ok("redis", "takes messages, and gives them to workers")
    yield await _eviction(queue)
    yield ok("queue", f"{await queue.length()} messages wait in {queue.keys.queue().waiting}")
    yield await _refused(queue)


async def _refused(queue: Queue) -> Finding:
    """Messages that were of no use to any worker: somebody else's, or damaged."""
    refused = await queue.refused()
    if not refused:
        return ok("messages", "none was thrown away in the last hour")
    kinds = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
    message = f"thrown away, the last within the hour: {kinds}"
    if Reason.ANOTHER_INSTALLATION in refused:
        return wrong(
            "messages", message, "Two installations share their keys: give each a REDIS_PREFIX of its own, or none."
        )
    if set(refused) == {Reason.NO_TASK}:
        remedy = "If no user or task was deleted while it waited, somebody else writes there: set REDIS_PREFIX."
        return Finding("messages", Health.UNKNOWN, message, remedy)
    return wrong(
        "messages", message, f"Something else writes to {queue.keys.queue().waiting}: find it, or set REDIS_PREFIX."
    )


async def _eviction(queue: Queue) -> Finding:
    """A Redis that evicts throws waiting messages away when it is full; they are found again, but late."""
    try:
        configured = cast("dict[str, str]", await queue.redis.config_get("maxmemory-policy"))
    except ResponseError:
        configured = {}
    policy = configured.get("maxmemory-policy")
    if policy is None:
        return unknown("eviction", "Redis doesn't tell its maxmemory-policy; it should be noeviction")
    if policy != "noeviction":
        return wrong(
            "eviction", f"maxmemory-policy is {policy}", "Set it to noeviction: otherwise a full Redis loses messages."
        )
    return ok("eviction", "maxmemory-policy is noeviction")


async def old_redis(url: str) -> Finding:
    """The existing system's, which is only read."""
    client = make_client(url, socket_connect_timeout=CONNECT_TIMEOUT, socket_timeout=COMMAND_TIMEOUT)
    try:
        await client.ping()
    except REDIS_AWAY as error:
        return wrong(
            "old redis",
            f"LEGACY_REDIS_URL can't be used ({how_away(error)}): tasks that weren't imported can't be read",
            "Start it or correct the URL; once everything has moved, unset LEGACY_REDIS_URL.",
        )
    finally:
        await client.aclose()
    return ok("old redis", "answers: tasks that weren't imported yet are read there")
