"""What everybody asks for and few things change: looked up for all at once, and before it is too old."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from service.sharing.for_everybody import begin_for_everybody

T = TypeVar("T")


class Refreshed(Generic[T]):
    """An answer that is good for a while. From half of that on it is made anew; nobody waits unless it is over."""

    def __init__(self, make: Callable[[], Awaitable[T]], good_for: float) -> None:
        self._make = make
        self._good_for = good_for
        self._answer: T | None = None
        self._until = 0.0
        self._making: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """An answer that is no older than it is good for. Raises what making it raises."""
        now = asyncio.get_running_loop().time()
        if self._making is None and now >= self._until - self._good_for / 2:
            self._making = begin_for_everybody(self._renew())
            self._making.add_done_callback(self._made)
        if now < self._until:
            return cast("T", self._answer)  # which may be None
        assert self._making is not None  # noqa: S101 - what is over has been asked for, just now or before
        # Who stops waiting stops nobody else's answer.
        return await asyncio.shield(self._making)

    async def _renew(self) -> T:
        asked = asyncio.get_running_loop().time()
        self._answer = answer = await self._make()
        self._until = asked + self._good_for
        return answer

    def _made(self, task: asyncio.Task[T]) -> None:
        self._making = None
        if not task.cancelled():
            # Whoever waited is told of it; if nobody did, the next one asks again.
            task.exception()
