"""Dramatiq's Redis broker, with consumers that wake on arrival instead of polling."""

import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import redis
import structlog
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer  # pyright: ignore[reportPrivateUsage]
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware
from redis.client import PubSub

from schema.messages import WAKE_CHANNEL

LOOK_EVERY = 1.0
"""Seconds between two looks of an idle consumer, for the case that a wake-up was missed."""

SUBSCRIBE_AGAIN_AFTER = 1.0
HEARTBEAT_TIMEOUT_MS = 15_000
MAINTENANCE_PER_MILLION = 500_000
"""A worker silent for 15 s counts as dead, and every other command looks for dead workers' messages: a message that was
delivered but led to no claim is in the queue again within half a minute. Too early is harmless: it's only a hint."""

REDIS_SILENCE = 5.0
"""Seconds without an answer after which a connection counts as lost: a Redis that vanished sends no farewell."""

log = structlog.get_logger(__name__)


@contextmanager
def _losing_connections() -> Generator[None]:
    """Whatever Redis refuses (it is full, read-only after a fail-over, silent) is tried again, as on a lost connection.

    Dramatiq knows only those: an acknowledgement that is refused for another reason would be given up, and its message
    count as in work for as long as this process lives.
    """
    try:
        yield
    except redis.RedisError as error:
        raise ConnectionClosed(error) from None


class WakingConsumer(_RedisConsumer):
    """Sleeps on a bell between fetches. It rings when messages arrive, and when a slot of ours becomes free."""

    def __init__(self, broker: "WakingBroker", queue_name: str, prefetch: int) -> None:
        # With a time-out of 0 the parent fetches and returns at once; waiting is done here.
        super().__init__(broker, queue_name, prefetch, 0)
        self._bell = broker.bell(queue_name)
        self._stopping = broker.stopping

    def __next__(self) -> Any:
        # Cleared before the look: whatever arrives after it rings again.
        self._bell.clear()
        message = None
        with _losing_connections():
            if self._stopping.is_set():
                self._beat()
            else:
                message = super().__next__()
                if message is None and self.outstanding_message_count >= self.prefetch:
                    self._beat()
        if message is None:
            self._bell.wait(LOOK_EVERY)
        return message

    def _beat(self) -> None:
        """Any command counts as a heartbeat, and with every slot taken the parent sends none."""
        self.broker.do_fetch(self.queue_name, 0)

    def ack(self, message: Any) -> None:
        with _losing_connections():
            super().ack(message)
        self._bell.set()

    def nack(self, message: Any) -> None:
        with _losing_connections():
            super().nack(message)
        self._bell.set()


class WakingBroker(RedisBroker):
    """One bell per queue, rung by a subscription to the wake channel."""

    def __init__(self, *, url: str, middleware: Iterable[Middleware]) -> None:
        super().__init__(
            client=redis.Redis.from_url(url, socket_connect_timeout=REDIS_SILENCE, socket_timeout=REDIS_SILENCE),
            middleware=list(middleware),
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            maintenance_chance=MAINTENANCE_PER_MILLION,
        )
        self.stopping = threading.Event()
        self._bells: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="wake-listener", daemon=True)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> WakingConsumer:  # noqa: ARG002 - the bell replaces it
        if not self._listener.is_alive():
            self._listener.start()
        self._take_up_lost(queue_name)
        return WakingConsumer(self, queue_name, prefetch)

    def bell(self, queue_name: str) -> threading.Event:
        """What the queue's consumer sleeps on."""
        return self._bells.setdefault(queue_name, threading.Event())

    def stop_fetching(self) -> None:
        """From now on messages are left to other workers; this one still says that it lives."""
        self.stopping.set()

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue without its delay queue: what has to wait, waits in PostgreSQL."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def close(self) -> None:
        self._closing.set()
        self.client.connection_pool.disconnect()
        if self._listener.is_alive():
            self._listener.join(LOOK_EVERY)
        super().close()

    def _take_up_lost(self, queue_name: str) -> None:
        """A connection that broke during a fetch may have lost messages that Redis counts as ours.

        Those that are being worked on come back with them, which is harmless: a message is only a hint.
        """
        with _losing_connections():
            held = cast("set[bytes]", self.client.smembers(f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"))
            if held:
                self.do_requeue(queue_name, *held)

    def _ring(self, queue_name: str | None = None) -> None:
        for name, bell in list(self._bells.items()):
            if queue_name in {None, name}:
                bell.set()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                with cast("PubSub", self.client.pubsub(ignore_subscribe_messages=True)) as subscription:
                    subscription.subscribe(WAKE_CHANNEL)
                    # What was sent while nobody listened is looked for once.
                    self._ring()
                    while not self._closing.is_set():
                        message = cast("dict[str, bytes] | None", subscription.get_message(timeout=LOOK_EVERY))
                        if message is not None:
                            self._ring(message["data"].decode())
            except Exception as error:  # noqa: BLE001 - a connection that is closed while it is read breaks in many ways
                log.debug("not subscribed to wake-ups; polling", error=type(error).__name__)
                self._closing.wait(SUBSCRIBE_AGAIN_AFTER)
