"""Messages that Redis has lost: flushed, restarted without its data, evicted."""

from datetime import timedelta

import structlog

from actors.maintenance.ground import Ground
from service.tasks.dispatch import sweep_lost_messages, sweep_undispatched

AGE = timedelta(seconds=10)
"""How long after its dispatch a message is looked for."""

log = structlog.get_logger(__name__)


async def send_again(ground: Ground) -> None:
    """Mark the tasks whose message is gone, and send them in the same round."""
    lost = await sweep_lost_messages(ground.pool, ground.queue, age=AGE, limit=ground.batch)
    if lost:
        log.warning("redis has lost messages; they are sent again", messages=lost)
        await sweep_undispatched(ground.pool, ground.dispatcher, grace=timedelta(0), limit=ground.batch)
