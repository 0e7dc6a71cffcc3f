"""Tasks and uploads past the time they are kept for."""

from actors.maintenance.ground import Ground
from service.files.sweeping import sweep_uploads
from service.tasks.retention import sweep_histories, sweep_tasks


async def delete_tasks(ground: Ground) -> None:
    """Delete old tasks with their results, if TASK_RETENTION_DAYS is set."""
    if ground.rules.task_retention is not None:
        await sweep_tasks(ground.pool, retention=ground.rules.task_retention, limit=ground.batch)


async def delete_uploads(ground: Ground) -> None:
    """Delete old uploads that no unfinished task needs, if UPLOAD_RETENTION_DAYS is set."""
    if ground.rules.upload_retention is not None:
        await sweep_uploads(ground.pool, retention=ground.rules.upload_retention, limit=ground.batch)


async def forget_histories(ground: Ground) -> None:
    """Forget what became of tasks that were deleted a day ago."""
    await sweep_histories(ground.pool, limit=ground.batch)
