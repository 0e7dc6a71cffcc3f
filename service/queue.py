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

# Dramatiq's layout on Redis: the list `dramatiq:Q` holds ids, the hash `dramatiq:Q.msgs` their messages, and the set
# `dramatiq:__acks__.W.Q` the ids that worker W has; the workers are in a sorted set.
QUEUE_KEY = f"dramatiq:{EDITS}"
MESSAGES_KEY = f"dramatiq:{EDITS}.msgs"
WORKERS_KEY = "dramatiq:__heartbeats__"
HELD_KEY = ("dramatiq:__acks__.", f".{EDITS}")
"""What comes before and after the worker."""

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

# A message is reachable when its id waits in the list, or is with a worker that somebody will find dead one day. An
# evicting Redis may drop one of those keys and keep the messages' hash. As long as the counts agree, nothing else is
# looked at.
DROP_UNREACHABLE = """
local known, held = {}, 0
for _, worker in ipairs(redis.call('zrange', KEYS[3], 0, -1)) do
    local key = ARGV[1] .. worker .. ARGV[2]
    for _, id in ipairs(redis.call('smembers', key)) do
        if redis.call('hexists', KEYS[2], id) == 1 then
            known[id], held = true, held + 1
        else
            redis.call('srem', key, id)
        end
    end
end
if redis.call('hlen', KEYS[2]) <= redis.call('llen', KEYS[1]) + held then return 0 end
for _, id in ipairs(redis.call('lrange', KEYS[1], 0, -1)) do known[id] = true end
local dropped = 0
for _, id in ipairs(redis.call('hkeys', KEYS[2])) do
    if not known[id] then dropped = dropped + redis.call('hdel', KEYS[2], id) end
end
return dropped
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
        self._drop_unreachable = self.redis.register_script(DROP_UNREACHABLE)

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

    async def drop_unreachable(self) -> int:
        """Forget messages that no worker would ever get: they count as missing then. How many there were."""
        return int(await self._drop_unreachable(keys=[QUEUE_KEY, MESSAGES_KEY, WORKERS_KEY], args=HELD_KEY))

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
