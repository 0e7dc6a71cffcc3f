"""Deliveries that are due become messages in Redis, which are hints: the table knows what is due."""

from datetime import datetime, timedelta
from typing import Final

from schema.messages import DELIVERIES
from service.database import Pool
from service.queue import Queue
from service.sparing import Sparing
from service.webhooks import store

EACH: Final = 20
"""Of one receiver at a time; whoever delivers one goes on with the others."""

AGAIN: Final = timedelta(seconds=10)
"""After so long a message counts as lost, or as having come when its user or its receiver was busy."""


async def announce_due(pool: Pool, queue: Queue, *, limit: int, now: datetime | None = None) -> int:
    """Send what is due; how many. What was announced and taken by nobody is announced again."""
    async with pool.acquire() as connection:
        due = await store.due_deliveries(connection, again=AGAIN, each=EACH, limit=limit, now=now)
    if not due:
        return 0
    if any(one.announced for one in due):
        # A Redis that evicts may have kept the message, and lost where it stood.
        await queue.drop_unreachable(DELIVERIES)
    # Marked before: a worker that takes it at once would find its row held by us, and leave it; or have settled it.
    await Sparing(pool, "webhooks").together([one.delivery_id for one in due], str, store.mark_announced)
    await queue.send_deliveries([(one.delivery_id, one.attempts) for one in due])
    return len(due)


async def sweep(pool: Pool, *, limit: int) -> None:
    """Forget deliveries with their events, and receivers that nothing is known of any more."""
    sparing = Sparing(pool, "old webhooks")
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.deliveries_to_forget(connection, limit=limit, after=last)
        await sparing.together([old.delivery_id for old in page], str, store.forget_deliveries)
        if len(page) < limit:
            break
        last = page[-1]
    async with pool.acquire() as connection:
        await store.forget_receivers(connection)
