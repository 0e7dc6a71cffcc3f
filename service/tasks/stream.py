"""What waits to be told to one reader."""

import asyncio
from collections import deque
from typing import Final

from msgspec import Struct

from schema.models.events import event_id
from schema.models.tasks import TaskStatus

MOST_WAITING: Final = 1000
MOST_BYTES: Final = 1_000_000
"""How far a reader may fall behind before its stream is closed; it may resume."""


class Told(Struct, frozen=True):
    """Something to be told on streams: a status, or progress, with the task as JSON."""

    task_id: str
    seq: int
    place: int
    status: TaskStatus
    is_progress: bool
    data: bytes
    stage: tuple[int, int] = (0, 0)
    """The claim, and the progress of it: neither goes back."""

    @property
    def event_id(self) -> str:
        return event_id(self.task_id, self.seq)


class Stream:
    """What waits to be sent to one reader: statuses in their order, and of each task's progress the latest."""

    def __init__(self, user_id: str, task_id: str | None) -> None:
        self.user_id = user_id
        self.task_id = task_id
        self.closed = False
        self._statuses: deque[Told] = deque()
        self._progress: dict[str, Told] = {}
        self._stages: dict[str, tuple[int, int]] = {}
        """Up to where each task was told that hasn't ended."""
        self._bytes = 0
        self._news = asyncio.Event()

    def put(self, told: Told) -> None:
        """Let it be told, unless the stream is of another task. Closes the stream when its reader is too far behind."""
        if self.closed or self.task_id not in (None, told.task_id):
            return
        if told.is_progress and told.stage < self._stages.get(told.task_id, told.stage):
            return  # it was read before what was told of it since
        self.note(told)
        self._drop_progress(told.task_id)
        if told.is_progress:
            self._progress[told.task_id] = told
        else:
            self._statuses.append(told)
        self._bytes += len(told.data)
        if len(self._statuses) + len(self._progress) > MOST_WAITING or self._bytes > MOST_BYTES:
            self.close()
        self._news.set()

    def note(self, told: Told) -> None:
        """It is told, or is going to be: no earlier progress is, any more."""
        if told.status.ended:
            self._stages.pop(told.task_id, None)
        else:
            self._stages[told.task_id] = max(told.stage, self._stages.get(told.task_id, told.stage))

    def close(self) -> None:
        """Let the reader go."""
        self.closed = True
        self._statuses.clear()
        self._progress.clear()
        self._news.set()

    async def next(self, within: float) -> Told | None:
        """What is to be told next; None when nothing came within so many seconds, or the stream is closed."""
        if self.closed:
            return None
        try:
            async with asyncio.timeout(within):
                await self._news.wait()
        except TimeoutError:
            return None
        if self.closed:
            return None
        told = self._statuses.popleft() if self._statuses else self._progress.pop(next(iter(self._progress)))
        self._bytes -= len(told.data)
        if not self._statuses and not self._progress:
            self._news.clear()
        return told

    def _drop_progress(self, task_id: str) -> None:
        old = self._progress.pop(task_id, None)
        if old is not None:
            self._bytes -= len(old.data)
