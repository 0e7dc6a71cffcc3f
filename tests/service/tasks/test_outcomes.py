"""Outcomes that are written together: the same as by themselves, and nobody's fault or lock is another's."""

import asyncio
import random
from datetime import timedelta

import asyncpg
import pytest
from msgspec import structs

from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection, Pool
from service.files import store as files
from service.tasks import lifecycle, store
from service.tasks.lifecycle import Claim
from service.tasks.outcomes import Outcomes
from service.tasks.store import Made
from tests import lives
from tests.factories import NewFileFactory, add_task

NOW = lives.today(12)
BATCHES = ("batch_a", "batch_b")

WRITTEN = {
    "tasks": "task_id",
    "task_events": "task_id, seq",
    "files": "file_id",
    "blob_removals": "blob_key",
    "batches": "batch_id",
    "webhook_deliveries": "delivery_id",
    "claim_turns": "user_id",
}
"""Tables that an end of a task writes to, and the order of their rows."""


async def written(connection: Connection) -> dict[str, list[str]]:
    """All of it, but for what is drawn from a sequence and the time of the transaction."""
    return {
        table: [
            row[0]
            for row in await connection.fetch(
                f"SELECT to_jsonb({table}) - 'place' - 'uploaded_at' FROM {table} ORDER BY {order}"  # noqa: S608 - from above
            )
        ]
        for table, order in WRITTEN.items()
    }


async def add_batch(connection: Connection, user_id: str, batch_id: str, tasks: int) -> None:
    await connection.execute(
        "INSERT INTO batches (batch_id, user_id, total, unfinished, webhook_url) VALUES ($1, $2, $3, $3, $4)",
        batch_id,
        user_id,
        tasks,
        "https://example.com/batches",
    )


def made_by(task: TaskRecord, number: int) -> Made:
    new = [
        NewFileFactory.build(user_id=task.user_id, task_id=task.task_id, purpose=purpose)
        for purpose in ("output", "thumbnail")[:number]
    ]
    return Made(task.task_id, task.lease_token, lives.a_result(), new)


async def complete_each(connection: Connection, several: list[Made]) -> list[TaskRecord]:
    done = [
        await store.complete_task(connection, one.task_id, one.lease_token, one.result, one.files, now=NOW)
        for one in several
    ]
    return [task for task in done if task is not None]


async def complete_together(connection: Connection, several: list[Made]) -> list[TaskRecord]:
    return await store.complete_tasks(connection, several, now=NOW)


@pytest.mark.parametrize("seed", range(4))
async def test_outcomes_written_together_are_those_that_are_written_by_themselves(
    connection: Connection, seed: int
) -> None:
    """Of several users, in batches and not, with webhooks and not, lost, ended and late ones among them."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    users = [await lives.add_user(connection) for _ in range(3)]
    for batch_id in BATCHES:
        await add_batch(connection, users[0], batch_id, 3)
    several: list[Made] = []
    for number in range(12):
        batch_id = BATCHES[number % 2] if number < 6 else None
        status = dice.choice([TaskStatus.PROCESSING] * 5 + [TaskStatus.CANCELLED])
        task = await add_task(
            connection,
            users[0] if batch_id else dice.choice(users),
            status,
            batch_id=batch_id,
            webhook_url=dice.choice([None, "https://example.com/tasks"]),
            deadline_at=dice.choice([None, None, NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)]),
        )
        made = made_by(task, dice.randrange(3))
        await files.expect_blobs(connection, [new.blob_key for new in made.files])
        lost = dice.random() < 1 / 6
        several.append(structs.replace(made, lease_token=made.lease_token + 1) if lost else made)
    outcomes: list[tuple[dict[str, TaskRecord], dict[str, list[str]]]] = []
    for write in (complete_each, complete_together):
        transaction = connection.transaction()
        await transaction.start()
        done = await write(connection, several)
        outcomes.append(({task.task_id: task for task in done}, await written(connection)))
        await transaction.rollback()
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0]


async def test_whoever_is_held_by_somebody_is_left_out_and_nobody_waits(pool: Pool, connection: Connection) -> None:
    users = [await lives.add_user(connection) for _ in range(2)]
    await add_batch(connection, users[0], BATCHES[0], 1)
    running = TaskStatus.PROCESSING
    free, held = [await add_task(connection, users[0], running) for _ in range(2)]
    batched = await add_task(connection, users[0], running, batch_id=BATCHES[0])
    other = await add_task(connection, users[1], running)
    several = [made_by(task, 1) for task in (other, batched, held, free)]
    async with pool.acquire() as elsewhere, elsewhere.transaction():
        await elsewhere.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", users[1])
        await elsewhere.execute("SELECT FROM batches FOR UPDATE")
        await elsewhere.execute("SELECT FROM tasks WHERE task_id = $1 FOR UPDATE", held.task_id)
        async with asyncio.timeout(lives.PATIENCE):
            done = await store.complete_tasks(connection, several)
    assert [task.task_id for task in done] == [free.task_id]
    outcomes = Outcomes(pool)
    ended = await asyncio.gather(
        *(
            lifecycle.complete_task(pool, Claim(task), lives.a_result(), [], outcomes=outcomes)
            for task in (other, batched, held, free)
        )
    )
    assert [task and task.status for task in ended] == [TaskStatus.DONE] * 3 + [None]


async def test_an_outcome_that_cannot_be_written_costs_no_other(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    tasks = [await add_task(connection, user_id, TaskStatus.PROCESSING) for _ in range(4)]
    there = NewFileFactory.build(user_id=user_id)
    await files.add_file(connection, there)
    outcomes = Outcomes(pool)
    ended = await asyncio.gather(
        *(
            lifecycle.complete_task(pool, Claim(task), lives.a_result(), made, outcomes=outcomes)
            for task, made in zip(tasks, [[], [structs.replace(there, task_id=tasks[1].task_id)], [], []], strict=True)
        ),
        return_exceptions=True,
    )
    assert isinstance(ended[1], asyncpg.UniqueViolationError)
    done = [task.task_id for task in ended if isinstance(task, TaskRecord) and task.status is TaskStatus.DONE]
    assert done == [task.task_id for task in tasks if task is not tasks[1]]


async def test_of_two_claims_of_a_task_the_last_one_ends_it(pool: Pool, connection: Connection) -> None:
    """One process may hold both: one whose lease ran out while it held an outcome, and the next."""
    task = await add_task(connection, await lives.add_user(connection), TaskStatus.PROCESSING)
    lost = structs.replace(task, lease_token=task.lease_token - 1)
    outcomes = Outcomes(pool)
    both = [(Claim(one), made_by(one, 2).files) for one in (lost, task)]
    ended = await asyncio.gather(
        *(lifecycle.complete_task(pool, claim, lives.a_result(), list(new), outcomes=outcomes) for claim, new in both)
    )
    assert [one and one.lease_token for one in ended] == [None, task.lease_token]
    recorded = await connection.fetch("SELECT file_id FROM files WHERE task_id = $1", task.task_id)
    assert {row["file_id"] for row in recorded} == {new.file_id for new in both[1][1]}
