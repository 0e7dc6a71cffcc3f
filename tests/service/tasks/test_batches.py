"""Many tasks at once: all or nothing, one end of a batch, cancelled in chunks with true totals."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from schema.identifiers import new_id
from schema.models.batches import Cancellation, NewBatch
from schema.models.edits import Mode
from schema.models.problems import ProblemCode
from schema.models.tasks import NewTask, Priority, TaskStatus
from service.database import Connection, Pool
from service.queue import Queue
from service.refusals import Refused
from service.tasks import lifecycle, retention
from service.tasks.batches import AT_ONCE, Batches
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from service.tasks.submission import Rules, Submitted
from tests import lives
from tests.factories import add_file, add_task
from tests.service.tasks.test_submission import a_key

PRICE = 36
RECEIVER = "https://example.com/batches"


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection, 1000)


@pytest.fixture
async def photo(connection: Connection, user_id: str) -> str:
    return (await add_file(connection, user_id)).file_id


@pytest.fixture
def batches(pool: Pool, queue: Queue) -> Batches:
    dispatcher = Dispatcher(pool, queue)
    return Batches(pool, dispatcher, Rules(frozenset({Mode.BACKGROUND_CHANGE}), 20), Deadlines(pool, dispatcher))


def an_edit(photo: str, **changes: Any) -> NewTask:
    wanted: dict[str, Any] = {"mode": Mode.BACKGROUND_CHANGE, "source_image": photo}
    return NewTask(**(wanted | changes))


async def created(batches: Batches, user_id: str, photo: str, number: int, **changes: Any) -> Submitted:
    return await batches.create(user_id, NewBatch([an_edit(photo)] * number, **changes), None)


async def test_a_batch_is_written_and_charged_task_by_task(
    batches: Batches, pool: Pool, connection: Connection, user_id: str, photo: str
) -> None:
    wishes: list[dict[str, Any]] = [
        {"config": {"size": "small"}},
        {"priority": Priority.HIGH, "deadline_seconds": 60, "webhook_url": RECEIVER},
        {"config": {"quality": "high"}},
    ]
    new = NewBatch([an_edit(photo, **wish) for wish in wishes])
    made = await batches.create(user_id, new, a_key())
    tasks = made.tasks
    assert [task.credits_consumed for task in tasks] == [30, 36, 54]
    assert [(task.priority, task.config, task.webhook_url) for task in tasks] == [
        (new.priority, new.config, new.webhook_url) for new in new.tasks
    ]
    assert [task.deadline_at and (task.deadline_at - task.created_at).total_seconds() for task in tasks] == [
        None,
        60,
        None,
    ]
    entries = await connection.fetch("SELECT amount, balance_after, task_id FROM credit_ledger ORDER BY entry_id")
    assert [tuple(entry) for entry in entries][1:] == [
        (-30, 970, tasks[0].task_id), (-36, 934, tasks[1].task_id), (-54, 880, tasks[2].task_id),
    ]  # fmt: skip
    again = await batches.create(user_id, new, a_key())
    assert (again.replayed, again.tasks) == (True, tasks)
    batch = await batches.get(user_id, tasks[0].batch_id or "")
    assert (batch.total, batch.pending, batch.ended_at) == (3, 3, None)
    await lives.assert_balanced(pool)


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"config": {"size": "huge"}}, ProblemCode.INVALID_REQUEST, "tasks[2].config.size"),
        ({"webhook_url": "http://127.0.0.1/"}, ProblemCode.INVALID_REQUEST, "tasks[2].webhook_url"),
        ({"source_image": "file_gone"}, ProblemCode.FILE_NOT_FOUND, "tasks[2].source_image"),
        ({"reference_image": "file_gone"}, ProblemCode.FILE_NOT_FOUND, "tasks[2].reference_image"),
        ({"mode": Mode.POSE_CHANGE}, ProblemCode.MODE_NOT_AVAILABLE, None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_one_wrong_task_refuses_all(
    batches: Batches, pool: Pool, user_id: str, photo: str, wrong: dict[str, Any], code: ProblemCode, field: str | None
) -> None:
    before = await lives.everything(pool)
    with pytest.raises(Refused) as caught:
        await batches.create(user_id, NewBatch([an_edit(photo), an_edit(photo), an_edit(photo, **wrong)]), a_key())
    assert (caught.value.code, caught.value.field) == (code, field)
    assert await lives.everything(pool) == before


async def test_limits_hold_for_the_whole(batches: Batches, pool: Pool, user_id: str, photo: str) -> None:
    before = await lives.everything(pool)
    for number, code in ((21, ProblemCode.TOO_MANY_PENDING_TASKS), (20, None)):
        config = {"quality": "high"} if number == 20 else {}
        with pytest.raises(Refused) as caught:
            await batches.create(user_id, NewBatch([an_edit(photo, config=config)] * number), None)
        assert caught.value.code is (code or ProblemCode.INSUFFICIENT_CREDITS)
        assert caught.value.extra == ({} if code else {"required": 1080, "current": 1000, "deficit": 80})
    assert await lives.everything(pool) == before
    await created(batches, user_id, photo, 20)
    with pytest.raises(Refused):
        await created(batches, user_id, photo, 1)


async def test_twins_at_once_make_one_batch(batches: Batches, pool: Pool, user_id: str, photo: str) -> None:
    new = NewBatch([an_edit(photo)] * 3)
    made = await asyncio.gather(*(batches.create(user_id, new, a_key()) for _ in range(4)))
    assert len({one.task.batch_id for one in made}) == 1
    assert Counter(one.replayed for one in made) == {False: 1, True: 3}
    assert await lives.balance(pool, user_id) == 1000 - 3 * PRICE


async def test_those_that_end_at_once_end_a_batch_once(
    batches: Batches, pool: Pool, connection: Connection, user_id: str, photo: str
) -> None:
    """Each ends in a transaction that doesn't see the others' ends: one of them is the last all the same."""
    made = await created(batches, user_id, photo, 6, webhook_url=RECEIVER)
    batch_id = made.task.batch_id or ""
    held = [await lives.claim(pool) for _ in range(5)]

    async def told() -> list[tuple[str, str, str]]:
        rows = await connection.fetch("SELECT batch_id, type, url FROM webhook_deliveries")
        return [tuple(row) for row in rows]

    await lifecycle.complete_task(pool, held[0], lives.a_result(), [])
    await lifecycle.give_back(pool, held[1])
    batch = await batches.get(user_id, batch_id)
    assert (batch.pending, batch.processing, batch.done, batch.ended_at) == (2, 3, 1, None)
    assert await told() == []
    pending = [await lives.claim(pool) for _ in range(2)]
    await asyncio.gather(
        *(lifecycle.complete_task(pool, one, lives.a_result(), []) for one in (held[2], held[3])),
        *(lifecycle.fail_task(pool, one, lives.FAILURE) for one in (held[4], pending[0])),
        lives.cancel(pool, user_id, pending[1].task_id),
    )
    batch = await batches.get(user_id, batch_id)
    assert (batch.total, batch.done, batch.failed, batch.cancelled) == (6, 3, 2, 1)
    last = await connection.fetchval("SELECT max(coalesce(completed_at, failed_at, cancelled_at)) FROM tasks")
    assert batch.ended_at is not None
    assert abs(last - batch.ended_at).total_seconds() < 5
    assert await told() == [(batch_id, "batch.done", RECEIVER)]
    assert await retention.delete_task(pool, user_id, held[0].task_id)
    assert (await batches.get(user_id, batch_id)).total == 6
    left = await connection.fetch("SELECT task_id FROM tasks")
    await asyncio.gather(*(retention.delete_task(pool, user_id, task["task_id"]) for task in left))
    assert await connection.fetchval("SELECT count(*) FROM batches") == 0


async def test_another_users_batch_is_nobodys(
    batches: Batches, connection: Connection, user_id: str, photo: str
) -> None:
    batch_id = (await created(batches, user_id, photo, 1)).task.batch_id or ""
    stranger = await lives.add_user(connection)
    for call in (
        batches.get(stranger, batch_id),
        batches.get(user_id, "batch\0"),
        batches.cancel(stranger, Cancellation(batch_id=batch_id)),
    ):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.code is ProblemCode.NOT_FOUND


async def test_many_are_cancelled_some_at_a_time(
    batches: Batches, pool: Pool, connection: Connection, user_id: str, photo: str
) -> None:
    """More than one transaction takes: waiting and running ones, beside some that can't be, or are already."""
    batch = await created(batches, user_id, photo, 3)
    running = (await lives.claim(pool)).task_id
    many = [(await add_task(connection, user_id)).task_id for _ in range(AT_ONCE)]
    done = (await add_task(connection, user_id, TaskStatus.DONE)).task_id
    elsewhere = (await add_task(connection, user_id, elsewhere=True, legacy_fingerprint=b"theirs")).task_id
    strangers = (await add_task(connection, await lives.add_user(connection))).task_id
    ids = [*many, *(task.task_id for task in batch.tasks), done, elsewhere, strangers, new_id("task")]
    told = await batches.cancel(user_id, Cancellation(ids=[*ids, running]))
    assert (told.cancelled, told.refunded) == (AT_ONCE + 3, 3 * PRICE)
    assert told.not_cancellable == sorted({done, elsewhere, strangers, ids[-1]})
    again = await batches.cancel(user_id, Cancellation(ids=ids))
    assert (again.cancelled, again.refunded, again.not_cancellable) == (0, 0, told.not_cancellable)
    assert await lives.balance(pool, user_id) == 1000
    assert (await batches.get(user_id, batch.task.batch_id or "")).cancelled == 3
    assert await connection.fetchval("SELECT status FROM tasks WHERE task_id = $1", strangers) == "pending"


async def test_what_is_cancelled_can_be_chosen(
    batches: Batches, pool: Pool, connection: Connection, user_id: str, photo: str
) -> None:
    await add_task(connection, user_id, created_at=lives.today(8))
    await lives.claim(pool)
    for hour in (9, 10):
        await add_task(connection, user_id, created_at=lives.today(hour))
    await add_task(connection, user_id, mode=Mode.POSE_CHANGE, created_at=lives.today(8))
    batch = await created(batches, user_id, photo, 2)
    early = Cancellation(status=TaskStatus.PENDING, mode=Mode.BACKGROUND_CHANGE, created_before=lives.today(10))
    assert (await batches.cancel(user_id, early)).cancelled == 1
    assert (await batches.cancel(user_id, Cancellation(batch_id=batch.task.batch_id))).refunded == 2 * PRICE
    assert (await batches.cancel(user_id, Cancellation(status=TaskStatus.PROCESSING))).cancelled == 1
    assert (await batches.cancel(user_id, Cancellation(status=TaskStatus.PENDING))).cancelled == 2
    wrong = {
        "ids": Cancellation(),
        "batch_id": Cancellation(ids=["task_1"], batch_id="batch_1"),
        "status": Cancellation(status=TaskStatus.DONE),
        "mode": Cancellation(ids=["task_1"], mode=Mode.HEAD_SWAP),
    }
    for field, wanted in wrong.items():
        with pytest.raises(Refused) as caught:
            await batches.cancel(user_id, wanted)
        assert (caught.value.code, caught.value.field) == (ProblemCode.INVALID_REQUEST, field)
