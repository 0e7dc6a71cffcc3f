"""From the commit to Redis: nothing is lost when Redis is away, when a message is, or when somebody dies in between."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta
from typing import cast

import pytest
from dramatiq import Message

from schema.messages import message_id
from schema.models.edits import Mode
from schema.models.tasks import NewTask, TaskRecord
from service.database import Connection, Pool
from service.queue import Queue
from service.tasks import dispatch, lifecycle
from service.tasks.dispatch import BATCH, Dispatcher, sweep_lost_messages, sweep_undispatched
from service.tasks.service import TaskService
from service.tasks.submission import Rules
from service.tasks.watching import News, Waiters
from tests import lives
from tests.factories import add_file, add_task
from tests.keys import EDIT_KEYS, KEYS
from tests.running import nobodys_port

LATER = timedelta(minutes=1)


@pytest.fixture
async def away() -> AsyncGenerator[Queue]:
    """A Redis that nobody answers for."""
    queue = Queue(f"redis://127.0.0.1:{nobodys_port()}/0", KEYS)
    yield queue
    await queue.close()


@pytest.fixture
def dispatcher(pool: Pool, queue: Queue) -> Dispatcher:
    """Sends when it is told to: it was not started."""
    return Dispatcher(pool, queue)


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection, 100_000)


def service_of(pool: Pool, queue: Queue, dispatcher: Dispatcher) -> TaskService:
    return TaskService(pool, dispatcher, Waiters(pool, News(queue)), Rules(lives.EVERY_MODE, max_pending=1000))


def announcement(task: TaskRecord) -> tuple[str, int]:
    return task.task_id, task.message_no


async def test_a_sent_task_is_in_the_queue_and_no_longer_marked(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    assert await dispatcher.send([announcement(task)])
    assert await lives.messages(queue) == [message_id(task.task_id, 0)]
    assert (await lives.get(pool, task.task_id)).dispatched_at is not None
    sent = cast("bytes", await queue.redis.hget(EDIT_KEYS.messages, message_id(task.task_id, 0)))
    message = cast("Message[None]", Message.decode(sent))
    assert (message.queue_name, message.actor_name, message.args) == ("edits", "edit", (task.task_id,))
    assert message.options["redis_message_id"] == message.message_id == message_id(task.task_id, 0)


async def test_workers_are_woken(queue: Queue, connection: Connection, dispatcher: Dispatcher, user_id: str) -> None:
    async with lives.listening(queue, KEYS.wake) as woken:
        await dispatcher.send([announcement(await lives.create(connection, user_id))])
        assert await woken() == "edits"


async def test_with_redis_away_the_mark_stays_and_the_sweep_sends_it(
    pool: Pool, connection: Connection, queue: Queue, away: Queue, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    assert not await Dispatcher(pool, away).send([announcement(task)])
    assert (await lives.get(pool, task.task_id)).dispatched_at is None
    now = task.updated_at + LATER
    assert await sweep_undispatched(pool, Dispatcher(pool, away), grace=timedelta(0), limit=10, now=now) == 0
    assert await sweep_undispatched(pool, Dispatcher(pool, queue), grace=timedelta(0), limit=10, now=now) == 1
    assert await lives.messages(queue) == [message_id(task.task_id, 0)]
    assert (await lives.get(pool, task.task_id)).dispatched_at is not None


async def test_a_create_does_not_notice_that_redis_is_away(
    pool: Pool, connection: Connection, away: Queue, user_id: str
) -> None:
    source = await add_file(connection, user_id)
    dispatcher = Dispatcher(pool, away)
    await dispatcher.start()
    submitted = await service_of(pool, away, dispatcher).create_task(
        user_id, NewTask(Mode.BACKGROUND_CHANGE, source.file_id), None
    )
    await dispatcher.close()
    seen = await lives.get(pool, submitted.task.task_id)
    assert (seen.status, seen.dispatched_at) == ("pending", None)


async def test_the_sweep_leaves_new_tasks_to_their_creator_and_back_offs_to_their_time(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    now = lives.today(12)
    await add_task(connection, user_id, updated_at=lives.today(11, 59, 59))
    await add_task(connection, user_id, updated_at=lives.today(11), not_before=lives.today(12, 1))
    due = await add_task(connection, user_id, updated_at=lives.today(11), not_before=lives.today(12))
    assert await sweep_undispatched(pool, dispatcher, grace=timedelta(seconds=2), limit=10, now=now) == 1
    assert await lives.messages(queue) == [message_id(due.task_id, 0)]


async def test_the_sweep_sends_more_than_a_batch_oldest_first(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, created_at, updated_at) "
        "SELECT 'task_' || n, $1, 'POSE_CHANGE', 'file', moment, moment "
        "FROM generate_series(1, 25) AS n, LATERAL "
        "(SELECT $2::timestamptz - n % 5 * interval '1 s' AS moment) AS times",
        user_id,
        lives.today(11),
    )
    assert await sweep_undispatched(pool, dispatcher, grace=timedelta(0), limit=4, now=lives.today()) == 25
    expected = await connection.fetch("SELECT task_id FROM tasks ORDER BY created_at, task_id")
    assert await lives.messages(queue) == [message_id(row["task_id"], 0) for row in expected]
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE dispatched_at IS NULL") == 0


async def test_a_message_that_is_there_is_not_sent_twice(
    connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    for _ in range(3):
        assert await dispatcher.send([announcement(task)])
    assert await lives.messages(queue) == [message_id(task.task_id, 0)]


async def test_a_cancel_takes_the_message_out_of_the_queue(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    before, task, after = [await lives.create(connection, user_id) for _ in range(3)]
    await dispatcher.send([announcement(each) for each in (before, task, after)])
    cancelled = await service_of(pool, queue, dispatcher).cancel_task(user_id, task.task_id)
    assert cancelled.status == "cancelled"
    assert await lives.messages(queue) == [message_id(each.task_id, 0) for each in (before, after)]


async def test_a_cancel_between_the_commit_and_the_message_leaves_none_behind(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task, other = [await lives.create(connection, user_id) for _ in range(2)]
    await service_of(pool, queue, dispatcher).cancel_task(user_id, task.task_id)
    assert await dispatcher.send([announcement(task), announcement(other)])
    assert await lives.messages(queue) == [message_id(other.task_id, 0)]


async def test_a_message_that_a_worker_holds_is_the_workers(
    connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    await dispatcher.send([announcement(task)])
    await lives.held_by_a_worker(queue)
    assert await queue.withdraw([announcement(task)]) == 0
    assert await queue.missing([announcement(task)]) == []


async def test_a_cancel_succeeds_with_redis_away(pool: Pool, connection: Connection, away: Queue, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    cancelled = await service_of(pool, away, Dispatcher(pool, away)).cancel_task(user_id, task.task_id)
    assert cancelled.status == "cancelled"
    assert await lives.balance(pool, user_id) == 100_000


async def test_a_cancel_tells_those_who_wait(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    async with lives.listening(queue, KEYS.changed) as told:
        await service_of(pool, queue, dispatcher).cancel_task(user_id, task.task_id)
        assert await told() == f"{task.task_id} cancelled {user_id}"


async def test_messages_that_redis_lost_are_found_and_sent_again(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    tasks = [await lives.create(connection, user_id) for _ in range(7)]
    await dispatcher.send([announcement(task) for task in tasks])
    kept = tasks.pop(3)
    await queue.withdraw([announcement(task) for task in tasks])
    now = kept.created_at + LATER
    assert await sweep_lost_messages(pool, queue, age=timedelta(seconds=10), limit=2, now=now) == 6
    assert (await lives.get(pool, kept.task_id)).message_no == 0
    assert await sweep_undispatched(pool, dispatcher, grace=timedelta(0), limit=2, now=now) == 6
    assert set(await lives.messages(queue)) == {message_id(kept.task_id, 0)} | {
        message_id(task.task_id, 1) for task in tasks
    }


def keys_of(worker: str) -> str:
    return EDIT_KEYS.held_by + worker


@pytest.mark.parametrize(
    "evicted",
    [
        [EDIT_KEYS.waiting],
        [EDIT_KEYS.messages],
        [keys_of("worker")],
        [EDIT_KEYS.workers],
        [EDIT_KEYS.waiting, keys_of("worker")],
        [EDIT_KEYS.waiting, EDIT_KEYS.workers],
        [EDIT_KEYS.messages, keys_of("worker")],
        [EDIT_KEYS.messages, EDIT_KEYS.workers],
    ],
    ids=str,
)
async def test_whichever_of_its_keys_redis_evicts_every_task_has_a_message_again(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str, evicted: list[str]
) -> None:
    """A few of them are with a worker, and one was stored just now."""
    tasks = [await lives.create(connection, user_id) for _ in range(5)]
    await dispatcher.send([announcement(task) for task in tasks])
    for _ in range(2):
        await lives.held_by_a_worker(queue)
    await queue.redis.delete(*evicted)
    tasks.append(await lives.create(connection, user_id))
    await dispatcher.send([announcement(tasks[-1])])
    now = tasks[-1].created_at + LATER
    await sweep_lost_messages(pool, queue, age=timedelta(seconds=10), limit=2, now=now)
    await sweep_undispatched(pool, dispatcher, grace=timedelta(0), limit=2, now=now)
    # With a worker, or waiting for one, and there to be read.
    workers = cast("list[bytes]", await queue.redis.zrange(EDIT_KEYS.workers, 0, -1))
    held = [await queue.redis.smembers(keys_of(worker.decode())) for worker in workers]
    reachable = {one for ids in held for one in ids} | set(await queue.redis.lrange(EDIT_KEYS.waiting, 0, -1))
    readable = set(cast("list[bytes]", await queue.redis.hkeys(EDIT_KEYS.messages)))
    for task in tasks:
        current = await lives.get(pool, task.task_id)
        assert current.dispatched_at is not None
        assert message_id(*announcement(current)).encode() in reachable & readable
    # And once all is well, nothing is sent again and again.
    assert await queue.drop_unreachable() == 0
    assert await sweep_lost_messages(pool, queue, age=timedelta(seconds=10), limit=2, now=now) == 0


async def test_a_message_that_was_just_sent_is_not_looked_for(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    await dispatcher.send([announcement(task)])
    await queue.redis.flushdb()
    assert await sweep_lost_messages(pool, queue, age=timedelta(seconds=10), limit=10) == 0


@pytest.mark.parametrize("harm", ["DELETE FROM claim_turns", "UPDATE claim_turns SET waiting = false"])
async def test_whoever_waits_without_a_turn_gets_one_again(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str, harm: str
) -> None:
    """A restore of some tables, or somebody's hand: the tasks would wait for ever."""
    task = await lives.create(connection, user_id)
    assert await dispatcher.send([announcement(task)])
    await connection.execute(harm)
    taken = await lifecycle.claim(pool, task.task_id, worker_id="worker", modes=lives.EVERY_MODE)
    assert taken.claim is None
    assert await dispatcher.send([await marked(pool, task.task_id)])
    await sweep_lost_messages(pool, queue, age=timedelta(0), limit=10, now=task.created_at + LATER)
    assert (await lives.claim(pool, task.task_id)).task_id == task.task_id


async def marked(pool: Pool, task_id: str) -> tuple[str, int]:
    return announcement(await lives.get(pool, task_id))


async def test_a_held_message_is_not_lost(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    await dispatcher.send([announcement(task)])
    await lives.held_by_a_worker(queue)
    now = task.created_at + LATER
    assert await sweep_lost_messages(pool, queue, age=timedelta(seconds=10), limit=10, now=now) == 0


async def test_an_old_message_can_not_strike_off_a_newer_mark(
    pool: Pool, connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    """Its task was claimed and came back while the message was being sent: another message is due."""
    task = await lives.create(connection, user_id)
    await lifecycle.give_back(pool, await lives.claim(pool))
    assert await dispatcher.send([announcement(task)])
    assert await lives.messages(queue) == []
    assert (await lives.get(pool, task.task_id)).dispatched_at is None


async def test_a_batch_keeps_its_order_however_long_it_is(
    connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    number = BATCH * 2 + 7
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image) "
        "SELECT 'task_' || n, $1, 'POSE_CHANGE', 'file' FROM generate_series(1, $2) AS n",
        user_id,
        number,
    )
    order = [f"task_{n}" for n in range(number, 0, -1)]
    for task_id in order:
        dispatcher.announce(task_id, 0)
    await dispatcher.start()
    await dispatcher.close()
    assert await lives.messages(queue) == [message_id(task_id, 0) for task_id in order]
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE dispatched_at IS NULL") == 0


async def test_announcements_are_sent_without_being_asked(
    connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    await dispatcher.start()
    for number in range(1, 4):
        dispatcher.announce((await lives.create(connection, user_id)).task_id, 0)

        async def arrived(expected: int = number) -> bool:
            return await queue.length() == expected

        await lives.until(arrived)
    await dispatcher.close()


async def test_close_sends_what_is_on_its_way(
    connection: Connection, queue: Queue, dispatcher: Dispatcher, user_id: str
) -> None:
    """Also the batch that was just being sent."""
    tasks = [await lives.create(connection, user_id) for _ in range(3)]
    await dispatcher.start()
    dispatcher.announce(*announcement(tasks[0]))
    await asyncio.sleep(0)  # the loop takes the first batch and waits for Redis
    for task in tasks[1:]:
        dispatcher.announce(*announcement(task))
    await dispatcher.close()
    assert await lives.messages(queue) == [message_id(task.task_id, 0) for task in tasks]
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE dispatched_at IS NULL") == 0


class SurprisedQueue(Queue):
    """Fails once as nobody foresaw."""

    surprised = False

    async def send(self, announcements: Iterable[tuple[str, int]]) -> None:
        if not self.surprised:
            self.surprised = True
            raise ZeroDivisionError
        await super().send(announcements)


async def test_after_a_surprise_it_goes_on(
    pool: Pool, connection: Connection, redis_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise every later task would wait for the sweep, until the process is started again."""
    monkeypatch.setattr(dispatch, "BREATH", 0.0)
    queue = SurprisedQueue(redis_url, KEYS)
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    dispatcher.announce(*announcement(await lives.create(connection, user_id)))

    async def surprised() -> bool:
        return queue.surprised

    await lives.until(surprised)
    task = await lives.create(connection, user_id)
    dispatcher.announce(*announcement(task))

    async def arrived() -> bool:
        return await queue.length() == 1

    await lives.until(arrived)
    await dispatcher.close()
    assert await lives.messages(queue) == [message_id(task.task_id, 0)]
    await queue.close()


async def test_close_leaves_nothing_behind_though_redis_hangs(
    pool: Pool, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending = asyncio.Event()

    async def hang(_: object) -> None:
        sending.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(queue, "send", hang)
    monkeypatch.setattr(dispatch, "CLOSE_WITHIN", 0)
    before = asyncio.all_tasks()
    dispatcher = Dispatcher(pool, queue)
    await dispatcher.start()
    dispatcher.announce("task_a", 0)
    await sending.wait()
    await dispatcher.close()
    assert asyncio.all_tasks() == before


async def test_close_ends_though_redis_is_away(pool: Pool, connection: Connection, away: Queue, user_id: str) -> None:
    dispatcher = Dispatcher(pool, away)
    await dispatcher.start()
    dispatcher.announce(*announcement(await lives.create(connection, user_id)))
    await asyncio.wait_for(dispatcher.close(), 8)


async def test_other_users_of_redis_are_left_alone(queue: Queue) -> None:
    """Nothing but the keys of our own queue is touched."""
    await queue.redis.set("somebody:elses", "value")
    await queue.send([("task_1", 0)])
    await queue.withdraw([("task_1", 0)])
    assert await queue.redis.keys("*") == [b"somebody:elses"]
