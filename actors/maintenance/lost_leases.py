"""Tasks whose worker renews its lease no longer: back into the line, or failed."""

from datetime import datetime

from actors.maintenance.ground import Ground
from service.tasks.lifecycle import LEASE, recover_lost
from service.tasks.watching import Changes


async def recover(ground: Ground, *, now: datetime | None = None) -> None:
    """Take tasks from lost workers.

    After the database was away, or took no writes, nobody could renew: then the holders get one lease's time first, to
    renew it or to write the outcome that they hold.
    """
    if ground.shaken(LEASE.total_seconds()):
        return
    changes = Changes(ground.dispatcher)
    for task in await recover_lost(ground.pool, max_attempts=ground.rules.max_attempts, limit=ground.batch, now=now):
        await changes.tell(task)
