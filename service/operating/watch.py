"""One look for all who watch: as long as anybody does, and never more than a small part of the time."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import structlog
from msgspec import Struct

from service.database import Pool
from service.database.away import UNAVAILABLE
from service.health.diagnosis import examine
from service.health.findings import Finding
from service.operating.overview import Overviewer
from service.settings import Settings

OVERVIEW, FINDINGS, TROUBLE = "overview", "findings", "trouble"

OVERVIEW_EVERY = 2.0
FINDINGS_EVERY = 60.0
REST, LONGEST_REST = 20, 60.0
"""After a look nobody looks for so many times as long, or seconds at most: a large database isn't kept busy by being
watched. One look that takes longer than the one before says nothing of its size."""

AGAIN = 10.0
"""Seconds without news after which the last are told once more: whoever hears nothing knows that nobody is there."""

SLOW_AFTER = 10.0

AWAY = b'{"message":"The database can\'t be reached. What is shown is as it was before."}'
SLOW = b'{"message":"The database takes long to answer. What is shown is as it was before."}'
FAILED = b'{"message":"Looking failed; the log of the API tells why."}'

log = structlog.get_logger(__name__)


class Look(Struct, frozen=True):
    """Something that is looked at, with so many seconds in between."""

    name: str
    every: float
    work: Callable[[], Awaitable[object]]


def looks_of(pool: Pool, settings: Settings) -> tuple[Look, ...]:
    """What operators are told."""

    async def findings() -> list[Finding]:
        # Not of models: those are the workers'.
        return [finding async for finding in examine(settings)]

    return Look(OVERVIEW, OVERVIEW_EVERY, Overviewer(pool).look), Look(FINDINGS, FINDINGS_EVERY, findings)


class Watch:
    """What all watchers of this process are told: each thing as it was seen last, by its name."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks
        self._latest: dict[str, tuple[int, bytes]] = {}
        self._told = 0
        self._news = asyncio.Event()
        self._watchers = 0
        self._looking: list[asyncio.Task[None]] = []
        self._stopped = False

    async def follow(self) -> AsyncGenerator[tuple[str, bytes]]:
        """Everything as it is, and then whatever is news: its name, and JSON. Who reads slowly is told less often."""
        async with self._watching():
            seen: dict[str, int] = {}
            while not self._stopped:
                news = self._news
                for name, (number, data) in list(self._latest.items()):
                    if seen.get(name) != number:
                        seen[name] = number
                        yield name, data
                try:
                    async with asyncio.timeout(AGAIN):
                        await news.wait()
                except TimeoutError:
                    newest = max(self._latest, key=lambda name: self._latest[name][0], default=OVERVIEW)
                    seen.pop(newest, None)

    def stop(self) -> None:
        """Let every watcher go: the process shuts down."""
        self._stopped = True
        self._news.set()

    @asynccontextmanager
    async def _watching(self) -> AsyncGenerator[None]:
        """The first watcher has us begin to look, the last one stop."""
        self._watchers += 1
        if self._watchers == 1:
            self._latest.clear()
            self._looking = [asyncio.create_task(self._keep_looking(look), name=look.name) for look in self._looks]
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                for task in self._looking:
                    task.cancel()

    async def _keep_looking(self, look: Look) -> None:
        took = 0.0
        while True:
            began, before = time.monotonic(), took
            slow = asyncio.get_running_loop().call_later(SLOW_AFTER, self._tell, TROUBLE, SLOW)
            try:
                self._tell(look.name, msgspec.json.encode(await look.work()))
                took = time.monotonic() - began
            except UNAVAILABLE as error:
                log.debug("could not look", what=look.name, error=type(error).__name__)
                self._tell(TROUBLE, AWAY)
                took = 0.0
            except Exception:
                log.exception("look failed", what=look.name)
                self._tell(TROUBLE, FAILED)
            finally:
                slow.cancel()
            await asyncio.sleep(max(look.every, min(LONGEST_REST, REST * min(took, before))))

    def _tell(self, name: str, data: bytes) -> None:
        self._told += 1
        self._latest[name] = self._told, data
        if name == OVERVIEW:
            # We see again.
            self._latest.pop(TROUBLE, None)
        news, self._news = self._news, asyncio.Event()
        news.set()
