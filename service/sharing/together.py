"""What several ask for at the same time, done for all of them at once: while it is being done, the next gather."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service.sharing.for_everybody import begin_for_everybody

A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """Does one thing at a time, for all who have asked by then."""

    def __init__(self, do: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        """`do` answers each in its turn."""
        self._do = do
        self._asked: list[tuple[A, asyncio.Future[R]]] = []
        self._doing: asyncio.Task[None] | None = None

    async def ask(self, what: A) -> R:
        """The answer. Raises what doing it raises, to all for whom it was done."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._asked.append((what, answer))
        if self._doing is None:
            self._doing = begin_for_everybody(self._serve())
        return await answer

    async def _serve(self) -> None:
        try:
            while self._asked:
                some, self._asked = self._asked, []
                # Who has stopped waiting by now wants nothing any more; who stops later has asked for it all the same.
                if wanted := [(what, answer) for what, answer in some if not answer.done()]:
                    await self._answer(wanted)
        finally:
            self._doing = None

    async def _answer(self, wanted: Sequence[tuple[A, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._do([what for what, _ in wanted])
        except asyncio.CancelledError:
            # Nobody will answer these any more.
            for _, answer in wanted:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - theirs who asked
            for _, answer in wanted:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(wanted, results, strict=True):
            if not answer.done():
                answer.set_result(result)
