"""Work that anybody may ask for and that costs something: done for all who ask at the same time, and not too often."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from service.sharing.for_everybody import begin_for_everybody

T = TypeVar("T")

BURST = 10
PER_SECOND = 2.0
"""So often it is done at once, and on the average."""


class Coalesced(Generic[T]):
    """Whoever asks seldom gets a fresh answer; asked more often, it is one of at most half a second ago."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._make = make
        self._running: asyncio.Task[T] | None = None
        self._last: asyncio.Task[T] | None = None
        self._left = float(BURST)
        self._counted_at = 0.0

    async def get(self) -> T:
        """The answer. Raises what making it raises."""
        if self._running is None:
            if self._last is not None and not self._may_make():
                return self._last.result()
            self._running = begin_for_everybody(self._make())
            self._running.add_done_callback(self._keep)
        # Who stops waiting stops nobody else's answer.
        return await asyncio.shield(self._running)

    def _keep(self, task: asyncio.Task[T]) -> None:
        self._running = None
        self._last = None if task.cancelled() else task

    def _may_make(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._left = min(BURST, self._left + (now - self._counted_at) * PER_SECOND)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
