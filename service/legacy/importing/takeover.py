"""The old workers are stopped: what waits for them, or was interrupted, becomes work for ours."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeVar

from msgspec import Struct, field

from service.database import Connection
from service.database.transactions import transactional
from service.legacy import store
from service.legacy.records.planning import note
from service.legacy.source import LegacyRedis, WrongType
from service.legacy.source.batches import ahead
from service.legacy.telling import Finding, Told
from service.legacy.unhurried import unhurried

T = TypeVar("T")

BATCH = 1000
WITHOUT_DATA = "the old queue, or the set of those being worked on, names it, and there is no task of this id"


class Queue(Struct):
    """The old queue, and the set of those being worked on, as they were found."""

    waiting: int = 0
    interrupted: int = 0
    without_data: int = 0
    """Ids in either that lead to nothing."""
    unreadable: list[str] = field(default_factory=list[str])
    """Keys under which lies something else: their tasks are taken over all the same, in the order of their creation."""


async def look_at_queue(
    connection: Connection, source: LegacyRedis, told: Told, *, order: bool, dry_run: bool = False
) -> Queue:
    """Find ids that lead to nothing; with `order`, give waiting tasks the places that they have in the old queue.

    The queue is read from its end, so that the first of several places of one id is what it keeps.
    """
    told.phase("queue", None)
    look = _Look(connection, source, told, write=not dry_run, order=order and not dry_run)
    await look.each(source.queue(), look.waiting)
    await look.each(source.processing(), look.interrupted)
    return look.found


class _Look:
    """One look at the queue and at those being worked on."""

    def __init__(self, connection: Connection, source: LegacyRedis, told: Told, *, write: bool, order: bool) -> None:
        self._connection = connection
        self._source = source
        self._told = told
        self._write = write
        self._order = order
        self.found = Queue()

    async def each(self, batches: Iterator[T], work: Callable[[T], Awaitable[None]]) -> None:
        """Batch by batch; a key of another type tells nothing, and stops nothing."""
        try:
            async for batch in ahead(batches):
                await work(batch)
        except WrongType as error:
            self.found.unreadable.append(error.key)
            await self._remark({error.key: str(error)})

    async def waiting(self, queued: list[tuple[int, str]]) -> None:
        # One place for each: a statement takes any of several.
        places = {task_id: place for place, task_id in queued}
        await self._find_lost(set(places))
        if self._order:
            async with unhurried(self._connection):
                await store.order_queue(self._connection, [(place, task_id) for task_id, place in places.items()])
        self.found.waiting += len(queued)

    async def interrupted(self, task_ids: list[str]) -> None:
        await self._find_lost(set(task_ids))
        if self._order:
            await store.put_first(self._connection, task_ids)
        self.found.interrupted += len(task_ids)

    async def _find_lost(self, task_ids: set[str]) -> None:
        missing = await asyncio.to_thread(self._source.missing, sorted(task_ids))
        lost = sorted(await store.queued_without_data(self._connection, missing))
        await self._remark(dict.fromkeys(lost, WITHOUT_DATA))
        self.found.without_data += len(lost)
        self._told.advance(len(task_ids))

    async def _remark(self, reasons: Mapping[str, str]) -> None:
        remarks = [note(name, reason) for name, reason in reasons.items()]
        if remarks and self._write:
            await store.put_remarks(self._connection, "queue", remarks)
        for remark in remarks:
            self._told.find(Finding("queue", remark.record_id, "remark", remark.reasons))


async def take_over(connection: Connection, told: Told) -> int:
    """Let every unfinished task run here; how many. Each was charged where it came from: nobody is charged again."""
    async with unhurried(connection):
        told.phase("take-over", (await store.open_tasks(connection)).owned)
    taken = 0
    while True:
        tasks = await _take_batch(connection)
        taken += len(tasks)
        told.advance(len(tasks))
        if not tasks:  # fewer than a batch may only mean that somebody was faster
            return taken


@transactional
async def _take_batch(connection: Connection) -> list[str]:
    await store.take_time(connection)
    return await store.take_over(connection, BATCH)
