"""Redis: where messages wait, and where ends are told. A hint only: PostgreSQL knows what is true."""

from collections.abc import Iterable, Sequence
from typing import cast

import redis.asyncio as aioredis
from dramatiq import Message
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from schema.messages import EDIT_ACTOR, EDITS, ENDED_CHANNEL, WAKE_CHANNEL, message_id

REDIS_AWAY = (RedisError, OSError, TimeoutError)
"""What redis-py raises when Redis can't be reached or refuses."""

CONNECT_TIMEOUT = 1.0
COMMAND_TIMEOUT = 2.0

# Dramatiq's layout on Redis: the list `dramatiq:Q` holds ids, the hash `dramatiq:Q.msgs` their messages.
QUEUE_KEY = f"dramatiq:{EDITS}"
MESSAGES_KEY = f"dramatiq:{EDITS}.msgs"

# A message that is still there is not sent twice.
SEND = """
local sent = 0
for i = 1, #ARGV - 2, 2 do
    if redis.call('hsetnx', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
        redis.call('rpush', KEYS[1], ARGV[i])
        sent = sent + 1
    end
end
if sent > 0 then redis.call('publish', ARGV[#ARGV - 1], ARGV[#ARGV]) end
return sent
"""

# Only what still waits in the list is removed: a message that a worker holds is the worker's to acknowledge.
WITHDRAW = """
local removed = 0
for i = 1, #ARGV do
    if redis.call('lrem', KEYS[1], 1, ARGV[i]) > 0 then
        redis.call('hdel', KEYS[2], ARGV[i])
        removed = removed + 1
    end
end
return removed
"""


def encode_message(task_id: str, message_no: int) -> tuple[str, bytes]:
    """The id and the bytes of the Dramatiq message that announces a task."""
    identity = message_id(task_id, message_no)
    message = Message[None](
        queue_name=EDITS,
        actor_name=EDIT_ACTOR,
        args=(task_id,),
        kwargs={},
        options={"redis_message_id": identity},
        message_id=identity,
    )
    return identity, message.encode()


class Queue:
    """The broker's Redis, for everybody but Dramatiq's own consumers."""

    def __init__(self, url: str) -> None:
        self.redis = aioredis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=COMMAND_TIMEOUT,
            health_check_interval=30,
        )
        self._send = self.redis.register_script(SEND)
        self._withdraw = self.redis.register_script(WITHDRAW)

    async def send(self, announcements: Iterable[tuple[str, int]]) -> None:
        """Put one message per (task, message number) into the queue, and wake idle workers."""
        arguments: list[str | bytes] = []
        for task_id, message_no in announcements:
            arguments += encode_message(task_id, message_no)
        await self._send(keys=[QUEUE_KEY, MESSAGES_KEY], args=[*arguments, WAKE_CHANNEL, EDITS])

    async def withdraw(self, announcements: Iterable[tuple[str, int]]) -> int:
        """Take messages out of the queue unless a worker has them already; how many were taken."""
        identities = [message_id(*announcement) for announcement in announcements]
        return int(await self._withdraw(keys=[QUEUE_KEY, MESSAGES_KEY], args=identities))

    async def missing(self, announcements: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Which of these messages Redis doesn't have any more, neither waiting nor with a worker."""
        identities = [message_id(*announcement) for announcement in announcements]
        found = cast("list[bytes | None]", await self.redis.hmget(MESSAGES_KEY, identities))
        return [one for one, message in zip(announcements, found, strict=True) if message is None]

    async def tell_ended(self, task_id: str) -> None:
        """Tell whoever waits for the task that it has ended."""
        await self.redis.publish(ENDED_CHANNEL, task_id)

    def subscribe(self) -> PubSub:
        """A subscription; the caller closes it."""
        return self.redis.pubsub(ignore_subscribe_messages=True)

    async def length(self) -> int:
        """How many messages wait in the queue."""
        return int(await self.redis.llen(QUEUE_KEY))

    async def ping(self) -> None:
        """Raise what REDIS_AWAY names unless Redis answers."""
        await self.redis.ping()

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose()
