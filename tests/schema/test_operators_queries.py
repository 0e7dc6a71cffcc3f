"""docs/queries.sql: each query runs on the real schema; the alarming ones find what they are for, and nothing else."""

import re
from pathlib import Path

import pytest

from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from tests import lives
from tests.factories import add_task

TEXT = (Path(__file__).parents[2] / "docs" / "queries.sql").read_text()


def queries() -> dict[str, str]:
    """Each statement under the comment before it."""
    found: dict[str, str] = {}
    title = ""
    for part in re.split(r";\n", TEXT):
        comments = [line for line in part.splitlines() if line.startswith("-- ")]
        title = comments[-1] if comments else title
        if statement := "\n".join(line for line in part.splitlines() if not line.startswith("--")).strip():
            title_of = next((line for line in reversed(comments) if line[3].isupper()), title)
            found[title_of.removeprefix("-- ") + (" (2)" if title_of.removeprefix("-- ") in found else "")] = statement
    return found


QUERIES = queries()


def the(words: str) -> str:
    (statement,) = [statement for title, statement in QUERIES.items() if title.startswith(words)]
    return statement


@pytest.mark.parametrize("title", QUERIES)
async def test_a_query_runs_and_only_reads(connection: Connection, title: str) -> None:
    async with connection.transaction(readonly=True):
        await connection.fetch(QUERIES[title])


def test_all_are_found() -> None:
    assert len(QUERIES) == TEXT.count(";\n") >= 19


async def test_the_ten_newest_the_numbers_and_one_users_tasks(connection: Connection) -> None:
    for minute in range(7):
        for user_id in ("usr_xxx", "usr_yyy"):
            if minute == 0:
                await connection.execute("INSERT INTO users (user_id) VALUES ($1)", user_id)
            status = TaskStatus.DONE if minute % 2 else TaskStatus.PENDING
            await add_task(connection, user_id, status, created_at=lives.today(9, minute))
    newest = await connection.fetch(the("The ten newest tasks"))
    assert [row["created_at"].minute for row in newest] == [6, 6, 5, 5, 4, 4, 3, 3, 2, 2]
    assert dict(await connection.fetch(the("How many tasks are in each status"))) == {"done": 6, "pending": 8}
    theirs = await connection.fetch(the("One user's tasks"))
    assert [row["created_at"].minute for row in theirs] == [6, 5, 4, 3, 2, 1, 0]


async def test_what_hangs_is_found(connection: Connection, pool: Pool) -> None:
    user_id = await lives.add_user(connection)
    fine = await lives.create(connection, user_id)
    await lives.claim(pool, fine.task_id)
    lost = await add_task(connection, user_id, TaskStatus.PROCESSING, lease_expires_at=lives.today())
    stuck = await add_task(connection, user_id, updated_at=lives.today(), dispatched_at=lives.today())
    unsent = await add_task(connection, user_id)
    for words, task in (("Lost leases", lost), ("Stuck", stuck), ("Not dispatched", unsent)):
        assert [row["task_id"] for row in await connection.fetch(the(words))] == [task.task_id]


@pytest.mark.parametrize("words", ["Ledger mismatches", "Ended tasks that weren't refunded"])
async def test_credits_that_do_not_add_up_are_found(connection: Connection, pool: Pool, words: str) -> None:
    user_id = await lives.add_user(connection)
    cancelled = (await lives.reach(pool, user_id, TaskStatus.CANCELLED)).task
    await lives.reach(pool, user_id, TaskStatus.FAILED)
    await lives.reach(pool, user_id, TaskStatus.DONE)
    assert await connection.fetch(the(words)) == []
    await connection.execute("DELETE FROM credit_ledger WHERE task_id = $1 AND kind = 'refund'", cancelled.task_id)
    (row,) = await connection.fetch(the(words))
    assert row[0] in {user_id, cancelled.task_id}
