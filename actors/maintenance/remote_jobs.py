"""What runs elsewhere for tasks that have ended: stopped, whoever began it; what was over long ago is forgotten."""

from actors.maintenance.ground import Ground
from service.tasks.remote_jobs import forget_old_jobs, stop_jobs_for_nobody

AT_A_TIME = 20


async def stop(ground: Ground) -> None:
    """Stop what runs for nobody."""
    await stop_jobs_for_nobody(ground.pool, ground.stops, limit=AT_A_TIME)


async def stop_own(ground: Ground) -> None:
    """Stop what runs for nobody with an engine of this worker's."""
    await stop_jobs_for_nobody(ground.pool, ground.stops, limit=AT_A_TIME, others=False)


async def forget(ground: Ground) -> None:
    """Forget what was over long ago."""
    await forget_old_jobs(ground.pool, limit=ground.batch)
