"""A host that ends long statements ends none of a move."""

import asyncio

import pytest

from service.database import Connection, Pool
from service.legacy.unhurried import unhurried
from tests import lives
from tests.service.legacy.moves import Old, differences, move

TASK = "task_1764915114_a1b2c3"
HURRY = "200ms"


@pytest.fixture
async def hurried(connection: Connection) -> Connection:
    await connection.execute(f"SET statement_timeout = '{HURRY}'; SET lock_timeout = '{HURRY}'")
    return connection


async def test_a_transaction_of_a_move_takes_its_time(hurried: Connection) -> None:
    async with unhurried(hurried):
        await hurried.execute("SELECT pg_sleep(0.5)")
    assert await hurried.fetchval("SHOW statement_timeout") == HURRY


@pytest.mark.parametrize("held", ["users", "tasks"])
async def test_import_take_over_and_comparison_wait_for_who_is_in_their_way(
    hurried: Connection, pool: Pool, old: Old, held: str
) -> None:
    old.task(TASK, old.user("usr_1"), "pending")
    await move(hurried, old)
    old.user("usr_1", current_credits=5)
    old.change(TASK, current_step="other")
    for work in (move(hurried, old), move(hurried, old, take_over=True), differences(hurried, old)):
        async with pool.acquire() as other:
            transaction = other.transaction()
            await transaction.start()
            await other.execute(f"LOCK TABLE {held} IN ACCESS EXCLUSIVE MODE")
            working = asyncio.create_task(work)
            await lives.until_blocked(other)
            await other.execute("SELECT pg_sleep(0.5)")
            await transaction.rollback()
            await working
    assert await hurried.fetchval("SELECT count(*) FROM tasks WHERE taken_over_at IS NOT NULL") == 1
