"""Claims of several slots at once, which remember what the one before has seen: chosen as by single ones."""

import asyncio
import random
from datetime import datetime, timedelta
from unittest.mock import AsyncMock

import pytest

from schema.models.edits import Mode
from service.database import Connection, Pool
from service.tasks import lifecycle, store
from service.tasks.claiming import Turns
from tests import lives
from tests.factories import add_task
from tests.lives import today, wait_in_line

HERE = frozenset({Mode.BACKGROUND_CHANGE})


@pytest.fixture
async def users(connection: Connection) -> list[str]:
    """Three users, in the order of their ids."""
    return sorted([await lives.add_user(connection) for _ in range(3)])


async def choices(connection: Connection, number: int, moment: datetime) -> list[str]:
    """What so many claims would take, each of which looks at everybody; taken back at once."""
    one = "SELECT claimed_task_id FROM claim_next_task_v2('worker', $1::text[], '10 s'::interval, $2)"
    transaction = connection.transaction()
    await transaction.start()
    chosen = [await connection.fetchval(one, list(HERE), moment) for _ in range(number)]
    await transaction.rollback()
    return [task_id for task_id in chosen if task_id is not None]


async def in_turn(connection: Connection) -> list[str]:
    """Who was served at all, whoever waits longest for the next time first."""
    rows = await connection.fetch(
        "SELECT user_id FROM claim_turns WHERE last_claimed_at > '-infinity' ORDER BY last_claimed_at, user_id"
    )
    return [row["user_id"] for row in rows]


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("number_of_users", [2, 8])
@pytest.mark.parametrize("seed", range(5))
async def test_claims_together_that_remember_what_was_seen_choose_as_single_ones_that_look_at_everybody(
    pool: Pool, connection: Connection, seed: int, number_of_users: int, *, forgetful: bool
) -> None:
    """A random life of some users; each claim is one of two workers', for one to three slots."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    users = [await lives.add_user(connection) for _ in range(number_of_users)]
    running: list[lifecycle.Claim] = []
    claimed = 0
    served: dict[str, datetime] = {}
    seen: dict[int, store.Seen | None] = {}
    for step in range(120):
        moment = today(12) + timedelta(seconds=step)
        what = dice.choice(["create", "create", "create", "claim", "claim", "fail", "give back", "cancel"])
        if what == "create":
            mode = dice.choice([*HERE, *HERE, Mode.POSE_CHANGE])
            waits = dice.choice([None, None, moment + timedelta(seconds=5)])
            await add_task(connection, dice.choice(users), created_at=moment, mode=mode, not_before=waits)
        elif what == "claim":
            worker = dice.randrange(2)
            slots = [f"{worker}/{number}" for number in range(dice.randint(1, 3))]
            expected = await choices(connection, len(slots), moment)
            taken = await store.claim_tasks(
                connection, slots=slots, modes=HERE, lease=lifecycle.LEASE, seen=seen.get(worker), now=moment
            )
            seen[worker] = None if forgetful else taken.seen
            held = [taken.by_slot[slot] for slot in slots if slot in taken.by_slot]
            assert [claim.task_id for claim in held] == expected, step
            running += held
            claimed += len(held)
            served |= {whose: moment for claim in held if (whose := claim.task.user_id) is not None}
            assert [served[user_id] for user_id in await in_turn(connection)] == sorted(served.values())
        elif what == "cancel":
            row = await connection.fetchrow("SELECT user_id, task_id FROM tasks WHERE status = 'pending' LIMIT 1")
            if row is not None:
                await lifecycle.cancel_task(pool, row["user_id"], row["task_id"])
        elif running:
            one = running.pop(dice.randrange(len(running)))
            if what == "fail":
                await lifecycle.fail_task(pool, one, lives.FAILURE)
            else:
                await lifecycle.give_back(pool, one)
    assert claimed > 5


async def test_whoever_was_served_last_of_all_keeps_the_turn_as_it_is(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """Nothing is written that changes no order; who comes next is served before, and again after."""
    one, other, _ = users
    versions = "SELECT ctid, last_claimed_at FROM claim_turns WHERE user_id = $1"
    await wait_in_line(connection, one, 6)
    turns = Turns(pool)

    async def served() -> str | None:
        claim = (await turns.next("worker", HERE)).claim
        assert claim is not None
        await lifecycle.complete_task(pool, claim, lives.a_result(), [])
        return claim.task.user_id

    assert await served() == one
    written = await connection.fetchrow(versions, one)
    assert [await served() for _ in range(2)] == [one, one]
    assert await connection.fetchrow(versions, one) == written
    await wait_in_line(connection, other, 2)
    assert [await served() for _ in range(5)] == [other, one, other, one, one]


async def test_who_came_while_claims_were_made_is_not_overlooked_by_the_next(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """What a claim has seen says nothing of who was about to come: here with the oldest turn of all."""
    new, first, second = users
    for user_id in (first, second):
        await wait_in_line(connection, user_id, 3)
    turns = Turns(pool)
    async with pool.acquire() as creating:
        transaction = creating.transaction()
        await transaction.start()
        task = await add_task(creating, new)
        before = [(await turns.next("worker", HERE)).claim for _ in range(3)]
        await transaction.commit()
    assert [claim.task.user_id for claim in before if claim is not None] == [first, second, first]
    turn = await turns.next("worker", HERE)
    assert turn.together == {task.task_id}


async def test_slots_that_ask_at_once_are_given_what_single_claims_would_take(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    first, second, third = users
    await wait_in_line(connection, first, 3)
    await wait_in_line(connection, second, 1)
    pose = await add_task(connection, third, mode=Mode.POSE_CHANGE)
    turns = Turns(pool)
    given = await asyncio.gather(*(turns.next(f"worker/{number}", HERE) for number in range(5)))
    claims = [turn.claim.task for turn in given if turn.claim is not None]
    assert [task.user_id for task in claims] == [first, second, first, first]
    assert [task.worker_id for task in claims] == [f"worker/{number}" for number in range(4)]
    assert {turn.together for turn in given} == {frozenset(task.task_id for task in claims)}
    assert (await turns.next("worker/5", lives.EVERY_MODE)).together == {pose.task_id}


async def test_a_claim_that_fails_fails_for_all_who_asked_and_the_next_is_made(
    pool: Pool, connection: Connection, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await wait_in_line(connection, users[0], 1)
    turns = Turns(pool)
    with monkeypatch.context() as away:
        away.setattr(store, "claim_tasks", AsyncMock(side_effect=ConnectionError))
        failed = await asyncio.gather(*(turns.next(f"worker/{n}", HERE) for n in range(2)), return_exceptions=True)
    assert [type(one) for one in failed] == [ConnectionError] * 2
    assert (await turns.next("worker/1", HERE)).claim is not None


async def test_a_claim_reads_as_little_with_what_others_left_behind(
    pool: Pool, connection: Connection, users: list[str]
) -> None:
    """Somebody's snapshot keeps it from being cleared away: each claim leaves an entry where the next would begin."""
    settled = 60
    entries_read = "SELECT pg_stat_get_xact_tuples_returned('idx_claim_turns_waiting'::regclass)"
    for user_id in users:
        await connection.execute(
            "INSERT INTO tasks (task_id, user_id, mode, source_image) "
            "SELECT $1 || n, $1, 'BACKGROUND_CHANGE', 'file' FROM generate_series(1, $2::integer) AS n",
            user_id,
            settled,
        )
    seen: store.Seen | None = None

    async def claim() -> store.Claim:
        nonlocal seen
        taken = await store.claim_tasks(connection, slots=["w"], modes=HERE, lease=lifecycle.LEASE, seen=seen)
        seen = taken.seen
        return taken.by_slot["w"]

    async with pool.acquire() as reader, reader.transaction(isolation="repeatable_read"):
        await reader.fetchval("SELECT count(*) FROM tasks")
        running = await claim()
        for _ in range(settled):
            # One is always busy, and free again the next time.
            held, running = running, await claim()
            await lifecycle.complete_task(pool, held, lives.a_result(), [])
        async with connection.transaction():
            before = await connection.fetchval(entries_read)
            await claim()
            read = await connection.fetchval(entries_read) - before
    assert seen is not None
    assert datetime.fromisoformat(seen["running_since"]) == running.task.started_at
    assert read < settled / 4
