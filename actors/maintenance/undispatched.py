"""Tasks that were committed and never announced: Redis or their process was away, or their back-off is over."""

from datetime import timedelta

from actors.maintenance.ground import Ground
from service.tasks.dispatch import sweep_undispatched

GRACE = timedelta(seconds=2)
"""How long whoever marked a task has to send its message before this chore does."""


async def send(ground: Ground) -> None:
    """Send what is marked."""
    await sweep_undispatched(ground.pool, ground.dispatcher, grace=GRACE, limit=ground.batch)
