"""Tasks that change, and those who wait for it.

They are told by Redis, and look for themselves once a second in case it is away.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

import structlog

from schema.messages import Change, decode_change
from schema.models.tasks import TaskRecord, TaskStatus
from schema.models.webhooks import delivery_of
from service.database import UNAVAILABLE, Pool
from service.queue import REDIS_AWAY, Queue
from service.sharing.for_everybody import begin_for_everybody
from service.tasks import store
from service.tasks.dispatch import Dispatcher

LOOK_EVERY = 1.0
TELL_EVERY = 0.02
"""Seconds between two times that a worker tells what has changed meanwhile."""

SUBSCRIBE_AGAIN_AFTER = 1.0

log = structlog.get_logger(__name__)


class Changes:
    """The one place from which a task's new status is told, after the commit that gave it.

    Nothing depends on it: watchers look for themselves, and the chores find what has no message.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._untold: list[tuple[TaskRecord, Change]] = []
        self._telling: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def tell(self, task: TaskRecord) -> None:
        """Tell whoever watches; and a task that waits again for anybody gets its message.

        One that waits for its time gets its message then, from the chores.
        """
        await self.tell_all([task])

    async def tell_all(self, tasks: Sequence[TaskRecord]) -> None:
        """The same of several, at once."""
        for task in tasks:
            self._announce(task)
        await self._tell([(task, _change(task)) for task in tasks])

    def tell_soon(self, task: TaskRecord) -> None:
        """The same, and nobody waits for it: with what else changes within TELL_EVERY, but at once after a pause."""
        self._announce(task)
        self._add(task, _change(task))

    def tell_progress(self, task: TaskRecord) -> None:
        """Tell whoever watches, likewise, that it has come a step further."""
        self._add(task, Change(task.task_id, None, task.user_id))

    async def close(self) -> None:
        """Tell what is still to be told."""
        self._closing.set()
        if self._telling is not None:
            await asyncio.wait({self._telling})

    def _announce(self, task: TaskRecord) -> None:
        if task.status is TaskStatus.PENDING and task.not_before is None:
            self._dispatcher.announce(task.task_id, task.message_no)

    def _add(self, task: TaskRecord, change: Change) -> None:
        self._untold.append((task, change))
        if self._telling is None:
            self._telling = begin_for_everybody(self._tell_untold())

    async def _tell_untold(self) -> None:
        try:
            while self._untold:
                some, self._untold = self._untold, []
                await self._tell(some)
                with suppress(TimeoutError):
                    async with asyncio.timeout(TELL_EVERY):
                        await self._closing.wait()
        finally:
            self._telling = None

    async def _tell(self, changes: Sequence[tuple[TaskRecord, Change]]) -> None:
        try:
            await self._dispatcher.queue.tell_changes([change for _, change in changes])
            # Whether they are to be told of these ends their rows say, if there are some.
            ended = [task for task, change in changes if change.status is not None and change.status.ended]
            if told := [task for task in ended if task.webhook_url is not None]:
                await self._dispatcher.queue.send_deliveries([(delivery_of(task.task_id), 0) for task in told])
        except REDIS_AWAY as error:
            log.debug("changes not told", tasks=len(changes), error=type(error).__name__)


def _change(task: TaskRecord) -> Change:
    return Change(task.task_id, task.status, task.user_id)


class News:
    """One subscription to what is told of all tasks, for everybody in this process."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._hearers: list[Callable[[Change], None]] = []
        self._loop: asyncio.Task[None] | None = None

    def heard_by(self, hearer: Callable[[Change], None]) -> None:
        """Call this with each change. It must not wait for anything."""
        self._hearers.append(hearer)

    async def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stop listening."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._queue.subscribe() as subscription:
                    await subscription.subscribe(self._queue.keys.changed)
                    while True:
                        message = cast("dict[str, bytes] | None", await subscription.get_message(timeout=None))
                        if message is not None:
                            self._hear(message["data"].decode(errors="replace"))
            except REDIS_AWAY as error:
                log.debug("not subscribed", error=type(error).__name__)
            except Exception:
                # Whatever it was, everybody else waits here, too.
                log.exception("subscription failed")
            await asyncio.sleep(SUBSCRIBE_AGAIN_AFTER)

    def _hear(self, body: str) -> None:
        change = decode_change(body)
        if change is not None:
            for hearer in self._hearers:
                hearer(change)


class Waiters:
    """One look at the database a second, however many requests wait in this process."""

    def __init__(self, pool: Pool, news: News) -> None:
        self._pool = pool
        news.heard_by(self._hear)
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._stopping = False
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._loop = asyncio.create_task(self._look())

    @property
    def stopping(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._stopping

    def stop(self) -> None:
        """Let everybody go at once, with the state so far: the process shuts down."""
        self._stopping = True
        for task_id in list(self._waiting):
            self._release(task_id)

    async def close(self) -> None:
        """Stop, and end the loop."""
        self.stop()
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def wait(self, task_id: str, seconds: float) -> None:
        """Return when the task has ended, when the time is over, or when the process shuts down.

        The caller reads the task before (it may have ended already) and after.
        """
        if self._stopping:
            return
        end = asyncio.get_running_loop().create_future()
        self._waiting[task_id].add(end)
        try:
            async with asyncio.timeout(seconds):
                await end
        except TimeoutError:
            pass
        finally:
            if waiting := self._waiting.get(task_id):
                waiting.discard(end)
                if not waiting:
                    del self._waiting[task_id]

    def _release(self, task_id: str) -> None:
        for end in self._waiting.pop(task_id, ()):
            if not end.done():
                end.set_result(None)

    def _hear(self, change: Change) -> None:
        if change.status is not None and change.status.ended:
            self._release(change.task_id)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if not self._waiting:
                continue
            try:
                async with self._pool.acquire() as connection:
                    ended = await store.ended_tasks(connection, list(self._waiting))
            except UNAVAILABLE as error:
                log.debug("could not look", error=type(error).__name__)
                continue
            except Exception:
                log.exception("look at tasks failed")
                continue
            for task_id in ended:
                self._release(task_id)
