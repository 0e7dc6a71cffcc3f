"""A task's life: for every pair of states whether the move is allowed, and that a forbidden one writes nothing."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from schema.models.problems import FailureCode
from schema.models.tasks import TaskFailure, TaskRecord, TaskStatus
from service.accounts import store as accounts
from service.database import Connection, Pool
from service.files import store as files
from service.tasks import lifecycle, store
from service.tasks.lifecycle import LEASE, Claim
from tests import lives
from tests.factories import NewFileFactory, add_task

PENDING, PROCESSING, DONE, FAILED, CANCELLED = TaskStatus

ALLOWED = {
    (PENDING, PROCESSING),
    (PENDING, CANCELLED),
    (PROCESSING, DONE),
    (PROCESSING, FAILED),
    (PROCESSING, CANCELLED),
    (PROCESSING, PENDING),
}


async def take(pool: Pool, _: Claim) -> TaskRecord | None:
    taken = await lifecycle.claim(pool, "another_task", worker_id="worker 2", modes=lives.EVERY_MODE)
    return taken.claim and taken.claim.task


async def finish(pool: Pool, claim: Claim) -> TaskRecord | None:
    made = [NewFileFactory.build(user_id=claim.task.user_id, task_id=claim.task_id)]
    return await lifecycle.complete_task(pool, claim, lives.a_result(), made)


async def fail(pool: Pool, claim: Claim) -> TaskRecord | None:
    return await lifecycle.fail_task(pool, claim, lives.FAILURE)


async def cancel(pool: Pool, claim: Claim) -> TaskRecord | None:
    return await lives.cancel(pool, claim.task.user_id or "", claim.task_id)


async def give_back(pool: Pool, claim: Claim) -> TaskRecord | None:
    return await lifecycle.give_back(pool, claim)


async def try_again(pool: Pool, claim: Claim) -> TaskRecord | None:
    return await lifecycle.try_again_or_fail(pool, claim, lives.FAILURE, max_attempts=9, at_once=False)


async def lose_the_lease(pool: Pool, _: Claim) -> TaskRecord | None:
    later = datetime.now(UTC) + timedelta(hours=1)
    recovered = await lifecycle.recover_lost(pool, max_attempts=9, limit=10, now=later)
    return recovered[0] if recovered else None


Move = Callable[[Pool, Claim], Awaitable[TaskRecord | None]]

MOVES: list[tuple[TaskStatus, Move]] = [
    (PROCESSING, take),
    (DONE, finish),
    (FAILED, fail),
    (CANCELLED, cancel),
    (PENDING, give_back),
    (PENDING, try_again),
    (PENDING, lose_the_lease),
]


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


@pytest.mark.parametrize("before", TaskStatus)
@pytest.mark.parametrize(("after", "move"), MOVES, ids=lambda each: getattr(each, "__name__", None))
async def test_only_allowed_moves_write(
    pool: Pool, user_id: str, before: TaskStatus, after: TaskStatus, move: Move
) -> None:
    claim = await lives.reach(pool, user_id, before)
    seen = await lives.everything(pool)
    moved = await move(pool, claim)
    if (before, after) in ALLOWED:
        assert moved is not None
        assert moved.status is after
        assert moved == await lives.get(pool, claim.task_id)
    else:
        assert moved is None
        assert await lives.everything(pool) == seen
    await lives.assert_balanced(pool)


def test_every_status_is_tried() -> None:
    assert {after for after, _ in MOVES} == set(TaskStatus)


TIMES = {
    PROCESSING: "lease_expires_at",
    DONE: "completed_at",
    FAILED: "failed_at",
    CANCELLED: "cancelled_at",
}


@pytest.mark.parametrize("status", TaskStatus)
async def test_a_time_is_there_exactly_in_its_status(
    pool: Pool, connection: Connection, user_id: str, status: TaskStatus
) -> None:
    """The CHECKs: whoever writes past the service can't leave a row that contradicts itself."""
    task = (await lives.reach(pool, user_id, status)).task
    for column in TIMES.values():
        there = getattr(task, column) is not None
        assert there == (TIMES.get(status) == column)
        wrong = "NULL" if there else "now()"
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"UPDATE tasks SET {column} = {wrong} WHERE task_id = $1", task.task_id)  # noqa: S608


async def test_an_unknown_status_is_refused(connection: Connection, user_id: str) -> None:
    task = await add_task(connection, user_id)
    with pytest.raises(asyncpg.CheckViolationError, match="status"):
        await connection.execute("UPDATE tasks SET status = 'lost' WHERE task_id = $1", task.task_id)


async def test_a_claim_starts_an_attempt(pool: Pool, connection: Connection, user_id: str) -> None:
    task = await lives.create(connection, user_id, now=lives.today(9))
    held = (await lives.claim(pool, worker_id="host:1", now=lives.today(10))).task
    assert held.task_id == task.task_id
    assert (held.attempts, held.lease_token, held.worker_id, held.progress) == (1, 1, "host:1", 0)
    assert held.started_at == held.updated_at == lives.today(10)
    assert held.lease_expires_at == lives.today(10) + LEASE
    assert held.created_at == lives.today(9)


async def test_every_claim_raises_the_token_and_nothing_lowers_it(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    await lives.create(connection, user_id)
    tokens: list[int] = []
    attempts: list[int] = []
    for move in (give_back, try_again, lose_the_lease, give_back):
        held = await lives.claim(pool, now=datetime.now(UTC) + timedelta(minutes=5))
        tokens.append(held.lease_token)
        attempts.append(held.task.attempts)
        back = await move(pool, held)
        assert back is not None
        assert back.lease_token == held.lease_token
    assert tokens == [1, 2, 3, 4]
    # A shutdown's give-back costs no attempt; a failure and a lost worker do.
    assert attempts == [1, 1, 2, 3]


async def test_done_keeps_the_result_and_its_files(pool: Pool, connection: Connection, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    held = await lives.claim(pool, now=lives.today(10))
    await lifecycle.update_task_progress(pool, held, 60, "cutting out")
    made = NewFileFactory.build(user_id=user_id, task_id=task.task_id, purpose="output")
    await files.expect_blobs(connection, [made.blob_key])
    done = await lifecycle.complete_task(pool, held, lives.a_result(), [made], now=lives.today(10, 0, 2.5))
    assert done is not None
    assert (done.progress, done.current_step, done.error, done.result) == (100, None, None, lives.a_result())
    assert done.completed_at == done.updated_at == lives.today(10, 0, 2.5)
    assert done.processing_time == 2.5
    assert done.credits_refunded == 0
    record = await files.get_users_file(connection, user_id, made.file_id)
    assert record is not None
    assert record.task_id == task.task_id
    assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 0
    assert await lives.balance(pool, user_id) == lives.CREDITS - lives.PRICE


async def test_failed_tells_why_and_refunds(pool: Pool, connection: Connection, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    held = await lives.claim(pool, now=lives.today(10))
    failed = await lifecycle.fail_task(pool, held, lives.FAILURE, now=lives.today(10, 1))
    assert failed is not None
    assert failed.error == lives.FAILURE
    assert failed.failed_at == lives.today(10, 1)
    assert failed.processing_time == 60
    assert failed.credits_refunded == failed.credits_consumed == lives.PRICE
    newest = (await accounts.ledger_page(connection, user_id, None, 10))[0]
    assert (newest.kind, newest.amount, newest.task_id) == ("refund", lives.PRICE, task.task_id)
    assert newest.balance_after == await lives.balance(pool, user_id) == lives.CREDITS
    user = await accounts.get_user(connection, user_id)
    assert user is not None
    assert user.total_credits_used == 0


async def test_a_task_cancelled_before_its_claim_has_no_processing_time(pool: Pool, user_id: str) -> None:
    task = (await lives.reach(pool, user_id, CANCELLED)).task
    assert (task.started_at, task.processing_time) == (None, None)


async def test_a_cancel_that_waited_for_a_claim_ends_after_it_began(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    """The end is stamped when the row is ours: else an edit could take less than no time."""
    task = await lives.create(connection, user_id)
    async with pool.acquire() as other, other.transaction():
        await other.fetchval("SELECT now()")  # the cancel's transaction begins
        held = await lives.claim(pool, task.task_id)
        cancelled = await store.cancel_task(other, user_id, task.task_id)
    assert cancelled is not None
    assert lives.seconds_after(held.task.started_at, cancelled.cancelled_at) >= 0
    assert cancelled.processing_time is not None
    assert cancelled.processing_time >= 0


async def test_progress_never_goes_back_within_an_attempt(pool: Pool, connection: Connection, user_id: str) -> None:
    task = await lives.create(connection, user_id)
    held = await lives.claim(pool)
    assert await lifecycle.update_task_progress(pool, held, 40, "cutting out")
    assert await lifecycle.update_task_progress(pool, held, 20, "looking again")
    seen = await lives.get(pool, task.task_id)
    assert (seen.progress, seen.current_step) == (40, "looking again")
    back = await lifecycle.give_back(pool, held)
    assert back is not None
    assert (back.progress, back.current_step) == (0, None)


async def test_a_renewed_lease_lasts_from_now(pool: Pool, connection: Connection, user_id: str) -> None:
    await lives.create(connection, user_id)
    held = await lives.claim(pool, now=lives.today())
    assert await lifecycle.renew(pool, held)
    renewed = (await lives.get(pool, held.task_id)).lease_expires_at
    now = await connection.fetchval("SELECT now()")
    assert abs(lives.seconds_after(now, renewed) - LEASE.total_seconds()) < 5


@pytest.mark.parametrize("attempts", [1, 2, 3, 10])
def test_a_back_off_takes_1_to_30_seconds(attempts: int) -> None:
    waits = [lifecycle.back_off(attempts).total_seconds() for _ in range(200)]
    assert min(waits) >= 1
    assert max(waits) <= min(30, 2**attempts)
    assert len(set(waits)) > 100


@pytest.mark.parametrize(("pause", "least", "most"), [(0, 1, 30), (45, 45, 45)])
async def test_a_transient_failure_waits_in_its_place(
    pool: Pool, connection: Connection, user_id: str, pause: float, least: float, most: float
) -> None:
    await lives.create(connection, user_id)
    held = await lives.claim(pool, now=lives.today())
    back = await lifecycle.try_again_or_fail(
        pool, held, lives.FAILURE, max_attempts=3, at_once=False, pause=pause, now=lives.today()
    )
    assert back is not None
    assert least <= lives.seconds_after(lives.today(), back.not_before) <= most
    assert (back.attempts, back.line, back.dispatched_at, back.started_at) == (1, 2, None, None)
    assert back.message_no > held.task.message_no


@pytest.mark.parametrize(("at_once", "told"), [(False, lives.FAILURE), (True, lifecycle.EXHAUSTED)])
async def test_without_attempts_left_a_failure_is_final(
    pool: Pool, connection: Connection, user_id: str, at_once: bool, told: TaskFailure
) -> None:
    await lives.create(connection, user_id)
    held = await lives.claim(pool)
    ended = await lifecycle.try_again_or_fail(pool, held, lives.FAILURE, max_attempts=1, at_once=at_once)
    assert ended is not None
    assert (ended.status, ended.error) == (FAILED, told)
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("move", [give_back, lose_the_lease])
async def test_who_was_interrupted_may_run_at_once_at_the_head_of_the_line(
    pool: Pool, connection: Connection, user_id: str, move: Move
) -> None:
    await lives.create(connection, user_id)
    back = await move(pool, await lives.claim(pool))
    assert back is not None
    assert (back.line, back.not_before, back.lease_expires_at, back.worker_id) == (0, None, None, None)
    assert back.dispatched_at is None


async def test_a_lost_lease_without_attempts_left_ends_the_task(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    task = await lives.create(connection, user_id)
    await lives.claim(pool)
    later = datetime.now(UTC) + timedelta(hours=1)
    (ended,) = await lifecycle.recover_lost(pool, max_attempts=1, limit=10, now=later)
    assert ended.task_id == task.task_id
    assert ended.status is FAILED
    assert ended.error is not None
    assert ended.error.code == FailureCode.ATTEMPTS_EXHAUSTED
    assert await lives.balance(pool, user_id) == lives.CREDITS
    await lives.assert_balanced(pool)
