"""Directories of edits that are over, removed off the slots' path."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path


class Leftovers:
    """Removes what is left to it in a thread: what comes meanwhile all at once, since each hop to another costs."""

    def __init__(self) -> None:
        self._left: list[Path] = []
        self._removing: asyncio.Task[None] | None = None

    def leave(self, directory: Path) -> None:
        """Nobody waits for it, nor minds if it can't be removed: at its own end the process removes what is left."""
        self._left.append(directory)
        if self._removing is None:
            self._removing = asyncio.create_task(self._remove(), name="leftovers")

    async def _remove(self) -> None:
        try:
            while self._left:
                some, self._left = self._left, []
                await asyncio.to_thread(_remove_all, some)
        finally:
            self._removing = None


def _remove_all(directories: Sequence[Path]) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
