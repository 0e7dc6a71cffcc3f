"""Ids for files to come. The blob of each is noted before it is written: it goes, should its file never be recorded."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from schema.identifiers import new_id
from service.database import Pool
from service.files import store
from service.files.service import blob_key_of
from service.sharing.together import Together

AHEAD_SECONDS = 600.0
"""For so long a note may be ahead of its file, well before it is due. What isn't used by then is left to the chore."""


class Foreseen:
    """One per process. Whoever has files to note does so for all that are at work: they will come with as many."""

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._noting = Together(self._note)
        self._at_work = 0
        self._ahead: deque[str] = deque()
        self._noted_at = -AHEAD_SECONDS

    @contextmanager
    def work(self) -> Generator[None]:
        """Something is going on that leads to files."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    async def take(self, number: int) -> list[str]:
        """So many ids, each for one file."""
        if number <= len(self._ahead) and self._clock() - self._noted_at < AHEAD_SECONDS:
            return [self._ahead.popleft() for _ in range(number)]
        return await self._noting.ask(number)

    async def _note(self, numbers: Sequence[int]) -> list[list[str]]:
        ahead = max(0, self._at_work - len(numbers)) * max(numbers)
        file_ids = deque(new_id("file") for _ in range(sum(numbers) + ahead))
        noted_at = self._clock()
        async with self._pool.acquire() as connection:
            await store.expect_blobs(connection, [blob_key_of(one) for one in file_ids])
        given = [[file_ids.popleft() for _ in range(number)] for number in numbers]
        self._ahead, self._noted_at = file_ids, noted_at
        return given
