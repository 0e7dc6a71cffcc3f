"""The old workers are stopped: what waits for them, or was interrupted, becomes work for ours."""

import asyncio

from msgspec import Struct

from service.database import Connection
from service.legacy import store
from service.legacy.importer import ahead
from service.legacy.planning import Remark
from service.legacy.source import LegacyRedis
from service.legacy.telling import Finding, Told
from service.legacy.values import fingerprint

BATCH = 1000
WITHOUT_DATA = "it is in the old queue, and there is no task of this id"


class Queue(Struct):
    """The old queue, as it was found."""

    waiting: int = 0
    without_data: int = 0
    interrupted: int = 0


async def look_at_queue(
    connection: Connection, source: LegacyRedis, told: Told, *, order: bool, dry_run: bool = False
) -> Queue:
    """Find ids that lead to nothing; with `order`, give waiting tasks the places that they have in the old queue.

    The queue is read from its end, so that the first of several places of one id is what it keeps.
    """
    told.phase("queue", None)
    found = Queue()
    oldest = await store.oldest_open_task(connection) if order and not dry_run else None
    async for queued in ahead(source.queue()):
        async with connection.transaction():
            missing = await asyncio.to_thread(source.missing, sorted({task_id for _, task_id in queued}))
            lost = await store.queued_without_data(connection, missing)
            if not dry_run:
                await store.put_remarks(connection, "queue", [_lost(task_id) for task_id in lost])
            if oldest is not None:
                # One place for each: a statement takes any of several.
                places = {task_id: place for place, task_id in queued}
                await store.order_queue(connection, [(place, one) for one, place in places.items()], oldest=oldest)
        for task_id in lost:
            told.find(Finding("queue", task_id, "remark", (WITHOUT_DATA,)))
        found.waiting += len(queued)
        found.without_data += len(lost)
        told.advance(len(queued))
    async for interrupted in ahead(source.processing()):
        found.interrupted += len(interrupted)
        if oldest is not None:
            async with connection.transaction():
                await store.put_first(connection, interrupted)
    return found


async def take_over(connection: Connection, told: Told) -> int:
    """Let every unfinished task run here; how many. Each was charged where it came from: nobody is charged again."""
    told.phase("take-over", (await store.open_tasks(connection)).owned)
    taken = 0
    while True:
        async with connection.transaction():
            tasks = await store.take_over(connection, BATCH)
        taken += len(tasks)
        told.advance(len(tasks))
        if len(tasks) < BATCH:
            return taken


def _lost(task_id: str) -> Remark:
    mark = fingerprint({task_id.encode(): b"queued"})
    return Remark(task_id, (WITHOUT_DATA,), conflict=False, fingerprint=mark)
