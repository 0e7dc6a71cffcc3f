"""Tasks that weren't imported yet are read where they are: in the Redis of the system before this one."""

import asyncio
import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import Final, cast

import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from schema.models.tasks import LINE, Priority, TaskRecord
from service.database import Pool
from service.legacy import store
from service.legacy.records import RawTask, Task, Unreadable
from service.legacy.records.tasks import Zone, read_task
from service.legacy.records.values import zone_of
from service.queue.client import make_client
from service.tasks.older import OlderAway

PATIENCE: Final = 0.08
"""Seconds that the old Redis gets for an answer, until one that is far away is known to take longer."""

MOST_PATIENCE: Final = 0.5
"""Seconds that one gets which is far away, as hosted ones may be."""

LOOK_WITHIN: Final = 3.0
"""Seconds for a look that nobody waits for any more, the connection and its handshake included."""

REST: Final = 1.0
"""Seconds in which it isn't asked again after it gave none."""

OURS: Final = re.compile(r"task_[0-9a-hjkmnp-tv-z]{26}")
"""Ids of tasks that were made here: the old system has none of them."""

log = structlog.get_logger(__name__)


class LegacyReader:
    """Reads single tasks, with the owner check made against the user id that Redis holds. One per event loop."""

    def __init__(self, pool: Pool, url: str, prefix: str) -> None:
        self._pool = pool
        self._redis = make_client(
            url, socket_connect_timeout=LOOK_WITHIN, socket_timeout=LOOK_WITHIN, retry=Retry(NoBackoff(), 0)
        )
        self._data_key = f"{prefix}task:data:"
        self._resting_until = 0.0
        self._patience = PATIENCE
        self._looks: set[asyncio.Task[dict[bytes, bytes]]] = set()

    async def close(self) -> None:
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        await self._redis.aclose()

    async def get_task(self, user_id: str, task_id: str) -> TaskRecord | None:
        """The task, if it is this user's there and wasn't deleted here.

        Raises:
            OlderAway: The old Redis doesn't answer.
        """
        if OURS.fullmatch(task_id):
            return None
        fields = await self._fields(task_id)
        if not fields:
            return None
        async with self._pool.acquire() as connection:
            standing = await store.legacy_standing(connection, task_id)
        if standing.gone:
            return None
        task = read_task(RawTask(task_id, fields), Zone(standing.timezone, zone_of(standing.timezone)))
        if isinstance(task, Unreadable) or task.user_id != user_id:
            return None
        return record_of(task)

    async def forget(self, task_id: str) -> None:
        async with self._pool.acquire() as connection:
            await store.bury_task(connection, task_id)

    async def _fields(self, task_id: str) -> dict[bytes, bytes]:
        """A look that takes too long goes on by itself: its connection, and how far it went, are of use to the next."""
        began = time.monotonic()
        if began < self._resting_until:
            raise OlderAway
        look = asyncio.create_task(self._look(task_id))
        self._looks.add(look)
        look.add_done_callback(partial(self._looked, began))
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(look)
        except (RedisError, OSError, TimeoutError) as error:
            self._resting_until = time.monotonic() + REST
            log.warning("the old redis is away", error=type(error).__name__)
            raise OlderAway from None

    async def _look(self, task_id: str) -> dict[bytes, bytes]:
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                return await cast("asyncio.Future[dict[bytes, bytes]]", self._redis.hgetall(self._data_key + task_id))
        except RedisError as error:
            if str(error).startswith("WRONGTYPE"):
                return {}
            raise

    def _looked(self, began: float, look: asyncio.Task[dict[bytes, bytes]]) -> None:
        self._looks.discard(look)
        took = time.monotonic() - began
        if look.cancelled() or look.exception() is not None:
            self._patience = PATIENCE
        elif took > self._patience:
            # It is there, and that far away.
            self._patience = min(2 * took, MOST_PATIENCE)
            self._resting_until = 0.0


def record_of(task: Task) -> TaskRecord:
    """A task that is still in the old system, as a row would have it."""
    created_at = task.created_at or datetime.now(UTC)
    ended_at = (task.ended_at or created_at) if task.status.ended else None
    ends = {"done": "completed_at", "failed": "failed_at", "cancelled": "cancelled_at"}
    times: dict[str, datetime | None] = dict.fromkeys(ends.values())
    if ended_at is not None:
        times[ends[task.status]] = ended_at
    refunded = task.status.ended and task.status != "done"
    return TaskRecord(
        task_id=task.task_id,
        user_id=task.user_id,
        status=task.status,
        mode=task.mode,
        priority=Priority.NORMAL,
        progress=task.progress,
        current_step=task.current_step,
        source_image=task.source_image,
        reference_image=task.reference_image,
        config=task.config,
        result=task.result,
        error=task.error,
        webhook_url=None,
        webhook_events=None,
        credits_consumed=task.credits_consumed,
        credits_refunded=task.credits_consumed if refunded else 0,
        attempts=0,
        retry_of=None,
        created_at=created_at,
        updated_at=task.updated_at or created_at,
        started_at=None if ended_at is None else min(created_at, ended_at),
        **times,
        processing_time=None if ended_at is None else max((ended_at - created_at).total_seconds(), 0.0),
        line=LINE[Priority.NORMAL],
        not_before=None,
        dispatched_at=None,
        message_no=0,
        lease_token=0,
        lease_expires_at=None,
        worker_id=None,
        legacy_fingerprint=task.fingerprint,
        legacy_expires_at=None,
        elsewhere=not task.status.ended,
        taken_over_at=None,
        queued_at=created_at,
        requeued_for=None,
        batch_id=None,
        deadline_at=None,
    )
