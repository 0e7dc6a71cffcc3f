"""Balances far beyond 32 bits: a refund never fails, whatever was granted meanwhile."""

import pytest

from schema.credits import MOST_CREDITS
from schema.models.problems import ProblemCode
from schema.models.tasks import TaskStatus
from service.accounts import users
from service.database import Connection, Pool
from service.refusals import Refused
from service.tasks import lifecycle
from tests import lives


@pytest.mark.parametrize("most", [2**31 - 1, MOST_CREDITS])
@pytest.mark.parametrize("end", ["cancelled", "failed", "lost"])
async def test_a_refund_fits_also_after_the_account_was_filled_again(
    connection: Connection, pool: Pool, most: int, end: str
) -> None:
    user_id = await lives.add_user(connection, most)
    task = await lives.create(connection, user_id)
    assert await users.grant(connection, user_id, lives.PRICE, None) == most
    if end == "cancelled":
        await lifecycle.cancel_task(pool, user_id, task.task_id)
    else:
        held = await lives.claim(pool, task.task_id)
        await lifecycle.fail_task(pool, held, lives.FAILURE if end == "failed" else lifecycle.EXHAUSTED)
    assert (await lives.get(pool, task.task_id)).status in {TaskStatus.CANCELLED, TaskStatus.FAILED}
    assert await lives.balance(pool, user_id) == most + lives.PRICE
    await lives.assert_balanced(pool)


async def test_nobody_is_given_more_than_the_most(connection: Connection, pool: Pool) -> None:
    user_id = await lives.add_user(connection, MOST_CREDITS - 1)
    with pytest.raises(Refused) as refused:
        await users.grant(connection, user_id, 2, None)
    assert refused.value.code is ProblemCode.INVALID_REQUEST
    assert str(MOST_CREDITS) in refused.value.message
    assert await lives.balance(pool, user_id) == MOST_CREDITS - 1
    assert await users.grant(connection, user_id, 1, None) == MOST_CREDITS
    await lives.assert_balanced(pool)


async def test_from_beyond_the_most_credits_can_be_taken(connection: Connection, pool: Pool) -> None:
    user_id = await lives.add_user(connection, MOST_CREDITS)
    task = await lives.create(connection, user_id)
    await users.grant(connection, user_id, lives.PRICE, None)
    await lifecycle.cancel_task(pool, user_id, task.task_id)
    assert await users.grant(connection, user_id, -1, None) == MOST_CREDITS + lives.PRICE - 1


async def test_every_column_that_adds_up_is_wide(connection: Connection) -> None:
    """What only grows, or adds up what others charge, is no 32 bits wide; what is left is bounded by its meaning."""
    narrow = await connection.fetch(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type IN ('integer', 'smallint') ORDER BY 1"
    )
    assert {row["name"] for row in narrow} == {
        "batches.total",  # a hundred at most
        "batches.unfinished",
        "chore_failures.failures",  # in a row
        "files.height",
        "files.width",
        "processes.number",  # one a process
        "remote_jobs.asked",  # whether it has stopped: once in seconds at most
        "schema_migrations.version",
        "task_events.attempt",  # as tasks.attempts
        "task_events.seq",  # a few for each attempt
        "tasks.attempts",  # at most TASK_MAX_ATTEMPTS
        "tasks.credits_consumed",  # one price
        "tasks.credits_refunded",
        "tasks.line",
        "tasks.message_no",  # one a dispatch: at a dispatch a second, 68 years
        "tasks.progress",
        "webhook_deliveries.attempts",
        "webhook_deliveries.last_status",
        "webhook_deliveries.tries",  # as attempts: one in seconds at most, by hand
        "webhook_hosts.failures",  # in a row
        "workers.slots",
    }
