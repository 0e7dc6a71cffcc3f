"""Idempotency keys after their day."""

from actors.maintenance.ground import Ground
from service.tasks.retention import sweep_keys


async def forget(ground: Ground) -> None:
    """Forget them: a repeated request makes a new task from now on."""
    await sweep_keys(ground.pool, limit=ground.batch)
