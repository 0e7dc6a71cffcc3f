"""Redis: where messages wait, and where ends are told. A hint only: PostgreSQL knows what is true."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import chain
from secrets import token_hex
from typing import cast

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError, ResponseError

from schema.messages import (
    ACTORS,
    DELIVERIES,
    EDITS,
    REFUSED_FOR_SECONDS,
    Announcement,
    Change,
    Keys,
    Reason,
    encode_change,
    encode_message,
    message_id,
)
from schema.models.tasks import TaskStatus
from service.queue.client import make_client
from service.sharing.together import Together

REDIS_AWAY = (RedisError, OSError, TimeoutError)
"""What redis-py raises when Redis can't be reached or refuses."""

CONNECT_TIMEOUT = 1.0
COMMAND_TIMEOUT = 2.0
NOBODY = "nobody"
"""The queue that is named when workers are woken to see whether that works."""


def load_script(name: str) -> str:
    """The text of `schema/scripts/{name}.lua`."""
    return files("schema").joinpath("scripts", f"{name}.lua").read_text()


def keys_to_work(keys: Keys) -> list[str]:
    """What `try_to_work` is told: the keys of an attempt, and those that a worker uses."""
    attempt = f"attempt.{token_hex(8)}"
    tried, *used = (
        (queue.waiting, queue.messages, queue.workers, queue.held_by + NOBODY, queue.refused)
        for queue in map(keys.queue, (attempt, *ACTORS))
    )
    return [*tried, keys.rate(attempt, NOBODY), *chain.from_iterable(used)]


class Queue:
    """The broker's Redis, for everybody but Dramatiq's own consumers."""

    def __init__(self, url: str, keys: Keys) -> None:
        self.keys = keys
        self.redis = make_client(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=COMMAND_TIMEOUT,
            health_check_interval=30,
        )
        self._telling = Together(self._tell)
        self._edits = keys.queue()
        self._deliveries = keys.queue(DELIVERIES)
        self._send = self.redis.register_script(load_script("send"))
        self._withdraw = self.redis.register_script(load_script("withdraw"))
        self._drop_unreachable = self.redis.register_script(load_script("drop_unreachable"))
        self._try_to_send = self.redis.register_script(load_script("try_to_send"))
        self._try_to_work = self.redis.register_script(load_script("try_to_work"))
        self._settle = self.redis.register_script(load_script("settle"))
        self._tell_all = self.redis.register_script(load_script("tell"))

    async def send(self, announcements: Iterable[Announcement]) -> None:
        """Put one message per (task, message number) into the queue, and wake idle workers."""
        arguments: list[str | bytes] = []
        for task_id, message_no in announcements:
            arguments += encode_message(self.keys, task_id, message_no)
        await self._send(keys=[self._edits.waiting, self._edits.messages], args=[*arguments, self.keys.wake, EDITS])

    async def send_deliveries(self, announcements: Iterable[Announcement]) -> None:
        """Likewise, for webhooks that are due."""
        arguments: list[str | bytes] = []
        for delivery_id, message_no in announcements:
            arguments += encode_message(self.keys, delivery_id, message_no, DELIVERIES)
        keys = [self._deliveries.waiting, self._deliveries.messages]
        await self._send(keys=keys, args=[*arguments, self.keys.wake, DELIVERIES])

    async def withdraw(self, announcements: Iterable[Announcement]) -> int:
        """Take messages out of the queue unless a worker has them already; how many were taken."""
        identities = [message_id(*announcement) for announcement in announcements]
        return int(await self._withdraw(keys=[self._edits.waiting, self._edits.messages], args=identities))

    async def drop_unreachable(self, name: str = EDITS) -> int:
        """Forget messages that no worker would ever get: they count as missing then. How many there were."""
        queue = self.keys.queue(name)
        keys = [queue.waiting, queue.messages, queue.workers]
        return int(await self._drop_unreachable(keys=keys, args=[queue.held_by]))

    async def missing(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Which of these messages Redis doesn't have any more, neither waiting nor with a worker."""
        identities = [message_id(*announcement) for announcement in announcements]
        found = cast("list[bytes | None]", await self.redis.hmget(self._edits.messages, identities))
        return [one for one, message in zip(announcements, found, strict=True) if message is None]

    async def tell_changed(self, task_id: str, status: TaskStatus, user_id: str | None = None) -> None:
        """Tell whoever watches the task, or all tasks of its user, what its status is now."""
        await self.tell_changes([Change(task_id, status, user_id)])

    async def tell_changes(self, changes: Sequence[Change]) -> None:
        """Tell them of several tasks, in one round trip; with what others tell at the same time."""
        await self._telling.ask(changes)

    async def _tell(self, several: Sequence[Sequence[Change]]) -> Sequence[None]:
        changes = [encode_change(change) for change in chain.from_iterable(several)]
        await self._tell_all(keys=[], args=[self.keys.changed, *changes])
        return [None] * len(several)

    def subscribe(self) -> PubSub:
        """A subscription; the caller closes it."""
        return self.redis.pubsub(ignore_subscribe_messages=True)

    async def length(self) -> int:
        """How many messages wait in the queue."""
        return int(await self.redis.llen(self._edits.waiting))

    async def count_refused(self, reason: Reason) -> None:
        """Note that a message was of no use, for the doctor."""
        keys = [self._edits.messages, self._edits.held_by, self._edits.refused]
        await self._settle(keys=keys, args=["", reason, REFUSED_FOR_SECONDS])

    async def refused(self) -> dict[str, int]:
        """How many messages were thrown away, by reason; forgotten an hour after the last one."""
        counts = cast("dict[bytes, bytes]", await self.redis.hgetall(self._edits.refused))
        told = {reason.decode(errors="replace"): count for reason, count in counts.items()}
        return {reason: int(count) for reason, count in told.items() if reason.isprintable() and count.isdigit()}

    async def ping(self) -> None:
        """Raise what REDIS_AWAY names unless Redis answers."""
        await self.redis.ping()

    async def try_to_send(self) -> None:
        """Raise what REDIS_AWAY names unless a message could be sent now."""
        queues = map(self.keys.queue, (f"attempt.{token_hex(8)}", *ACTORS))
        keys = [key for queue in queues for key in (queue.waiting, queue.messages)]
        await self._try_to_send(keys=keys, args=[self.keys.wake, NOBODY])

    async def try_to_work(self) -> None:
        """Raise what REDIS_AWAY names unless a worker could take messages and settle them now."""
        await self._try_to_work(keys=keys_to_work(self.keys), args=[self.keys.wake, NOBODY])
        # What isn't done by a script, and needs a right of its own.
        await self.length()
        await self.missing([(NOBODY, 0)])
        await self.refused()
        await self.tell_changed(NOBODY, TaskStatus.CANCELLED)
        async with self.subscribe() as subscription:
            await subscription.subscribe(self.keys.wake, self.keys.changed)
            await subscription.get_message(timeout=COMMAND_TIMEOUT)

    async def is_cluster(self) -> bool:
        """Whether it is a cluster and says so; raises what REDIS_AWAY names when it can't be asked at all."""
        try:
            about = cast("dict[str, object]", await self.redis.info("cluster"))
        except ResponseError:
            # Who may not ask is told by the first script, whose keys lie in different slots.
            return False
        return about.get("cluster_enabled") == 1

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose()
