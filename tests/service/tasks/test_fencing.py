"""A claim that was lost, however it was lost, writes nothing any more; and credits come back once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schema.models.tasks import TaskStatus
from service.accounts import credits as ledger
from service.accounts import store as accounts
from service.database import Connection, Pool
from service.tasks import lifecycle, store
from service.tasks.lifecycle import Claim
from tests import lives
from tests.factories import NewFileFactory

Thief = Callable[[Pool, Claim], Awaitable[None]]
Write = Callable[[Pool, Claim], Awaitable[object]]


async def cancelled(pool: Pool, held: Claim) -> None:
    await lives.cancel(pool, held.task.user_id or "", held.task_id)


async def lost(pool: Pool, _: Claim) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    recovered = await lifecycle.recover_lost(pool, max_attempts=9, limit=10, now=later)
    assert len(recovered) == 1


async def claimed_by_another(pool: Pool, held: Claim) -> None:
    await lost(pool, held)
    assert (await lives.claim(pool, worker_id="thief")).task_id == held.task_id


async def already_failed(pool: Pool, held: Claim) -> None:
    await claimed_by_another(pool, held)
    assert await lifecycle.fail_task(pool, Claim(await lives.get(pool, held.task_id)), lives.FAILURE)


async def already_done(pool: Pool, held: Claim) -> None:
    assert await lifecycle.complete_task(pool, held, lives.a_result(), [])


async def deleted(pool: Pool, held: Claim) -> None:
    await cancelled(pool, held)
    async with pool.acquire() as connection:
        assert await store.delete_task(connection, held.task.user_id or "", held.task_id)


async def progress(pool: Pool, held: Claim) -> object:
    return await lifecycle.update_task_progress(pool, held, 99, "almost there")


async def complete(pool: Pool, held: Claim) -> object:
    made = NewFileFactory.build(user_id=held.task.user_id, task_id=held.task_id)
    return await lifecycle.complete_task(pool, held, lives.a_result(), [made])


async def fail(pool: Pool, held: Claim) -> object:
    return await lifecycle.fail_task(pool, held, lives.FAILURE)


async def try_again(pool: Pool, held: Claim) -> object:
    return await lifecycle.try_again_or_fail(pool, held, lives.FAILURE, max_attempts=9, at_once=True)


async def give_up(pool: Pool, held: Claim) -> object:
    return await lifecycle.try_again_or_fail(pool, held, lives.FAILURE, max_attempts=1, at_once=True)


async def give_back(pool: Pool, held: Claim) -> object:
    return await lifecycle.give_back(pool, held)


async def renew(pool: Pool, held: Claim) -> object:
    return await lifecycle.renew(pool, held)


async def ask(pool: Pool, held: Claim) -> object:
    return await lifecycle.is_held(pool, held)


THIEVES: list[Thief] = [cancelled, lost, claimed_by_another, already_failed, already_done, deleted]
WRITES: list[Write] = [progress, complete, fail, try_again, give_up, give_back, renew, ask]


@pytest.fixture
async def held(pool: Pool, connection: Connection) -> Claim:
    """A claim of a user's only task."""
    await lives.create(connection, await lives.add_user(connection))
    return await lives.claim(pool)


@pytest.mark.parametrize("write", WRITES)
async def test_a_holder_may_write(pool: Pool, held: Claim, write: Write) -> None:
    assert await write(pool, held)


@pytest.mark.parametrize("thief", THIEVES)
async def test_late_writes_change_nothing(pool: Pool, held: Claim, thief: Thief) -> None:
    await thief(pool, held)
    before = await lives.everything(pool)
    for write in WRITES:
        assert not await write(pool, held), write.__name__
        assert await lives.everything(pool) == before, write.__name__
    await lives.assert_balanced(pool)


async def test_a_token_from_the_future_is_nobodys(pool: Pool, held: Claim) -> None:
    """Only the row's own token writes: not an older one, and not one that somebody made up."""
    async with pool.acquire() as connection:
        for token in (held.lease_token - 1, held.lease_token + 1):
            assert await store.complete_task(connection, held.task_id, token, lives.a_result(), []) is None


async def test_however_many_end_a_task_at_once_it_has_one_outcome_and_one_refund(
    pool: Pool, connection: Connection
) -> None:
    """The holder fails it, its user cancels it, and a sweep gives it up: all at the same moment, many times."""
    user_id = await lives.add_user(connection, 10_000)
    later = datetime.now(UTC) + timedelta(hours=1)

    async def sweep() -> object:
        return await lifecycle.recover_lost(pool, max_attempts=1, limit=10, now=later)

    outcomes: set[TaskStatus] = set()
    for _ in range(15):
        task = await lives.create(connection, user_id)
        held = await lives.claim(pool)
        contenders = [
            lifecycle.fail_task(pool, held, lives.FAILURE),
            lives.cancel(pool, user_id, task.task_id),
            sweep(),
            lifecycle.fail_task(pool, held, lives.FAILURE),
            lives.cancel(pool, user_id, task.task_id),
        ]
        ends = await asyncio.gather(*contenders)
        assert sum(bool(end) for end in ends) == 1
        outcomes.add((await lives.get(pool, task.task_id)).status)
        assert await lives.balance(pool, user_id) == 10_000
    assert outcomes <= {TaskStatus.FAILED, TaskStatus.CANCELLED}
    refunds = await connection.fetchval("SELECT count(*) FROM credit_ledger WHERE kind = 'refund'")
    assert refunds == 15
    await lives.assert_balanced(pool)


async def test_a_second_refund_is_refused_by_the_table(pool: Pool, held: Claim) -> None:
    """Whatever the code above it believes: the index lets one through."""
    failed = await lifecycle.fail_task(pool, held, lives.FAILURE)
    assert failed is not None
    async with pool.acquire() as connection:
        with pytest.raises(Exception, match="idx_credit_ledger_once"):
            await ledger.refund(connection, [failed], "once more")
    assert await lives.balance(pool, failed.user_id or "") == lives.CREDITS
    await lives.assert_balanced(pool)


async def test_a_free_task_is_refunded_nothing(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    task = await lives.create(connection, user_id, price=0)
    assert await lives.cancel(pool, user_id, task.task_id)
    kinds = [entry.kind for entry in await accounts.ledger_page(connection, user_id, None, 10)]
    assert "refund" not in kinds


@pytest.mark.parametrize("attempts_left", [0, 2])
async def test_a_lease_that_is_renewed_while_it_is_looked_at_is_not_taken_away(
    pool: Pool, held: Claim, monkeypatch: pytest.MonkeyPatch, attempts_left: int
) -> None:
    """A holder that was slow, and renewed between the look at all leases and the turn of its own."""
    later = datetime.now(UTC) + timedelta(hours=1)
    look = store.lost_leases

    async def look_and_be_late(connection: Connection, **asked: Any) -> list[store.LostLease]:
        found = await look(connection, **asked)
        assert await lifecycle.renew(pool, held)
        return found

    monkeypatch.setattr(store, "lost_leases", look_and_be_late)
    assert await lifecycle.recover_lost(pool, max_attempts=1 + attempts_left, limit=10, now=later) == []
    assert (await lives.get(pool, held.task_id)).status is TaskStatus.PROCESSING
