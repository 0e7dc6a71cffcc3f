"""Whose turn it is: fewest running first, then the oldest last claim; and each user's own line."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from schema.identifiers import new_id
from schema.models.edits import Mode
from schema.models.tasks import LINE, Priority, TaskRecord
from service.database import Connection, Pool
from service.tasks import lifecycle, store
from service.tasks.claiming import LEASE
from tests import lives
from tests.factories import add_task
from tests.lives import today, wait_in_line

HERE = frozenset({Mode.BACKGROUND_CHANGE})


@pytest.fixture
async def users(connection: Connection) -> list[str]:
    """Three users, in the order of their ids."""
    return sorted([await lives.add_user(connection) for _ in range(3)])


async def served_at(connection: Connection, user_id: str, moment: datetime) -> None:
    await connection.execute(
        "INSERT INTO claim_turns (user_id, last_claimed_at) VALUES ($1, $2) "
        "ON CONFLICT (user_id) DO UPDATE SET last_claimed_at = excluded.last_claimed_at",
        user_id,
        moment,
    )


async def claims(pool: Pool, number: int) -> list[TaskRecord]:
    """That many claims one after the other, a second apart."""
    return [(await lives.claim(pool, now=today(12, 0, second))).task for second in range(number)]


def whose(tasks: Sequence[TaskRecord]) -> list[str | None]:
    return [task.user_id for task in tasks]


async def test_slots_go_to_those_with_the_fewest_running(pool: Pool, connection: Connection, users: list[str]) -> None:
    """A user who came first with many gets no more than those who came later with few."""
    first, second, third = users
    await wait_in_line(connection, first, 6)
    await wait_in_line(connection, second, 2, hour=10)
    await wait_in_line(connection, third, 1, hour=11)
    taken = whose(await claims(pool, 9))
    assert taken == [first, second, third, first, second, first, first, first, first]


async def test_among_equals_the_oldest_last_claim_goes_first(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    for user_id in users:
        await wait_in_line(connection, user_id, 3)
    order = list(reversed(users))
    for minute, user_id in enumerate(order):
        await served_at(connection, user_id, today(8, minute))
    taken: list[str | None] = []
    for second in range(6):
        held = await lives.claim(pool, now=today(12, 0, second))
        taken.append(held.task.user_id)
        # Done at once: nobody has anything running when the next slot is free.
        await lifecycle.complete_task(pool, held, lives.a_result(), [])
    assert taken == order * 2


async def test_whoever_was_never_served_goes_before_those_who_were(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    served, _, new = users
    await served_at(connection, served, today(1))
    await wait_in_line(connection, served, 1, hour=8)
    await wait_in_line(connection, new, 1, hour=11)
    assert whose(await claims(pool, 2)) == [new, served]


async def test_a_user_at_the_cap_is_served_when_nobody_else_waits(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """Slots are never left idle: fewest running first puts the greedy last, and doesn't stop them."""
    first, second, _ = users
    await wait_in_line(connection, first, 8)
    assert whose(await claims(pool, 6)) == [first] * 6
    await wait_in_line(connection, second, 1)
    assert whose(await claims(pool, 2)) == [second, first]


async def test_everybody_below_the_cap_goes_before_whoever_is_at_it(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """MAX_PROCESSING_PER_USER (3) needs no clause of its own, at any cap: fewest running first implies it."""
    first, second, third = users
    await wait_in_line(connection, first, 9)
    at_the_cap = [await lives.claim(pool, now=today(12, 0, second)) for second in range(3)]
    assert {held.task.user_id for held in at_the_cap} == {first}
    await wait_in_line(connection, second, 3, hour=10)
    await wait_in_line(connection, third, 3, hour=11)
    taken = whose([(await lives.claim(pool, now=today(12, 1, second))).task for second in range(9)])
    assert Counter(taken[:6]) == {second: 3, third: 3}
    assert taken[6:] == [first] * 3


async def test_who_waits_for_something_else_is_looked_at_once(connection: Connection) -> None:
    """For a mode that isn't made here, or for a time: until that comes, or something else of theirs."""
    users = [await lives.add_user(connection) for _ in range(12)]
    moment = today(12)
    for place, user_id in enumerate(users):
        mode, waits = (Mode.POSE_CHANGE, None) if place % 2 else (Mode.BACKGROUND_CHANGE, moment + timedelta(minutes=1))
        await add_task(connection, user_id, created_at=today(1), mode=mode, not_before=waits)

    async def claim(at: datetime) -> store.Claim | None:
        return await store.claim_task(connection, worker_id="worker", modes=HERE, lease=lifecycle.LEASE, now=at)

    async def looks() -> int:
        return await connection.fetchval("SELECT pg_stat_get_xact_numscans('idx_tasks_waiting'::regclass)")

    async with connection.transaction():
        assert await claim(moment) is None
        seen = await looks()
        assert await claim(moment) is None
        assert await looks() == seen
    new = await add_task(connection, users[1], created_at=today(2), mode=Mode.BACKGROUND_CHANGE)
    for at, expected in ((moment, {new.task_id}), (moment + timedelta(minutes=2), None)):
        held = await claim(at)
        assert held is not None
        assert expected is None or held.task_id in expected


async def test_who_begins_to_wait_while_being_struck_off_is_served(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """A claim that finds nothing of a user's, with their next create in flight, doesn't lose sight of them."""
    user_id = users[0]
    gone = await add_task(connection, user_id)
    await lifecycle.cancel_task(pool, user_id, gone.task_id)
    async with pool.acquire() as creating:
        transaction = creating.transaction()
        await transaction.start()
        task = await add_task(creating, user_id)
        nothing = await lifecycle.claim(pool, "task_of_nobody", worker_id="worker", modes=HERE)
        assert nothing.claim is None
        await transaction.commit()
    assert (await lives.claim(pool)).task_id == task.task_id
    assert (await lifecycle.claim(pool, "task_of_nobody", worker_id="worker", modes=HERE)).claim is None
    assert not await connection.fetchval("SELECT waiting FROM claim_turns WHERE user_id = $1", user_id)
    again = await add_task(connection, user_id)
    assert (await lives.claim(pool)).task_id == again.task_id


@pytest.mark.parametrize("running", [0, 1])
async def test_a_claim_waits_for_nobody_who_begins_to_wait(
    pool: Pool, connection: Connection, users: list[str], running: int
) -> None:
    """For a further mode, by transactions that are still open: those users are passed over, and keep their turns."""
    first, second, third = users
    for user_id in users:
        await wait_in_line(connection, user_id, 1 + running)
    await claims(pool, 3 * running)
    async with pool.acquire() as creating:
        transaction = creating.transaction()
        await transaction.start()
        for user_id in (second, first):
            await add_task(creating, user_id, mode=Mode.POSE_CHANGE)
        async with asyncio.timeout(5):
            held = await lives.claim(pool, now=today(12, 1))
            nothing = await lifecycle.claim(pool, "a_message", worker_id="worker", modes=lives.EVERY_MODE)
        assert (held.task.user_id, nothing.claim) == (third, None)
        await transaction.commit()
    assert whose([(await lives.claim(pool, now=today(12, 2, second))).task for second in range(2)]) == [first, second]


async def test_a_deadline_that_is_past_is_no_claims(pool: Pool, connection: Connection, users: list[str]) -> None:
    await add_task(connection, users[0], created_at=today(8), deadline_at=today(12))
    in_time = await add_task(connection, users[0], created_at=today(9), deadline_at=today(12, 30))
    assert (await lives.claim(pool, now=today(12))).task_id == in_time.task_id
    late = await lifecycle.claim(pool, "a_message", worker_id="worker", modes=HERE, now=today(13))
    assert late.claim is None


async def test_a_thousand_waiting_tasks_of_one_delay_nobody_else(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    many, one, _ = users
    await connection.execute(
        "INSERT INTO tasks (task_id, user_id, mode, source_image, created_at) "
        "SELECT 'many_' || n, $1, 'BACKGROUND_CHANGE', 'file', $2::timestamptz + n * interval '1 s' "
        "FROM generate_series(1, 1000) AS n",
        many,
        today(1),
    )
    await wait_in_line(connection, one, 1, hour=11)
    assert (await lives.claim(pool, "many_1")).task.user_id == many
    # The very next slot, whichever of the thousand messages woke it.
    taken = await lifecycle.claim(pool, "many_2", worker_id="worker", modes=lives.EVERY_MODE)
    assert taken.claim is not None
    assert taken.claim.task.user_id == one
    assert taken.announce is not None
    assert taken.announce[0] == "many_2"


async def test_within_a_users_line_priority_goes_first_and_then_age(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    wanted = [
        (Priority.HIGH, 10), (Priority.HIGH, 11), (Priority.NORMAL, 8), (Priority.NORMAL, 9), (Priority.LOW, 7),
    ]  # fmt: skip
    for priority, hour in reversed(wanted):
        await add_task(connection, users[0], priority=priority, line=LINE[priority], created_at=today(hour))
    taken = await claims(pool, 5)
    assert [(task.priority, task.created_at) for task in taken] == [
        (priority, today(hour)) for priority, hour in wanted
    ]


async def test_priority_means_nothing_between_users(pool: Pool, connection: Connection, users: list[str]) -> None:
    urgent, modest, _ = users
    await served_at(connection, urgent, today(8))
    await add_task(connection, urgent, priority=Priority.HIGH, line=LINE[Priority.HIGH])
    await add_task(connection, modest, priority=Priority.LOW, line=LINE[Priority.LOW])
    assert whose(await claims(pool, 2)) == [modest, urgent]


async def test_who_lost_a_worker_goes_ahead_of_the_line(pool: Pool, connection: Connection, users: list[str]) -> None:
    lost, *_ = await wait_in_line(connection, users[0], 2)
    assert (await lives.claim(pool)).task_id == lost.task_id
    await add_task(connection, users[0], priority=Priority.HIGH, line=LINE[Priority.HIGH], created_at=today(7))
    now = await connection.fetchval("SELECT now() + interval '1 hour'")
    assert len(await lifecycle.recover_lost(pool, max_attempts=3, limit=10, now=now)) == 1
    again = (await lives.claim(pool)).task
    assert (again.task_id, again.attempts, again.lease_token) == (lost.task_id, 2, 2)


async def test_a_back_off_is_waited_for(pool: Pool, connection: Connection, users: list[str]) -> None:
    await add_task(connection, users[0], not_before=today(12, 30))
    for now, due in ((today(12, 29), False), (today(12, 30), True)):
        taken = await lifecycle.claim(pool, "no_task", worker_id="worker", modes=lives.EVERY_MODE, now=now)
        assert (taken.claim is not None) is due


async def test_somebody_who_backs_off_lets_their_next_task_pass(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    await add_task(connection, users[0], not_before=today(13), created_at=today(8))
    behind = await add_task(connection, users[0], created_at=today(9))
    assert (await lives.claim(pool, now=today(12))).task_id == behind.task_id


async def test_only_edits_that_this_worker_makes_are_taken(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    pose = await add_task(connection, users[0], mode=Mode.POSE_CHANGE, created_at=today(7))
    ours = await add_task(connection, users[0], created_at=today(8))
    taken = await lifecycle.claim(pool, pose.task_id, worker_id="worker", modes=HERE)
    assert taken.claim is not None
    assert taken.claim.task_id == ours.task_id
    # The message was somebody else's: there may be a worker that can use it.
    assert taken.announce == (pose.task_id, pose.message_no + 1)


async def test_a_message_that_nobody_here_can_use_does_not_come_back_at_once(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """It would go round and round, between Redis and us. Marked, it is the sweep's, which takes its time."""
    pose = await add_task(connection, users[0], mode=Mode.POSE_CHANGE, dispatched_at=today())
    taken = await lifecycle.claim(pool, pose.task_id, worker_id="worker", modes=HERE)
    assert (taken.claim, taken.announce) == (None, None)
    seen = await lives.get(pool, pose.task_id)
    assert (seen.dispatched_at, seen.message_no) == (None, pose.message_no + 1)


async def test_the_named_task_that_still_waits_is_marked_and_announced_again(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    first, second = await wait_in_line(connection, users[0], 2)
    async with pool.acquire() as sending:
        await store.mark_dispatched(sending, [(first.task_id, 0), (second.task_id, 0)])
    taken = await lifecycle.claim(pool, second.task_id, worker_id="worker", modes=lives.EVERY_MODE)
    assert taken.claim is not None
    assert taken.claim.task_id == first.task_id
    assert taken.announce == (second.task_id, 1)
    seen = await lives.get(pool, second.task_id)
    assert (seen.dispatched_at, seen.message_no) == (None, 1)


async def test_the_named_task_is_not_announced_when_it_is_the_one(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    (only,) = await wait_in_line(connection, users[0], 1)
    taken = await lifecycle.claim(pool, only.task_id, worker_id="worker", modes=lives.EVERY_MODE)
    assert taken.claim is not None
    assert (taken.claim.task_id, taken.announce) == (only.task_id, None)


async def test_a_task_that_backs_off_is_announced_when_it_is_due(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    served, *others = users
    await served_at(connection, served, today(11))
    waits = await add_task(connection, served, not_before=today(13))
    moments = ((today(12), None), (today(14), (waits.task_id, 2)))
    for other, (now, announced) in zip(others, moments, strict=True):
        await add_task(connection, other)
        taken = await lifecycle.claim(pool, waits.task_id, worker_id="worker", modes=lives.EVERY_MODE, now=now)
        assert taken.claim is not None
        assert taken.claim.task.user_id == other
        assert taken.announce == announced


async def test_a_worker_that_stops_claims_nothing_and_passes_the_message_on(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    (only,) = await wait_in_line(connection, users[0], 1)
    taken = await lifecycle.claim(pool, only.task_id, worker_id="worker", modes=None)
    assert (taken.claim, taken.announce) == (None, (only.task_id, 1))


async def test_a_worker_without_engines_leaves_the_message_to_a_chore(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """Sent at once, it would come back to it, over and over."""
    (only,) = await wait_in_line(connection, users[0], 1)
    taken = await lifecycle.claim(pool, only.task_id, worker_id="worker", modes=frozenset())
    assert (taken.claim, taken.announce) == (None, None)
    assert (await lives.get(pool, only.task_id)).dispatched_at is None


async def test_a_claim_whose_answer_was_lost_is_the_slots_next(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    await wait_in_line(connection, users[0], 2)
    lost = await lives.claim(pool, worker_id="worker/1")
    for slot, attempts in (("worker/1", {1}), ("worker/2", {1, 0})):
        taken = await lifecycle.claim(pool, "a_message", worker_id=slot, modes=lives.EVERY_MODE, again=True)
        assert taken.claim is not None
        assert (taken.claim.task_id == lost.task_id) == (slot == "worker/1")
        assert taken.claim.task.attempts in attempts
    # Once its lease has run out it is whoever's turn it is.
    late = await connection.fetchval("SELECT max(lease_expires_at) FROM tasks")
    assert await store.unanswered_claim(connection, worker_id="worker/1", lease=LEASE, now=late) is None


@pytest.mark.parametrize("named", ["gone", "ended"])
async def test_a_message_without_a_waiting_task_claims_whoever_waits(
    pool: Pool, connection: Connection, users: list[str], named: str
) -> None:
    waiting = await add_task(connection, users[0])
    ended = await lives.create(connection, users[1])
    await lives.cancel(pool, users[1], ended.task_id)
    message = ended.task_id if named == "ended" else new_id("task")
    taken = await lifecycle.claim(pool, message, worker_id="worker", modes=lives.EVERY_MODE)
    assert taken.claim is not None
    assert (taken.claim.task_id, taken.announce) == (waiting.task_id, None)


async def test_claimers_at_once_never_share_a_task_and_stay_fair(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    tasks = [task for user_id in users for task in await wait_in_line(connection, user_id, 10)]
    held = await asyncio.gather(*(lives.claim(pool, task.task_id, worker_id=task.task_id) for task in tasks[:15]))
    assert len({claim.task_id for claim in held}) == 15
    # Each saw the others' claims: nobody got a slot more than their share.
    assert Counter(claim.task.user_id for claim in held) == dict.fromkeys(users, 5)


async def test_a_claim_and_a_batch_of_marks_do_not_wait_for_each_other(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """A worker, woken by the first message of a batch, claims while the batch is still being marked as sent.

    It takes the urgent task and marks the one its message named; the batch has that one and wants the urgent one.
    """
    named = await add_task(connection, users[0], created_at=today(8))
    urgent = await add_task(connection, users[0], priority=Priority.HIGH, line=LINE[Priority.HIGH])
    async with pool.acquire() as sending:
        transaction = sending.transaction()
        await transaction.start()
        await store.mark_dispatched(sending, [(named.task_id, 0)])
        claiming = asyncio.create_task(lifecycle.claim(pool, named.task_id, worker_id="worker", modes=lives.EVERY_MODE))
        await lives.until_blocked(connection)
        # It was claimed meanwhile: its message announces nothing any more.
        assert await store.mark_dispatched(sending, [(urgent.task_id, 0)]) == frozenset()
        await transaction.commit()
    taken = await claiming
    assert taken.claim is not None
    assert taken.claim.task_id == urgent.task_id
    assert taken.announce == (named.task_id, 1)


async def test_a_message_that_is_quicker_than_the_mark_of_its_sending_leads_to_its_task(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """The usual case with idle workers: they are woken before the sender has noted that it sent."""
    task = await add_task(connection, users[0])
    async with pool.acquire() as sending, sending.transaction():
        assert await store.mark_dispatched(sending, [(task.task_id, 0)]) == {task.task_id}
        claiming = asyncio.create_task(lifecycle.claim(pool, task.task_id, worker_id="worker", modes=lives.EVERY_MODE))
        await lives.until_blocked(connection)
    taken = await claiming
    assert taken.claim is not None
    assert (taken.claim.task_id, taken.announce) == (task.task_id, None)


async def test_a_task_that_is_being_cancelled_holds_nobody_up(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    first, second = await wait_in_line(connection, users[0], 2)
    async with pool.acquire() as cancelling, cancelling.transaction():
        assert await store.cancel_task(cancelling, users[0], first.task_id)
        held = await asyncio.wait_for(lives.claim(pool, second.task_id), 5)
        assert held.task_id == second.task_id


async def test_whoever_holds_the_named_task_locked_does_not_keep_the_claim_from_its_work(
    pool: Pool, connection: Connection, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that froze in the middle of a transaction: nobody renews the lease of what was claimed meanwhile."""
    monkeypatch.setattr(lifecycle, "MARK_WITHIN", 0.2)
    first, second = await wait_in_line(connection, users[0], 2)
    async with pool.acquire() as frozen, frozen.transaction():
        await frozen.execute("SELECT FROM tasks WHERE task_id = $1 FOR UPDATE", first.task_id)
        async with asyncio.timeout(5):
            taken = await lifecycle.claim(pool, first.task_id, worker_id="worker", modes=lives.EVERY_MODE)
        assert taken.claim is not None
        assert (taken.claim.task_id, taken.announce) == (second.task_id, None)
        async with asyncio.timeout(5):
            with pytest.raises(TimeoutError):
                await lifecycle.claim(pool, first.task_id, worker_id="worker", modes=lives.EVERY_MODE)


async def test_batches_that_mark_the_same_tasks_in_another_order_do_not_deadlock(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    tasks = [(task.task_id, 0) for task in await wait_in_line(connection, users[0], 50)]

    async def mark(batch: list[tuple[str, int]]) -> None:
        async with pool.acquire() as marking:
            for _ in range(15):
                await store.mark_dispatched(marking, batch, now=today() + timedelta(seconds=1))

    await asyncio.gather(mark(tasks), mark(tasks[::-1]), mark(tasks[25:] + tasks[:25]))
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE dispatched_at IS NULL") == 0
