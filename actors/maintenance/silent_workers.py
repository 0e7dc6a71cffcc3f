"""Workers that were not seen for long, and what chores passed over long ago."""

from actors.maintenance.ground import Ground
from service.sparing import Sparing, forget_old_failures
from service.tasks import workers


async def forget(ground: Ground) -> None:
    """Forget both."""
    async with ground.pool.acquire() as connection:
        silent = await workers.silent_workers(connection)
        await forget_old_failures(connection)
    await Sparing(ground.pool, "silent workers").together(silent, str, workers.forget_workers)
