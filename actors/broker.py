"""A broker on Redis for Dramatiq's workers: they sleep on a bell instead of polling, and no message stops them.

Not Dramatiq's own: that one asks Redis for `KEYS`, which hosted ones refuse and which takes long in a large one, it
touches a key outside of its namespace, and a message that it can't decode stops it for ever.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import cast
from uuid import uuid4

import redis
import structlog
from dramatiq import Broker, Consumer, Message, MessageProxy
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware

from schema.messages import (
    ACTORS,
    LONGEST_MESSAGE,
    REFUSED_FOR_SECONDS,
    Keys,
    MessageRefused,
    Reason,
    decode_message,
)
from service.queue import load_script
from service.queue.errors import RedisState, RedisTrouble, trouble_with_redis
from service.queue.thrown_away import ThrownAway

IDLE_LOOK = 1.0
"""Seconds between two looks of an idle consumer, for the case that a wake-up was missed."""

LOOK_AGAIN_AFTER = 1.0
"""Seconds until the next try, where Redis can't be used or the worker is about to stop."""

SUBSCRIBE_AGAIN_AFTER = 1.0
BEAT_EVERY = 5.0
DEAD_AFTER = 15.0
"""A worker silent for so many seconds counts as dead, or for three looks, if those are longer; each look with a beat
also looks for dead workers' messages. Too early is harmless: they're only hints."""

REDIS_SILENCE = 5.0
"""Seconds without an answer after which a connection counts as lost: a Redis that vanished sends no farewell."""

log = structlog.get_logger(__name__)


class WakingBroker(Broker):
    """One bell per queue, rung by a subscription to the wake channel.

    `open` it before anything is consumed: whose keys they are is known only once the database was asked.
    """

    def __init__(self, *, url: str, middleware: Iterable[Middleware], idle_look: float = IDLE_LOOK) -> None:
        super().__init__(middleware=list(middleware))
        self.worker = uuid4().hex
        self.client = redis.Redis.from_url(url, socket_connect_timeout=REDIS_SILENCE, socket_timeout=REDIS_SILENCE)
        self.fetch = self.client.register_script(load_script("fetch"))
        self.settle = self.client.register_script(load_script("settle"))
        self.give_back = self.client.register_script(load_script("give_back"))
        self.idle_look = idle_look
        self.stopping = threading.Event()
        self.thrown_away = ThrownAway()
        self._troubles: dict[str, RedisTrouble] = {}
        """Of each queue whose messages can't be taken: why not."""
        self._keys: Keys | None = None
        self._bells: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="wake-listener", daemon=True)

    @property
    def keys(self) -> Keys:
        """The names of what is ours in Redis."""
        if self._keys is None:
            raise RuntimeError("the broker has not been opened")
        return self._keys

    @property
    def trouble(self) -> RedisTrouble | None:
        """What keeps messages of some queue from being taken."""
        return next(iter(list(self._troubles.values())), None)

    @property
    def hindrance(self) -> str | None:
        """What keeps this worker from taking messages, in words."""
        return None if self.trouble is None else str(self.trouble)

    def open(self, keys: Keys) -> None:
        """From now on messages can be consumed."""
        self._keys = keys

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> "WakingConsumer":  # noqa: ARG002 - the bell replaces it
        if not self._listener.is_alive():
            self._listener.start()
        return WakingConsumer(self, queue_name, prefetch)

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue without a delay queue: what has to wait, waits in PostgreSQL."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def bell(self, queue_name: str) -> threading.Event:
        """What the queue's consumer sleeps on."""
        return self._bells.setdefault(queue_name, threading.Event())

    def stop_fetching(self) -> None:
        """From now on messages are left to other workers; this one still says that it lives."""
        self.stopping.set()
        self._ring()

    def note(self, queue_name: str, trouble: RedisTrouble | None) -> None:
        """Whether a queue's messages can be taken; told when it changes."""
        before = self._troubles.get(queue_name)
        if trouble is None:
            self._troubles.pop(queue_name, None)
        else:
            self._troubles[queue_name] = trouble
        if trouble is not None and (before is None or before.state is not trouble.state):
            # What passes by itself is the weather; the rest waits for somebody.
            level = logging.WARNING if trouble.state in {RedisState.AWAY, RedisState.LOADING} else logging.ERROR
            log.log(level, "can't take messages", queue=queue_name, reason=trouble.what, remedy=trouble.remedy)
        elif trouble is None and before is not None:
            log.info("messages can be taken again", queue=queue_name)

    def close(self) -> None:
        self._closing.set()
        self.client.connection_pool.disconnect()
        if self._listener.is_alive():
            self._listener.join(SUBSCRIBE_AGAIN_AFTER)

    def _ring(self, queue_name: str | None = None) -> None:
        for name, bell in list(self._bells.items()):
            if queue_name in {None, name}:
                bell.set()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                with self.client.pubsub(ignore_subscribe_messages=True) as subscription:
                    subscription.subscribe(self.keys.wake)
                    # What was sent while nobody listened is looked for once.
                    self._ring()
                    while not self._closing.is_set():
                        message = cast("dict[str, bytes] | None", subscription.get_message(timeout=IDLE_LOOK))
                        if message is not None:
                            self._ring(message["data"].decode(errors="replace"))
            except Exception as error:  # noqa: BLE001 - a connection that is closed while it is read breaks in many ways
                log.debug("not subscribed to wake-ups; polling", error=type(error).__name__)
                self._closing.wait(SUBSCRIBE_AGAIN_AFTER)


class WakingConsumer(Consumer):
    """Sleeps on a bell between fetches. It rings when messages arrive, and when a slot of ours becomes free.

    Whatever Redis refuses (it is full, read-only after a fail-over, forbids something) is told, and tried again.
    """

    def __init__(self, broker: WakingBroker, queue_name: str, prefetch: int) -> None:
        self._broker = broker
        self._queue_name = queue_name
        self._keys = broker.keys.queue(queue_name)
        self._held = self._keys.held_by + broker.worker
        self._prefetch = prefetch
        self._bell = broker.bell(queue_name)
        self._fetched: deque[tuple[bytes, bytes | int | None]] = deque()
        self._handed_out: set[bytes] = set()
        self._beat_at = 0.0
        self._unsure = True
        """Whether Redis may count messages as ours that never arrived."""

    def __next__(self) -> MessageProxy | None:
        # Cleared before the look: whatever arrives after it rings again.
        self._bell.clear()
        message = None
        try:
            message = self._take()
            self._broker.note(self._queue_name, None)
        except redis.RedisError as error:
            self._unsure = True
            self._broker.note(self._queue_name, trouble_with_redis(error))
        if message is None:
            usual = self._broker.trouble is None and not self._broker.stopping.is_set()
            self._bell.wait(self._broker.idle_look if usual else min(self._broker.idle_look, LOOK_AGAIN_AFTER))
        return message

    def ack(self, message: MessageProxy) -> None:
        identity = cast("bytes", message.options["redis_message_id"])
        try:
            with _losing_connections():
                self._settle(identity)
        finally:
            self._handed_out.discard(identity)
        self._bell.set()

    def nack(self, message: MessageProxy) -> None:
        self.ack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Let messages that nobody has begun with wait again."""
        for message in messages:
            self._handed_out.discard(cast("bytes", message.options["redis_message_id"]))
        with _losing_connections():
            self._let_others_wait()

    def close(self) -> None:
        """What was fetched and not handed out waits again."""
        self._fetched.clear()
        with _losing_connections():
            self._let_others_wait()

    def _take(self) -> MessageProxy | None:
        if self._unsure:
            self._let_others_wait()
            self._unsure = False
        while self._fetched or self._fetch():
            identity, body = self._fetched.popleft()
            try:
                task_id = self._read(body)
            except MessageRefused as refused:
                self._settle(identity, refused.reason)
                self._broker.thrown_away.tell(refused.reason, identity)
                continue
            self._handed_out.add(identity)
            return MessageProxy(
                Message(
                    queue_name=self._queue_name,
                    actor_name=ACTORS[self._queue_name],
                    args=(task_id,),
                    kwargs={},
                    options={"redis_message_id": identity},
                    message_id=identity.decode(errors="replace"),
                )
            )
        return None

    def _read(self, body: bytes | int | None) -> str:
        if body is None:
            raise MessageRefused(Reason.MISSING)
        if isinstance(body, int):
            raise MessageRefused(Reason.TOO_LONG)
        return decode_message(self._broker.keys, body, self._queue_name)

    def _fetch(self) -> bool:
        """Get messages for the slots that are free, and say now and then that we live; whether any came."""
        free = 0 if self._broker.stopping.is_set() else max(0, self._prefetch - len(self._handed_out))
        beat = time.monotonic() >= self._beat_at
        if not free and not beat:
            return False
        keys = self._keys
        back, *fetched = cast(
            "list[bytes | int | None]",
            self._broker.fetch(
                keys=[keys.waiting, keys.messages, keys.workers, self._held],
                args=[free, LONGEST_MESSAGE, self._broker.worker, keys.held_by, self._dead_after_ms if beat else 0],
            ),
        )
        if beat:
            self._beat_at = time.monotonic() + BEAT_EVERY
        if back:
            self._bell.set()
        self._fetched.extend(zip(cast("list[bytes]", fetched[::2]), fetched[1::2], strict=True))
        return bool(fetched)

    @property
    def _dead_after_ms(self) -> int:
        return round(max(DEAD_AFTER, 3 * self._broker.idle_look) * 1000)

    def _settle(self, identity: bytes, reason: Reason | None = None) -> None:
        self._broker.settle(
            keys=[self._keys.messages, self._held, self._keys.refused],
            args=[identity, reason or "", REFUSED_FOR_SECONDS],
        )

    def _let_others_wait(self) -> None:
        """All that Redis counts as ours, and that we don't have: a connection broke while it was fetched."""
        ours = [*self._handed_out, *(identity for identity, _ in self._fetched)]
        self._broker.give_back(keys=[self._keys.waiting, self._keys.messages, self._held], args=ours)


@contextmanager
def _losing_connections() -> Generator[None]:
    """Dramatiq knows lost connections only, and tries those again.

    An acknowledgement that is refused for another reason would be given up, and its message count as in work for as
    long as this process lives.
    """
    try:
        yield
    except redis.RedisError as error:
        raise ConnectionClosed(error) from None
