"""The task service as the HTTP face uses it: owners, waits, cancels, deletes, retries."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from schema.messages import message_id
from schema.models.edits import Mode
from schema.models.problems import ProblemCode
from schema.models.tasks import NewTask, TaskStats, TaskStatus
from service.database import Connection, Pool
from service.queue import Queue
from service.refusals import Refused
from service.tasks import lifecycle, long_histories, watching
from service.tasks.dispatch import Dispatcher
from service.tasks.service import TaskService
from service.tasks.store import IdempotencyKey
from service.tasks.submission import Rules, fingerprint
from service.tasks.watching import News, Waiters
from tests import lives
from tests.factories import add_file, add_task
from tests.keys import KEYS
from tests.running import nobodys_port

RULES = Rules(lives.EVERY_MODE, max_pending=1000)
NO_SUCH = "task_that_never_was"


@dataclass(frozen=True)
class Here:
    """A running task service and what it runs on."""

    tasks: TaskService
    waiters: Waiters
    queue: Queue


async def run(pool: Pool, queue: Queue, rules: Rules = RULES) -> AsyncGenerator[Here]:
    dispatcher, news = Dispatcher(pool, queue), News(queue)
    waiters = Waiters(pool, news)
    await dispatcher.start()
    await news.start()
    await waiters.start()
    yield Here(TaskService(pool, dispatcher, waiters, rules), waiters, queue)
    await waiters.close()
    await news.close()
    await dispatcher.close()


@pytest.fixture
async def here(pool: Pool, queue: Queue) -> AsyncGenerator[Here]:
    async for each in run(pool, queue):
        yield each


@pytest.fixture
async def without_redis(pool: Pool) -> AsyncGenerator[Here]:
    queue = Queue(f"redis://127.0.0.1:{nobodys_port()}/0", KEYS)
    async for each in run(pool, queue):
        yield each
    await queue.close()


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


@pytest.fixture
async def new(connection: Connection, user_id: str) -> NewTask:
    return NewTask(Mode.BACKGROUND_CHANGE, (await add_file(connection, user_id)).file_id)


async def test_what_waits_is_counted_at_once_however_long_the_history(
    here: Here, connection: Connection, user_id: str, new: NewTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_histories, "LONG", 2)
    for _ in range(3):
        await add_task(connection, user_id, TaskStatus.FAILED)
    stats = [await here.tasks.count_tasks(user_id)]
    await here.tasks.create_task(user_id, new, None)
    stats.append(await here.tasks.count_tasks(user_id))
    assert [(one.pending, one.failed, one.total) for one in stats] == [(0, 3, 3), (1, 3, 4)]
    failed = await connection.fetchval("SELECT min(task_id) FROM tasks WHERE status = 'failed'")
    await here.tasks.delete_task(user_id, failed)
    assert (await here.tasks.count_tasks(user_id)).failed == 2


async def test_create_task_writes_it_and_then_queues_it(here: Here, pool: Pool, user_id: str, new: NewTask) -> None:
    created = (await here.tasks.create_task(user_id, new, None)).task
    assert created == await lives.get(pool, created.task_id)
    assert (created.status, created.credits_consumed) == (TaskStatus.PENDING, 36)

    async def queued() -> bool:
        return await here.queue.length() == 1

    await lives.until(queued)
    assert (await lives.messages(here.queue))[0].startswith(created.task_id)


async def test_a_replay_is_not_queued_again(here: Here, user_id: str, new: NewTask) -> None:
    key = IdempotencyKey("tasks", "key", fingerprint({"a": 1, "b": [2]}))
    first = await here.tasks.create_task(user_id, new, key)
    same = IdempotencyKey("tasks", "key", fingerprint({"b": [2], "a": 1}))

    async def queued() -> bool:
        return await here.queue.length() > 0

    await lives.until(queued)
    assert await here.queue.withdraw([(first.task.task_id, 0)]) == 1
    again = await here.tasks.create_task(user_id, new, same)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.task.task_id == first.task.task_id
    another = await here.tasks.create_task(user_id, new, None)
    await lives.until(queued)
    assert await lives.messages(here.queue) == [message_id(another.task.task_id, 0)]


@pytest.mark.parametrize("call", ["get_task", "cancel_task", "delete_task", "retry_task"])
async def test_another_users_task_is_as_unknown_as_none(
    here: Here, pool: Pool, connection: Connection, user_id: str, call: str
) -> None:
    task = await add_task(connection, await lives.add_user(connection), TaskStatus.FAILED)
    before = await lives.everything(pool)
    told: list[str] = []
    for task_id in (task.task_id, NO_SUCH, "no id at all\0"):
        with pytest.raises(Refused) as caught:
            await getattr(here.tasks, call)(user_id, task_id, *([None] if call == "retry_task" else []))
        assert caught.value.code is ProblemCode.TASK_NOT_FOUND
        told.append(caught.value.message.replace(repr(task_id), ""))
    assert len(set(told)) == 1
    assert await lives.everything(pool) == before


@pytest.mark.parametrize("status", TaskStatus)
async def test_cancel(here: Here, pool: Pool, user_id: str, status: TaskStatus) -> None:
    task = (await lives.reach(pool, user_id, status)).task
    if status in {TaskStatus.DONE, TaskStatus.FAILED}:
        with pytest.raises(Refused) as caught:
            await here.tasks.cancel_task(user_id, task.task_id)
        assert caught.value.code is ProblemCode.TASK_NOT_CANCELLABLE
        assert await lives.get(pool, task.task_id) == task
    else:
        first = await here.tasks.cancel_task(user_id, task.task_id)
        assert first.status is TaskStatus.CANCELLED
        assert await here.tasks.cancel_task(user_id, task.task_id) == first
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("status", TaskStatus)
async def test_delete(here: Here, pool: Pool, connection: Connection, user_id: str, status: TaskStatus) -> None:
    task = (await lives.reach(pool, user_id, status)).task
    await add_file(connection, user_id, task_id=task.task_id)
    if status.ended:
        await here.tasks.delete_task(user_id, task.task_id)
    else:
        with pytest.raises(Refused) as caught:
            await here.tasks.delete_task(user_id, task.task_id)
        assert caught.value.code is ProblemCode.TASK_NOT_FINISHED
    left = 0 if status.ended else 1
    assert await connection.fetchval("SELECT count(*) FROM tasks") == left
    assert await connection.fetchval("SELECT count(*) FROM files WHERE task_id IS NOT NULL") == left
    # The upload isn't the task's.
    assert await connection.fetchval("SELECT count(*) FROM files WHERE task_id IS NULL") == 1


@pytest.mark.parametrize("status", TaskStatus)
async def test_retry(here: Here, pool: Pool, connection: Connection, user_id: str, status: TaskStatus) -> None:
    task = (await lives.reach(pool, user_id, status)).task
    if status not in {TaskStatus.FAILED, TaskStatus.CANCELLED}:
        with pytest.raises(Refused) as caught:
            await here.tasks.retry_task(user_id, task.task_id, None)
        assert caught.value.code is ProblemCode.TASK_NOT_RETRYABLE
        assert await connection.fetchval("SELECT count(*) FROM tasks") == 1
        return
    again = (await here.tasks.retry_task(user_id, task.task_id, None)).task
    assert (again.retry_of, again.status, again.attempts) == (task.task_id, TaskStatus.PENDING, 0)
    for name in ("mode", "source_image", "reference_image", "config", "priority", "webhook_url", "webhook_events"):
        assert getattr(again, name) == getattr(task, name)
    # Today's price, not what the test charged for the first one.
    assert again.credits_consumed == 36
    await lives.assert_balanced(pool)


async def test_a_retry_with_a_key_is_made_once(here: Here, pool: Pool, user_id: str) -> None:
    task = (await lives.reach(pool, user_id, TaskStatus.FAILED)).task
    key = IdempotencyKey("retry", "key", fingerprint(task.task_id))
    answers = await asyncio.gather(*(here.tasks.retry_task(user_id, task.task_id, key) for _ in range(5)))
    assert len({answer.task.task_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1


async def test_counts(here: Here, connection: Connection, user_id: str) -> None:
    for number, status in enumerate(TaskStatus, 1):
        for _ in range(number):
            await add_task(connection, user_id, status)
    await add_task(connection, await lives.add_user(connection))
    assert await here.tasks.count_tasks(user_id) == TaskStats(1, 2, 3, 4, 5, 15)


async def waited(here: Here, user_id: str, task_id: str, seconds: float) -> tuple[TaskStatus, float]:
    began = time.monotonic()
    task = await here.tasks.wait_for_end(await here.tasks.get_task(user_id, task_id), seconds)
    return task.status, time.monotonic() - began


async def until_someone_waits(here: Here) -> None:
    async def waits() -> bool:
        return bool(here.waiters._waiting)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    await lives.until(waits)


async def test_who_waits_is_told_at_once(here: Here, pool: Pool, connection: Connection, user_id: str) -> None:
    """By Redis: long before the look at the database."""
    task = await lives.create(connection, user_id)

    async def subscribed() -> bool:
        counts = await here.queue.redis.pubsub_numsub(KEYS.changed)
        return bool(counts[0][1])

    await lives.until(subscribed)
    waits = [asyncio.create_task(waited(here, user_id, task.task_id, 60)) for _ in range(3)]
    await until_someone_waits(here)
    await here.tasks.cancel_task(user_id, task.task_id)
    for status, seconds in await asyncio.gather(*waits):
        assert status is TaskStatus.CANCELLED
        assert seconds < lives.PATIENCE
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("end", ["cancelled", "deleted"])
async def test_with_redis_away_the_end_is_seen_by_looking(
    without_redis: Here,
    pool: Pool,
    connection: Connection,
    user_id: str,
    end: str,
) -> None:
    task = await lives.create(connection, user_id)
    wait = asyncio.create_task(waited(without_redis, user_id, task.task_id, 60))
    await until_someone_waits(without_redis)
    await lives.cancel(pool, user_id, task.task_id)
    if end == "deleted":
        await connection.execute("DELETE FROM tasks")
        with pytest.raises(Refused):
            await wait
    else:
        status, seconds = await wait
        assert (status, seconds < lives.PATIENCE) == (TaskStatus.CANCELLED, True)


async def test_a_task_that_goes_back_to_pending_is_waited_for(
    here: Here, pool: Pool, connection: Connection, user_id: str
) -> None:
    await lives.create(connection, user_id)
    held = await lives.claim(pool)
    wait = asyncio.create_task(waited(here, user_id, held.task_id, 60))
    await until_someone_waits(here)
    await lifecycle.give_back(pool, held)
    again = await lives.claim(pool)
    assert not wait.done()
    await lifecycle.complete_task(pool, again, lives.a_result(), [])
    await here.queue.tell_changed(again.task_id, TaskStatus.DONE)
    assert (await wait)[0] is TaskStatus.DONE


async def test_a_wait_ends_with_its_time_or_with_the_process(here: Here, connection: Connection, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    assert (await waited(here, user_id, task.task_id, 0))[1] < 1
    status, seconds = await waited(here, user_id, task.task_id, 0.05)
    assert (status, seconds >= 0.05) == (TaskStatus.PENDING, True)
    assert not here.waiters._waiting  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    wait = asyncio.create_task(waited(here, user_id, task.task_id, 60))
    await until_someone_waits(here)
    here.waiters.stop()
    assert (await wait)[0] is TaskStatus.PENDING
    assert (await waited(here, user_id, task.task_id, 60))[1] < lives.PATIENCE


async def test_a_broken_subscription_is_made_again(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SUBSCRIBE_AGAIN_AFTER", 0.01)

    async def subscribers() -> set[str]:
        return {client["id"] for client in await queue.redis.client_list(_type="pubsub")}

    others = await subscribers()
    news = News(queue)
    await news.start()
    try:

        async def subscribed() -> bool:
            return len(await subscribers() - others) == 1

        await lives.until(subscribed)
        (old,) = await subscribers() - others
        await queue.redis.client_kill_filter(_id=old)

        async def again() -> bool:
            return len(await subscribers() - others - {old}) == 1

        await lives.until(again)
    finally:
        await news.close()
