"""Dramatiq's Redis broker, with consumers that wake on arrival instead of polling."""

import threading
from collections.abc import Iterable
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
MAINTENANCE_PER_MILLION = 200_000
"""A worker silent for 15 s counts as dead, and every fifth command looks for dead workers' messages: a message that was
delivered but led to no claim is in the queue again within half a minute. Too early is harmless: it's only a hint."""

log = structlog.get_logger(__name__)


class WakingConsumer(_RedisConsumer):
    """Sleeps on a bell between fetches. It rings when messages arrive, and when a slot of ours becomes free."""

    def __init__(self, broker: "WakingBroker", queue_name: str, prefetch: int) -> None:
        # With a time-out of 0 the parent fetches and returns at once; waiting is done here.
        super().__init__(broker, queue_name, prefetch, 0)
        self._bell = broker.bell

    def __next__(self) -> Any:
        # Cleared before the look: whatever arrives after it rings again.
        self._bell.clear()
        message = super().__next__()
        if message is None:
            if self.outstanding_message_count >= self.prefetch:
                self._beat()
            self._bell.wait(LOOK_EVERY)
        return message

    def _beat(self) -> None:
        """Any command counts as a heartbeat, and with every slot taken the parent sends none."""
        try:
            self.broker.do_fetch(self.queue_name, 0)
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None

    def ack(self, message: Any) -> None:
        super().ack(message)
        self._bell.set()

    def nack(self, message: Any) -> None:
        super().nack(message)
        self._bell.set()


class WakingBroker(RedisBroker):
    """One bell per process, rung by a subscription to the wake channel."""

    def __init__(self, *, url: str, middleware: Iterable[Middleware]) -> None:
        super().__init__(
            url=url,
            middleware=list(middleware),
            heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
            maintenance_chance=MAINTENANCE_PER_MILLION,
        )
        self.bell = threading.Event()
        self._closing = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="wake-listener", daemon=True)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> WakingConsumer:  # noqa: ARG002 - the bell replaces it
        if not self._listener.is_alive():
            self._listener.start()
        return WakingConsumer(self, queue_name, prefetch)

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue without its delay queue: what has to wait, waits in PostgreSQL."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def close(self) -> None:
        self._closing.set()
        self.client.connection_pool.disconnect()
        super().close()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                with cast("PubSub", self.client.pubsub(ignore_subscribe_messages=True)) as subscription:
                    subscription.subscribe(WAKE_CHANNEL)
                    # What was sent while nobody listened is looked for once.
                    self.bell.set()
                    while not self._closing.is_set():
                        if subscription.get_message(timeout=LOOK_EVERY) is not None:
                            self.bell.set()
            except (redis.RedisError, OSError) as error:
                log.debug("not subscribed to wake-ups; polling", error=type(error).__name__)
                self._closing.wait(SUBSCRIBE_AGAIN_AFTER)
