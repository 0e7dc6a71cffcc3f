"""Tasks that change, and those who wait for it.

They are told by Redis, and look for themselves once a second in case it is away.
"""

import asyncio
from collections import defaultdict
from typing import cast

import structlog

from schema.models.tasks import TaskRecord, TaskStatus
from service.database import UNAVAILABLE, Pool
from service.queue import REDIS_AWAY, Queue
from service.tasks import store
from service.tasks.dispatch import Dispatcher

LOOK_EVERY = 1.0
SUBSCRIBE_AGAIN_AFTER = 1.0

ENDED = frozenset(status.value for status in TaskStatus if status.ended)

log = structlog.get_logger(__name__)


class Changes:
    """The one place from which a task's new status is told, after the commit that gave it."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def tell(self, task: TaskRecord) -> None:
        """Tell whoever watches; and a task that waits again for anybody gets its message.

        Nothing depends on it: watchers look for themselves, and the chores find what has no message. One that waits for
        its time gets its message then, from the chores.
        """
        if task.status is TaskStatus.PENDING and task.not_before is None:
            self._dispatcher.announce(task.task_id, task.message_no)
        try:
            await self._dispatcher.queue.tell_changed(task.task_id, task.status)
        except REDIS_AWAY as error:
            log.debug("change not told", task_id=task.task_id, error=type(error).__name__)


class Waiters:
    """One subscription and one look at the database a second, however many requests wait in this process."""

    def __init__(self, pool: Pool, queue: Queue) -> None:
        self._pool = pool
        self._queue = queue
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to listen and to look."""
        self._loops = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]

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
        """Stop, and end the loops."""
        self.stop()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

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

    def _hear(self, message: str) -> None:
        task_id, _, status = message.partition(" ")
        if status in ENDED:
            self._release(task_id)

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
