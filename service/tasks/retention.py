"""Data past its time."""

from datetime import timedelta

from service.database import Connection, Pool
from service.files import store as files
from service.tasks import store
from service.transactions import transactional


@transactional
async def delete_task(connection: Connection, user_id: str, task_id: str) -> bool:
    """Delete an ended task with its result files, but for those that another task has as its input."""
    gone = await store.delete_task(connection, user_id, task_id)
    if gone:
        await files.delete_results(connection, task_id)
    return gone


async def sweep_tasks(pool: Pool, *, retention: timedelta, limit: int) -> int:
    """Delete tasks that ended that long ago, with their results; how many."""
    async with pool.acquire() as connection:
        expired = await store.expired_tasks(connection, retention=retention, limit=limit)
    for task in expired:
        await delete_task(pool, task.user_id, task.task_id)
    return len(expired)


async def sweep_keys(pool: Pool) -> None:
    """Forget idempotency keys after their day."""
    async with pool.acquire() as connection:
        await store.forget_expired_keys(connection)
