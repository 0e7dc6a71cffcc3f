"""Data past its time."""

from datetime import timedelta

from service.database import Connection, Pool
from service.database.transactions import transactional
from service.files import store as files
from service.sparing import Sparing
from service.tasks import store
from service.tasks.store import UsedKey


@transactional
async def delete_task(connection: Connection, user_id: str, task_id: str) -> bool:
    """Delete an ended task with its result files, but for those that another task has as its input.

    They go with the last of these. With the last of a batch its batch goes.
    """
    gone = await store.delete_task(connection, user_id, task_id)
    if gone is None:
        return False
    await files.delete_results(connection, user_id, task_id, inputs=gone.inputs)
    if gone.batch_id is not None:
        await store.forget_empty_batch(connection, gone.batch_id)
    return True


async def sweep_tasks(pool: Pool, *, retention: timedelta, limit: int) -> int:
    """Delete tasks that ended that long ago, with their results, in pages of `limit`; how many were looked at."""
    sparing = Sparing(pool, "old tasks")
    seen = 0
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.expired_tasks(connection, retention=retention, limit=limit, after=last)
        for task in page:
            async with sparing.alone(task.task_id) as connection:
                await delete_task(connection, task.user_id, task.task_id)
        seen += len(page)
        if len(page) < limit:
            return seen
        last = page[-1]


async def sweep_keys(pool: Pool, *, limit: int) -> None:
    """Forget idempotency keys after their day."""
    sparing = Sparing(pool, "expired keys")
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.expired_keys(connection, limit=limit, after=last)
        if not page:
            return
        await sparing.together(page, _name_of, store.forget_keys)
        last = page[-1]


async def sweep_histories(pool: Pool, *, limit: int) -> None:
    """Forget the events of tasks that have been gone for a day: until then a stream may resume from them."""
    sparing = Sparing(pool, "old histories")
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.histories_to_forget(connection, limit=limit, after=last)
        await sparing.together([gone.task_id for gone in page], str, store.forget_histories)
        if len(page) < limit:
            return
        last = page[-1]


def _name_of(used: UsedKey) -> str:
    return f"{used.user_id} {used.route} {used.key}"
