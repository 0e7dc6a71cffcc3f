"""Clients of Redis whose commands can be cancelled."""

import asyncio
from collections.abc import Iterable
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.maint_notifications import MaintNotificationsConfig


class Heeding(AbstractConnection):
    """Before Python 3.12 redis-py loses a cancellation that comes at the moment in which a command has been sent.

    `asyncio.wait_for` swallows it there (python/cpython#86296), and whoever was to end goes on: a loop for good.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await super().send_packed_command(command, check_health)
        if task and task.cancelling() > before:
            # The answer is still to come, and nobody is going to read it.
            await self.disconnect(nowait=True)
            raise asyncio.CancelledError


class HeedingConnection(Heeding, Connection):
    pass


class HeedingSSLConnection(Heeding, SSLConnection):
    pass


class HeedingUnixConnection(Heeding, UnixDomainSocketConnection):
    pass


HEEDING: dict[type[AbstractConnection], type[Heeding]] = {
    Connection: HeedingConnection,
    SSLConnection: HeedingSSLConnection,
    UnixDomainSocketConnection: HeedingUnixConnection,
}


def make_client(url: str, **options: Any) -> aioredis.Redis:
    """A client for the running event loop; nothing is connected yet. Raises ValueError for what is no URL of Redis.

    It asks for no news of a host's maintenance: whoever may be told of that, redis-py gives connections that have ended
    meanwhile (Redis was started again, a proxy closes what idles), and each fails one command while Redis is well.
    """
    no_news = MaintNotificationsConfig(enabled=False)
    client = aioredis.Redis.from_url(url, maint_notifications_config=no_news, **options)
    pool = client.connection_pool
    pool.connection_class = HEEDING[pool.connection_class]
    return client
