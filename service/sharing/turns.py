"""A crowd that all want to go on at the same moment: a few at a time, with everybody else's affairs between them."""

import asyncio
from collections import deque
from typing import Final

AT_ONCE: Final = 20
"""In one round of the event loop."""


class Turns:
    """Who asks for a turn gets it behind those who asked before. One per event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._giving = False

    async def take(self) -> None:
        """Wait for it: alone, to the loop's next round."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if not self._giving:
            self._give_soon()
        await turn

    def _give_soon(self) -> None:
        self._giving = bool(self._waiting)
        if self._giving:
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        self._give_soon()
