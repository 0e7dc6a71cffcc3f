"""Streams of what becomes of tasks: the table is the truth, Redis only says when to look.

One look serves every stream of this process, however many there are: at what changed, when that is told, and at
everything once a second. Nothing is lost with a message, and no stream holds a connection.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from schema.messages import Change
from schema.models.events import EventRecord, parse_event_id
from schema.models.problems import ProblemCode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import UNAVAILABLE, Pool
from service.presenting import Presenter
from service.refusals import Refused
from service.tasks import store
from service.tasks.deadlines import Deadlines
from service.tasks.events import as_of
from service.tasks.line import Line
from service.tasks.stream import Stream, Told
from service.tasks.watching import News

LOOK_EVERY = 1.0
QUIET_SECONDS = 15.0
"""After so long without news a stream says that it is still there."""

PAGE: Final = 500
MOST_TOLD: Final = 20_000
"""Events times streams that are told without a pause in which others have their turn."""

MOST_OF_USER: Final = 2000
"""Streams of one user at a time: each is a connection of the process, which has some thousands for everybody."""

COME_BACK_AFTER = 15
"""Seconds."""

log = structlog.get_logger(__name__)


class Streams:
    """Every stream of this process. What they yield is told in that order; None is a sign of life.

    Each begins with one, once it is open: a database that is away is told before an answer is begun.
    """

    def __init__(self, pool: Pool, news: News, present: Presenter, deadlines: Deadlines, line: Line) -> None:
        self._pool = pool
        self._present = present
        self._deadlines = deadlines
        self._line = line
        self._streams: dict[str, set[Stream]] = {}
        self._places: dict[str, int] = {}
        """Of each user with streams: up to where those have been told everything."""
        self._users: set[str] = set()
        self._tasks: set[str] = set()
        """Whose, and what, has changed since the last look."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.Task[None] | None = None
        news.heard_by(self._hear)

    async def start(self) -> None:
        """Begin to look."""
        self._loop = asyncio.create_task(self._keep_looking())

    def stop(self) -> None:
        """Let every reader go at once: the process shuts down."""
        self._stopping = True
        for streams in self._streams.values():
            for stream in streams:
                stream.close()

    async def close(self) -> None:
        """Stop, and end the loop."""
        self.stop()
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def place_of(self, user_id: str, event_id: str | None) -> int | None:
        """Where a user's stream resumes from; None where it begins anew, since nothing is known of such an event."""
        named = parse_event_id(event_id) if event_id else None
        if named is None:
            return None
        async with self._pool.acquire() as connection:
            await store.place_events(connection, [user_id], resumed=named)
            return await store.place_of(connection, user_id, *named)

    async def of_user(self, user_id: str, after: int | None) -> AsyncGenerator[Told | None]:
        """A user's stream: everything from behind a place, or else each unfinished task as it is; then what happens."""
        async with self._opened(user_id, None) as stream:
            yield None
            begun_with: dict[str, int] = {}
            if after is None:
                async with self._pool.acquire() as connection:
                    newest = await store.newest_place(connection, user_id)
                    unfinished = await store.unfinished(connection, user_id)
                for one in unfinished:
                    told = await self._told(one.task, one.seq, one.place or 0)
                    # What has no place yet gets one, and comes along: it, and what was before it.
                    begun_with[told.task_id] = told.seq
                    stream.note(told)
                    yield told
                after = max([newest, *(one.place or 0 for one in unfinished)])
            else:
                async for place, told in self._caught_up(stream, after):
                    after = place
                    if told is not None:
                        stream.note(told)
                        yield told
            async for told in _live(stream):
                if told is None or told.is_progress or not _told_before(told, after, begun_with):
                    yield told

    async def of_task(self, task: TaskRecord, after: int | None) -> AsyncGenerator[Told | None]:
        """One task's stream, to its end: events from behind a number, or else the task as it is; then what happens."""
        async with self._opened(task.user_id or "", task.task_id) as stream:
            yield None
            async with self._pool.acquire() as connection:
                events = await store.events_of_task(connection, stream.user_id, task.task_id)
                current = (await store.tasks_as_they_are(connection, [task.task_id])).get(task.task_id, task)
            if after and after not in {event.seq for event in events}:
                after = None  # nothing is known of such an event: a backup was brought back, perhaps
            first = await self._told_first(current, events, after)
            for told in first:
                stream.note(told)
                yield told
            if first and first[-1].status.ended:
                return
            last = first[-1].seq if first else after or 0
            async for told in _live(stream):
                if told is None:
                    yield None
                elif told.is_progress or told.seq > last:
                    yield told
                    if told.status.ended:
                        return

    async def _told_first(self, task: TaskRecord, events: Sequence[EventRecord], after: int | None) -> list[Told]:
        """The events from behind a number, or else the latest one; the task as it is where there is none."""
        if after is None and not events:
            return [await self._told(task, 0, 0)]
        first = events[-1:] if after is None else [event for event in events if event.seq > after]
        return [await self._told(as_of(task, event), event.seq, 0, now=task) for event in first]

    async def of_older_task(
        self, task: TaskRecord, look: Callable[[], Awaitable[TaskRecord]]
    ) -> AsyncGenerator[Told | None]:
        """The stream of a task that the system before this one works on: nobody tells of it, so it is looked at."""
        async with self._opened(task.user_id or "", task.task_id) as stream:
            yield None
            told = await self._told(task, 0, 0)
            yield told
            said = time.monotonic()
            while not told.status.ended and not stream.closed:
                await stream.next(LOOK_EVERY)
                before, task = told, await look()
                told = await self._told(task, 0, 0, is_progress=task.status is before.status)
                if told.data != before.data or time.monotonic() - said >= QUIET_SECONDS:
                    yield told if told.data != before.data else None
                    said = time.monotonic()

    @asynccontextmanager
    async def _opened(self, user_id: str, task_id: str | None) -> AsyncGenerator[Stream]:
        """A stream that hears from now on.

        Raises:
            Refused: RATE_LIMITED while many of the user's are open.
        """
        stream = Stream(user_id, task_id)
        if self._stopping:
            stream.close()
        theirs = self._streams.setdefault(user_id, set())
        if len(theirs) >= MOST_OF_USER:
            message = f"{MOST_OF_USER:,} of your streams are open already. Close some."
            raise Refused(ProblemCode.RATE_LIMITED, message, retry_after=COME_BACK_AFTER)
        theirs.add(stream)
        try:
            await self._deadlines.settle(user_id)
            async with self._pool.acquire() as connection:
                await store.place_events(connection, [user_id])
                newest = await store.newest_place(connection, user_id)
            self._places.setdefault(user_id, newest)
            yield stream
        finally:
            self._streams[user_id].discard(stream)
            if not self._streams[user_id]:
                del self._streams[user_id]
                self._places.pop(user_id, None)

    async def _caught_up(self, stream: Stream, after: int) -> AsyncGenerator[tuple[int, Told | None]]:
        """What a reader missed, in pages, with its places: it may be much."""
        while not stream.closed:
            page = await self._page({stream.user_id: after})
            for place, _, told in page:
                after = place
                yield place, told
            if len(page) < PAGE:
                return

    def _hear(self, change: Change) -> None:
        if change.user_id in self._streams:
            self._users.add(change.user_id)
            if change.status is None:
                self._tasks.add(change.task_id)
            self._wake.set()

    async def _keep_looking(self) -> None:
        loop = asyncio.get_running_loop()
        looked_at_all = loop.time()
        while True:
            try:
                async with asyncio.timeout(max(0.0, looked_at_all + LOOK_EVERY - loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                looked_at_all = loop.time()
                self._users.update(self._streams)
            self._wake.clear()
            users, tasks = self._users, self._tasks
            self._users, self._tasks = set(), set()
            try:
                await self._look(users, tasks)
            except UNAVAILABLE as error:
                log.debug("could not look", error=type(error).__name__)
            except Exception:
                log.exception("look at events failed")
                await self._look_at_each(users)

    async def _look_at_each(self, users: Iterable[str]) -> None:
        """Whatever it was, everybody else's streams are told from here, too."""
        for user_id in users:
            try:
                await self._look([user_id], set())
            except Exception as error:  # noqa: BLE001 - told before, in full
                log.warning("look at a user's events failed", user_id=user_id, error=type(error).__name__)

    async def _look(self, users: Iterable[str], tasks: set[str]) -> None:
        watched = [user_id for user_id in users if user_id in self._places]
        if not watched:
            return
        for user_id in watched:
            await self._deadlines.settle(user_id)
        async with self._pool.acquire() as connection:
            # Read before the events: what they say of a status comes first.
            further = await store.tasks_as_they_are(connection, sorted(tasks)) if tasks else {}
            await store.place_events(connection, watched)
        statuses: dict[str, TaskStatus] = {}
        readers = sum(len(self._streams.get(user_id, ())) for user_id in watched)
        limit = max(1, min(PAGE, MOST_TOLD // max(1, readers)))
        while places := {user_id: self._places[user_id] for user_id in watched if user_id in self._places}:
            page = await self._page(places, limit)
            for place, event, told in page:
                self._places[event.user_id or ""] = place
                statuses[event.task_id] = event.status
                self._tell(event.user_id, told)
            if len(page) < limit:
                break
        for task in further.values():
            if task.status is statuses.get(task.task_id, task.status) is TaskStatus.PROCESSING:
                self._tell(task.user_id, await self._told(task, 0, 0, is_progress=True))

    async def _page(self, places: dict[str, int], limit: int = PAGE) -> list[tuple[int, EventRecord, Told | None]]:
        """The next events of each user from behind a place, with theirs; nothing is told of tasks that are gone."""
        async with self._pool.acquire() as connection:
            events = await store.events_since(connection, list(places.items()), limit=limit)
            ids = sorted({event.task_id for event in events})
            tasks = await store.tasks_as_they_are(connection, ids) if ids else {}
        page: list[tuple[int, EventRecord, Told | None]] = []
        for event in events:
            place, task = event.place or 0, tasks.get(event.task_id)
            page.append((place, event, task and await self._told(as_of(task, event), event.seq, place, now=task)))
        return page

    def _tell(self, user_id: str | None, told: Told | None) -> None:
        if told is not None:
            for stream in self._streams.get(user_id or "", ()):
                stream.put(told)

    async def _told(
        self, task: TaskRecord, seq: int, place: int, *, is_progress: bool = False, now: TaskRecord | None = None
    ) -> Told:
        """A task as it was; `now` is how it is, where that may be another."""
        queue = await self._line.place_of(now or task) if task.status is TaskStatus.PENDING else None
        data = msgspec.json.encode(self._present.task(task, queue))
        stage = (task.lease_token, task.progress)
        return Told(task.task_id, seq, place, task.status, is_progress, data, stage)


async def _live(stream: Stream) -> AsyncGenerator[Told | None]:
    """What comes, as long as the reader keeps up."""
    while not stream.closed:
        told = await stream.next(QUIET_SECONDS)
        if not stream.closed:
            yield told


def _told_before(told: Told, place: int, begun_with: Mapping[str, int]) -> bool:
    """Whether a stream told a status when it began: up to a place, and each task as it was."""
    return told.place <= place or told.seq <= begun_with.get(told.task_id, 0)
