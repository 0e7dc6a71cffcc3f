"""The invariants themselves: a database that is well says nothing, and each thing that goes wrong is told."""

from pathlib import Path

import pytest

from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.files.storage import Storage
from tests.chaos.invariants import RULES, broken
from tests.factories import add_file
from tests.lives import add_user, reach

UNCHECKED = "SET session_replication_role = replica"
HOLD_NOTHING = (
    "ALTER TABLE users DROP CONSTRAINT users_current_credits_check",
    "ALTER TABLE tasks DROP CONSTRAINT tasks_completed_when_done, DROP CONSTRAINT tasks_leased_while_processing",
    "DROP INDEX idx_credit_ledger_once",
)
"""What else keeps these rows from being written: the invariants must see them by themselves."""

WRONGS = {
    "balance below zero": "UPDATE users SET current_credits = -1",
    "ledger entry whose balance isn't the sum up to it": "UPDATE credit_ledger SET balance_after = balance_after + 1",
    "task not charged exactly once, with its price, here or where it came from": """
        UPDATE tasks SET credits_consumed = credits_consumed + 1""",
    "task refunded without having failed or been cancelled here, or the other way round": """
        INSERT INTO credit_ledger (user_id, kind, amount, balance_after, task_id)
        SELECT user_id, 'refund', credits_consumed, 0, task_id FROM tasks WHERE status = 'pending'""",
    "task, deleted or not, with more than one charge and one refund of it": """
        INSERT INTO credit_ledger (user_id, kind, amount, balance_after, task_id)
        SELECT user_id, kind, amount, balance_after, task_id FROM credit_ledger WHERE kind = 'refund'""",
    "status and end time that don't fit": "UPDATE tasks SET completed_at = now() WHERE status = 'pending'",
    "outcome that doesn't fit the status": "UPDATE tasks SET error = NULL",
    "lease without processing here, or the other way round": """
        UPDATE tasks SET lease_expires_at = now() WHERE status = 'cancelled'""",
    "work of ours on what the system before this one has": """
        UPDATE tasks SET elsewhere = true, legacy_fingerprint = 'x', dispatched_at = now() WHERE status = 'pending'""",
    "worker or start that a waiting task remembers, or that a running one lacks": """
        UPDATE tasks SET worker_id = 'somebody' WHERE status = 'pending'""",
    "attempts beyond the most there may be": "UPDATE tasks SET attempts = 4, lease_token = 4",
    "more attempts than claims": "UPDATE tasks SET attempts = lease_token + 1",
    "result file without a row": "DELETE FROM files WHERE purpose = 'output'",
    "result file that its task doesn't name": """
        UPDATE files SET task_id = (SELECT task_id FROM tasks WHERE status = 'done') WHERE task_id IS NULL""",
    "idempotency key of a task that nobody was charged for": """
        INSERT INTO idempotency_keys (user_id, route, key, fingerprint, task_id)
        SELECT user_id, 'POST', 'key', '', 'task_of_nobody' FROM users LIMIT 1""",
}


@pytest.fixture
async def lives(pool: Pool) -> None:
    """A task in every status."""
    for status in reversed(TaskStatus):  # a waiting one would be claimed in place of the others
        async with pool.acquire() as connection:
            user_id = await add_user(connection)
        held = await reach(pool, user_id, status)
        if status is TaskStatus.DONE:
            async with pool.acquire() as connection:
                for file_id, purpose in (("file_made", "output"), ("file_thumbnail", "thumbnail")):
                    await add_file(
                        connection, user_id, file_id=file_id, task_id=held.task_id, purpose=purpose, blob_key=file_id
                    )


@pytest.mark.usefixtures("lives")
async def test_a_database_that_is_well_says_nothing(connection: Connection) -> None:
    assert await broken(connection) == []


def test_every_rule_is_tried() -> None:
    assert WRONGS.keys() == RULES.keys()


@pytest.mark.usefixtures("lives")
@pytest.mark.parametrize("rule", RULES)
async def test_what_is_wrong_is_told(connection: Connection, rule: str) -> None:
    for statement in (*HOLD_NOTHING, UNCHECKED, WRONGS[rule]):
        await connection.execute(statement)
    assert any(sentence.startswith(f"{rule}: ") for sentence in await broken(connection))


@pytest.mark.usefixtures("lives")
async def test_a_balance_that_is_not_its_ledgers_sum_is_told(connection: Connection) -> None:
    await connection.execute("UPDATE credit_ledger SET amount = amount + 7 WHERE kind = 'opening'")
    assert len([one for one in await broken(connection) if one.startswith("balance ")]) == len(TaskStatus)


async def test_rows_and_blobs_are_compared_both_ways(connection: Connection, tmp_path: Path) -> None:
    storage = Storage.made((tmp_path / "blobs").as_uri())
    user_id = await add_user(connection)
    await add_file(connection, user_id, blob_key="aa/lost")
    await add_file(connection, user_id, blob_key="aa/kept")
    await connection.execute("INSERT INTO blob_removals (blob_key, due_at) VALUES ('aa/noted', now())")
    for key in ("aa/kept", "aa/noted", "aa/forgotten"):
        await storage.put_bytes(key, b"a picture", "image/jpeg")
    assert await broken(connection, tmp_path / "blobs") == [
        "file without its blob: aa/lost",
        "blob without a file, and nobody will remove it: aa/forgotten",
    ]
