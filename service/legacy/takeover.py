"""The old workers are stopped: what waits for them, or was interrupted, becomes work for ours."""

import asyncio

from msgspec import Struct

from service.database import Connection
from service.legacy import store
from service.legacy.batches import ahead
from service.legacy.planning import Remark
from service.legacy.source import LegacyRedis
from service.legacy.telling import Finding, Told
from service.legacy.values import fingerprint

BATCH = 1000
WITHOUT_DATA = "the old queue, or the set of those being worked on, names it, and there is no task of this id"


class Queue(Struct):
    """The old queue, and the set of those being worked on, as they were found."""

    waiting: int = 0
    interrupted: int = 0
    without_data: int = 0
    """Ids in either that lead to nothing."""


async def look_at_queue(
    connection: Connection, source: LegacyRedis, told: Told, *, order: bool, dry_run: bool = False
) -> Queue:
    """Find ids that lead to nothing; with `order`, give waiting tasks the places that they have in the old queue.

    The queue is read from its end, so that the first of several places of one id is what it keeps.
    """
    told.phase("queue", None)
    found = Queue()

    async def look(task_ids: set[str]) -> None:
        missing = await asyncio.to_thread(source.missing, sorted(task_ids))
        lost = sorted(await store.queued_without_data(connection, missing))
        if lost and not dry_run:
            await store.put_remarks(connection, "queue", [_lost(task_id) for task_id in lost])
        for task_id in lost:
            told.find(Finding("queue", task_id, "remark", (WITHOUT_DATA,)))
        found.without_data += len(lost)
        told.advance(len(task_ids))

    async for queued in ahead(source.queue()):
        # One place for each: a statement takes any of several.
        places = {task_id: place for place, task_id in queued}
        await look(set(places))
        if order and not dry_run:
            await store.order_queue(connection, [(place, task_id) for task_id, place in places.items()])
        found.waiting += len(queued)
    async for interrupted in ahead(source.processing()):
        await look(set(interrupted))
        if order and not dry_run:
            await store.put_first(connection, interrupted)
        found.interrupted += len(interrupted)
    return found


async def take_over(connection: Connection, told: Told) -> int:
    """Let every unfinished task run here; how many. Each was charged where it came from: nobody is charged again."""
    told.phase("take-over", (await store.open_tasks(connection)).owned)
    taken = 0
    while True:
        tasks = await store.take_over(connection, BATCH)
        taken += len(tasks)
        told.advance(len(tasks))
        if len(tasks) < BATCH:
            return taken


def _lost(task_id: str) -> Remark:
    mark = fingerprint({task_id.encode(): b"queued"})
    return Remark(task_id, (WITHOUT_DATA,), conflict=False, fingerprint=mark)
