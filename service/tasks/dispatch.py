"""After the commit: waiting tasks become messages in Redis."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from schema.messages import Reason
from schema.models.tasks import TaskRecord
from service.database import UNAVAILABLE, Connection, Pool
from service.queue import REDIS_AWAY, Queue
from service.queue.thrown_away import ThrownAway
from service.sparing import Sparing
from service.tasks import store
from service.tasks.store import Announcement

BATCH = 500
BREATH = 1.0
"""Seconds without a try after Redis failed. What is announced meanwhile keeps its mark, and a chore sends it."""

GATHER = 0.1
"""Seconds between two strikes: under load one statement does for all that were sent meanwhile."""

SEND_EVERY = 0.005
"""Seconds between two sends, likewise: a message that comes alone is sent at once, one of many within these."""

CLOSE_WITHIN = 5.0

log = structlog.get_logger(__name__)


class Dispatcher:
    """Sends messages in batches, off the path of the requests that caused them.

    Nothing depends on it: a task that isn't sent here keeps the mark it was committed with (`dispatched_at` null).
    """

    def __init__(self, pool: Pool, queue: Queue) -> None:
        self._pool = pool
        self._queue = queue
        self._announced: deque[Announcement] = deque()
        self._awake = asyncio.Event()
        self._sent: deque[Announcement] = deque()
        self._sent_some = asyncio.Event()
        self._sent_all = False
        self._closing = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._thrown_away = ThrownAway()

    @property
    def queue(self) -> Queue:
        """Where the messages go."""
        return self._queue

    async def start(self) -> None:
        """Begin to send."""
        self._loop = asyncio.create_task(self._run(), name="dispatcher")

    async def close(self) -> None:
        """Send what is still to be sent, and stop; within a few seconds, even if nobody answers."""
        self._closing.set()
        self._awake.set()
        if self._loop is not None:
            await asyncio.wait({self._loop}, timeout=CLOSE_WITHIN)
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    def announce(self, task_id: str, message_no: int) -> None:
        """Send a message for a waiting task, soon."""
        self._announced.append((task_id, message_no))
        self._awake.set()

    async def send(self, announcements: Sequence[Announcement]) -> bool:
        """Send now, and strike off the marks; False when that was not possible."""
        return await self._send(announcements) and await self._strike_off(announcements)

    async def _send(self, announcements: Sequence[Announcement]) -> bool:
        try:
            await self._queue.send(announcements)
        except REDIS_AWAY as error:
            log.warning(
                "dispatch failed; a chore will send these", tasks=len(announcements), error=type(error).__name__
            )
            return False
        return True

    async def _strike_off(self, announcements: Sequence[Announcement]) -> bool:
        try:
            if ended := await self._mark(announcements):
                await self._queue.withdraw(ended)
        except (*REDIS_AWAY, *UNAVAILABLE) as error:
            log.warning(
                "sent, and not noted; a chore will send these again",
                tasks=len(announcements),
                error=type(error).__name__,
            )
            return False
        return True

    async def _mark(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Strike off the marks. Those that were cancelled since their commit: their messages must not stay behind."""
        sparing = Sparing(self._pool, "dispatch")

        async def mark(connection: Connection, some: Sequence[Announcement]) -> list[Announcement]:
            waiting = await store.mark_dispatched(connection, some)
            return [one for one in some if one[0] not in waiting]

        return [one for ended in await sparing.together(announcements, _task_id, mark) for one in ended]

    async def withdraw(self, tasks: Sequence[TaskRecord]) -> None:
        """After tasks ended without a worker: take their messages out of the queue."""
        if not tasks:
            return
        try:
            await self._queue.withdraw([(task.task_id, task.message_no) for task in tasks])
        except REDIS_AWAY as error:
            # A message without a waiting task wakes a worker for nothing; that is all.
            log.warning("messages not withdrawn", tasks=len(tasks), error=type(error).__name__)

    async def count_unknown(self, task_id: str) -> None:
        """Note, for the doctor, a message that named no task."""
        self._thrown_away.tell(Reason.NO_TASK, task_id)
        try:
            await self._queue.count_refused(Reason.NO_TASK)
        except REDIS_AWAY as error:
            log.debug("message not counted", task_id=task_id, error=type(error).__name__)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as together:
            together.create_task(self._strike_off_sent(), name="dispatcher's marks")
            while self._announced or not self._closing.is_set():
                await self._awake.wait()
                self._awake.clear()
                while self._announced:
                    batch = _some(self._announced)
                    if not await _alive(self._send(batch), tasks=len(batch)):
                        self._announced.clear()
                        await self._breathe(BREATH)
                        continue
                    self._sent.extend(batch)
                    self._sent_some.set()
                    if len(self._announced) < BATCH:
                        await self._breathe(SEND_EVERY)
            self._sent_all = True
            self._sent_some.set()

    async def _strike_off_sent(self) -> None:
        """One that comes alone is noted at once."""
        while self._sent or not self._sent_all:
            await self._sent_some.wait()
            self._sent_some.clear()
            while self._sent:
                batch = _some(self._sent)
                await _alive(self._strike_off(batch), tasks=len(batch))
                await self._breathe(GATHER)

    async def _breathe(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


def _some(waiting: deque[Announcement]) -> list[Announcement]:
    return [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]


async def _alive(step: Awaitable[bool], *, tasks: int) -> bool:
    """Whatever it was, the dispatcher's loops must live: without them every task would wait for a chore."""
    try:
        return await step
    except Exception:
        log.exception("dispatch failed unexpectedly; a chore will send these", tasks=tasks)
        return False


def _task_id(announcement: Announcement) -> str:
    return announcement[0]


async def sweep_undispatched(
    pool: Pool, dispatcher: Dispatcher, *, grace: timedelta, limit: int, now: datetime | None = None
) -> int:
    """Send what was marked and not sent: Redis or a process was away, or a back-off is over. How many were sent."""
    sent = 0
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.undispatched_tasks(connection, grace=grace, limit=limit, after=last, now=now)
        if not page or not await dispatcher.send([(marked.task_id, marked.message_no) for marked in page]):
            return sent
        sent += len(page)
        last = page[-1]


async def sweep_lost_messages(
    pool: Pool, queue: Queue, *, age: timedelta, limit: int, now: datetime | None = None
) -> int:
    """Mark waiting tasks whose message Redis has lost (flushed, restarted without its data, evicted). How many.

    While nothing waits, Redis isn't asked. Whoever waits without a turn gets one: nobody else would come to them.
    """
    sparing = Sparing(pool, "lost messages")
    lost = 0
    after = ""
    while True:
        async with pool.acquire() as connection:
            page = await store.dispatched_tasks(connection, after=after, age=age, limit=limit, now=now)
        if not page:
            return lost
        if not after and (dropped := await queue.drop_unreachable()):
            log.warning("redis has lost its list of messages, or a worker's", messages=dropped)
        after = page[-1][0]
        if lined_up := sum(map(len, await sparing.together(page, _task_id, store.line_up))):
            log.warning("users who wait had no turn; they have one again", users=lined_up)
        marked = await sparing.together(await queue.missing(page), _task_id, store.mark_lost_messages)
        lost += sum(len(some) for some in marked)
