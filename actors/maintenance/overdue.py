"""Tasks whose deadline is past."""

from datetime import datetime

from actors.maintenance.ground import Ground
from service.tasks.deadlines import Deadlines


async def fail(ground: Ground, *, now: datetime | None = None) -> None:
    """End them; whoever works on one stops at its next look at the claim."""
    await Deadlines(ground.pool, ground.dispatcher).sweep(limit=ground.batch, now=now)
