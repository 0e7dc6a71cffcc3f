"""Webhooks in a worker process: a broker and threads of their own, so that no edit waits for them, and they for none.

Both share the event loop, in which nothing is computed, and the connections.
"""

import asyncio
from typing import Final

import dramatiq
import structlog
from dramatiq import Worker

from actors.boots import Boots
from actors.broker import BEAT_EVERY, WakingBroker
from schema.messages import DELIVER_ACTOR, DELIVERIES, Keys
from service.database import Pool
from service.database.away import UNAVAILABLE
from service.event_urls import EventUrls
from service.files.storage import Storage
from service.files.urls import FileUrls
from service.outbound.guard import outbound_client
from service.presenting import Presenter
from service.processes.farewell import ended, in_passing
from service.settings import Settings
from service.tasks import store as tasks
from service.webhooks.calling import ANSWER_WITHIN
from service.webhooks.contents import HOURS, Contents
from service.webhooks.delivering import Deliverer
from service.webhooks.secrets import Seal

THREADS: Final = 8
"""Deliveries at a time in one process. They wait for others' servers, and a few that hang must not fill them all."""

END_WITHIN: Final = 5.0
"""Seconds that those which run get when the worker is to stop; what they leave is due again soon."""

THREADS_END_WITHIN_MS: Final = 2000

log = structlog.get_logger(__name__)


class Deliveries:
    """What a worker process delivers webhooks with. `open` it in the event loop before anything is taken."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._deliverer: Deliverer | None = None
        self._worker: Worker | None = None
        self._running: set[asyncio.Task[None]] = set()
        self.seal = Seal(settings.require_secret())
        self._client = outbound_client(allow_private=settings.webhook_allow_private, seconds=ANSWER_WITHIN)
        # No more often than it says that it lives: what nobody took is announced again, and rung for, by a chore.
        idle_look = max(BEAT_EVERY, float(settings.idle_look_seconds))
        self.broker = WakingBroker(url=settings.redis_url, middleware=[], idle_look=idle_look)

        @dramatiq.actor(broker=self.broker, actor_name=DELIVER_ACTOR, queue_name=DELIVERIES)
        async def deliver(delivery_id: str) -> None:  # pyright: ignore[reportUnusedFunction] - the broker knows it by name
            await self._take(delivery_id)

    def start(self) -> None:
        """Begin to take messages."""
        boots = Boots()
        self.broker.add_middleware(boots)
        self._worker = Worker(self.broker, queues={DELIVERIES}, worker_threads=THREADS)
        self._worker.queue_prefetch = THREADS
        self._worker.start()
        boots.wait_for(THREADS + len(self._worker.consumers))

    def open(self, pool: Pool, storage: Storage, keys: Keys) -> None:
        """From now on messages can be taken."""
        keys_, public = self._settings.require_secret(), self._settings.public_url
        present = Presenter(FileUrls(keys_, public, storage), EventUrls(keys_, public, hours=HOURS), hours=HOURS)
        self._deliverer = Deliverer(pool, Contents(present, tasks.get_batch), self.seal, self._client)
        self.broker.open(keys)

    def stop(self) -> None:
        """Take no further messages."""
        self.broker.stop_fetching()
        if self._deliverer is not None:
            self._deliverer.stop()

    async def close(self) -> None:
        """Let those that run end, for a moment."""
        if self._running:
            await asyncio.wait(self._running, timeout=END_WITHIN)
        for running in self._running:
            running.cancel()
        await in_passing(ended(self._running.copy()))
        await self._client.aclose()

    def end(self) -> None:
        """Let the threads go, which have nothing left to do."""
        if self._worker is not None:
            self._worker.stop(timeout=THREADS_END_WITHIN_MS)
        self.broker.close()

    async def _take(self, delivery_id: str) -> None:
        if self._deliverer is None:
            raise RuntimeError("the worker has not booted")
        running = asyncio.create_task(self._attempt(self._deliverer, delivery_id))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        await asyncio.wait({running})

    async def _attempt(self, deliverer: Deliverer, delivery_id: str) -> None:
        try:
            await deliverer.take(delivery_id)
        except UNAVAILABLE as error:
            # Its row is due again when its lease is over.
            log.warning("webhook put off", delivery_id=delivery_id, error=type(error).__name__)
        except Exception:
            log.exception("webhook failed unexpectedly", delivery_id=delivery_id)
