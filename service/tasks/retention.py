"""Data past its time."""

from datetime import timedelta

from service.database import Pool
from service.files import store as files
from service.tasks import store


async def sweep_tasks(pool: Pool, *, retention: timedelta, limit: int) -> int:
    """Delete tasks that ended that long ago, with their results; how many."""
    async with pool.acquire() as connection:
        expired = await store.expired_tasks(connection, retention=retention, limit=limit)
    for task in expired:
        async with pool.acquire() as connection, connection.transaction():
            if await store.delete_task(connection, task.user_id, task.task_id):
                await files.delete_results(connection, task.task_id)
    return len(expired)


async def sweep_keys(pool: Pool) -> None:
    """Forget idempotency keys after their day."""
    async with pool.acquire() as connection:
        await store.forget_expired_keys(connection)
