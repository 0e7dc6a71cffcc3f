"""A comparison finds what differs, by its id, and nothing that is only the life that went on here."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from service.accounts import users as accounts
from service.database import Connection, Pool
from service.tasks import lifecycle
from tests import lives
from tests.service.legacy.moves import PREFIX, Old, as_json, compare, differences, move, user_json

DONE, FAILED, CANCELLED = "task_1764915001_aaaaaa", "task_1764915002_bbbbbb", "task_1764915003_cccccc"
WAITING, RUNNING, TORN = "task_1764915004_dddddd", "task_1764915005_eeeeee", "task_1764915006_ffffff"
USER, POOR, ODD = "usr_1", "usr_2", "usr_3"


@pytest.fixture
async def moved(connection: Connection, old: Old) -> Old:
    """Three users and six tasks, one of them unreadable, that were imported."""
    old.user(USER)
    old.user(POOR, current_credits=0)
    old.user(ODD, current_credits=-15)
    old.task(DONE, USER, data={"reference_image": "img_20251117_abc123"}, current_step="saved")
    old.task(FAILED, USER, "failed")
    old.task(CANCELLED, POOR, "cancelled")
    old.task(WAITING, USER, "pending")
    old.task(RUNNING, POOR, "processing", progress="40")
    old.task(TORN, USER, data={"mode": None})
    await move(connection, old)
    assert await differences(connection, old) == {}
    return old


NOW = "'2026-01-01 00:00:00+00'"
CHANGES_OF_TASKS = {
    "user_id": f"user_id = '{POOR}'",
    "status": "status = 'cancelled', completed_at = NULL, cancelled_at = completed_at",
    "mode": "mode = 'HEAD_SWAP'",
    "progress": "progress = 99",
    "current_step": "current_step = NULL",
    "source_image": "source_image = 'file_other'",
    "reference_image": "reference_image = NULL",
    "config": """config = '{"quality": "low"}'""",
    "credits_consumed": "credits_consumed = 41",
    "created_at": f"created_at = {NOW}",
    "updated_at": f"updated_at = {NOW}",
    "ended_at": f"completed_at = {NOW}",
    "result": """result = jsonb_set(result, '{metadata}', '{"width": 9}')""",
    "pictures": """result = jsonb_set(result, '{legacy,output_image}', '"/other.jpg"')""",
    "no result": "result = NULL",
    "an error": """error = '{"code": "A", "message": "B"}'""",
    "fingerprint": "legacy_fingerprint = 'x'",
}


@pytest.mark.parametrize("change", CHANGES_OF_TASKS.values(), ids=CHANGES_OF_TASKS.keys())
async def test_a_task_that_was_changed_by_hand(connection: Connection, moved: Old, change: str) -> None:
    await connection.execute(f"UPDATE tasks SET {change} WHERE task_id = $1", DONE)  # noqa: S608 - constants from above
    assert [*await differences(connection, moved)] == [DONE]


async def test_an_error_and_a_waiting_task_that_were_changed_by_hand(connection: Connection, moved: Old) -> None:
    await connection.execute('UPDATE tasks SET error = error || \'{"code": "X"}\' WHERE task_id = $1', FAILED)
    await connection.execute("UPDATE tasks SET progress = 41 WHERE task_id = $1", RUNNING)
    found = await differences(connection, moved)
    assert found == {FAILED: ["error differs"], RUNNING: ["progress differs"]}


CHANGES_OF_USERS = {
    "email": "email = 'other@example.com'",
    "no email": "email = NULL",
    "username": "username = NULL",
    "avatar": "avatar = 'x'",
    "password_hash": "password_hash = NULL",
    "has_password": "has_password = false",
    "is_active": "is_active = false",
    "signup_bonus_granted": "signup_bonus_granted = false",
    "current_plan_id": "current_plan_id = 'basic'",
    "plan_renew_at": "plan_renew_at = NULL",
    "total_credits_used": "total_credits_used = 0",
    "created_at": f"created_at = {NOW}",
    "last_login": f"last_login = {NOW}",
    "fingerprint": "legacy_fingerprint = 'x'",
}


@pytest.mark.parametrize("user_id", [USER, ODD])
@pytest.mark.parametrize("change", CHANGES_OF_USERS.values(), ids=CHANGES_OF_USERS.keys())
async def test_an_account_that_was_changed_by_hand(
    connection: Connection, moved: Old, change: str, user_id: str
) -> None:
    await connection.execute(f"UPDATE users SET {change} WHERE user_id = $1", user_id)  # noqa: S608 - as above
    assert [*await differences(connection, moved)] == [user_id]


async def test_an_entry_that_was_changed_by_hand_though_its_record_is_in_conflict(
    connection: Connection, moved: Old
) -> None:
    await accounts.grant(connection, USER, 5, None)
    moved.user(USER, current_credits=60)
    await move(connection, moved)
    assert await differences(connection, moved) == {}
    await connection.execute("UPDATE credit_ledger SET amount = 6 WHERE user_id = $1 AND kind = 'grant'", USER)
    assert await differences(connection, moved) == {USER: ["the balance here is not the sum of its ledger"]}


async def test_rows_that_were_removed_by_hand(connection: Connection, moved: Old) -> None:
    await connection.execute("DELETE FROM tasks WHERE task_id = $1", DONE)
    await connection.execute("DELETE FROM users WHERE user_id = $1", ODD)
    await connection.execute("DELETE FROM credit_ledger WHERE user_id = $1", USER)
    await connection.execute("DELETE FROM legacy_quarantine")
    found = await differences(connection, moved)
    assert found == {
        DONE: ["it is missing here"],
        ODD: ["it is missing here"],
        USER: ["the balance here is not the sum of its ledger", "the balance brought along differs"],
        TORN: ["it can't be read, and is not in quarantine as it is now"],
    }


async def test_what_changed_came_and_went_in_the_old_system(connection: Connection, moved: Old) -> None:
    moved.change(DONE, current_step="other")
    moved.change(TORN, further="x")
    moved.user(ODD, current_credits=-16)
    moved.task("task_new", USER)
    moved.user("usr_new")
    moved.redis.set("user:email:torn@example.com", "None")
    moved.redis.delete(f"{PREFIX}task:data:{FAILED}", f"user:id:{POOR}", f"user:email:{POOR}@example.com")
    found = await differences(connection, moved)
    gone = ["it was imported, and the old system doesn't have it any more"]
    assert found == {
        DONE: ["it has changed in the old system since it was imported"],
        ODD: ["it has changed in the old system since it was imported"],
        TORN: ["it can't be read, and is not in quarantine as it is now"],
        "task_new": ["it is missing here"],
        "usr_new": ["it is missing here"],
        "user:email:torn@example.com": ["it can't be read, and is not in quarantine as it is now"],
        FAILED: gone,
        POOR: gone,
    }


async def test_another_zone_is_another_reading_of_everything(connection: Connection, moved: Old) -> None:
    compared = await compare(connection, moved, timezone="Asia/Shanghai")
    assert compared.summary["differences"] == 8
    assert {tuple(one["reasons"]) for one in compared.summary["list"]} == {
        ("it has changed in the old system since it was imported",)
    }


async def test_it_counts_both_sides(connection: Connection, moved: Old) -> None:
    summary = (await compare(connection, moved)).summary
    by_status = {"done": 1, "failed": 1, "cancelled": 1, "pending": 1, "processing": 1}
    assert summary["old_system"] == {
        "users": 3,
        "tasks": 6,
        "unreadable": 1,
        "by_status": by_status,
        "credits": 100,
        "credits_consumed": 200,
    }
    assert summary["here"] == {"by_status": by_status, "credits": 100, "credits_consumed": 200}


async def complete(pool: Pool, connection: Connection, old: Old) -> None:
    await move(connection, old, take_over=True)
    await lifecycle.complete_task(pool, await lives.claim(pool, WAITING), lives.a_result(), [])


async def fail(pool: Pool, connection: Connection, old: Old) -> None:
    await move(connection, old, take_over=True)
    await lifecycle.fail_task(pool, await lives.claim(pool, RUNNING), lives.FAILURE)


async def claim_and_cancel(pool: Pool, connection: Connection, old: Old) -> None:
    await move(connection, old, take_over=True)
    await lives.claim(pool, WAITING)
    assert await lives.cancel(pool, POOR, RUNNING)


async def spend_and_grant(pool: Pool, connection: Connection, old: Old) -> None:  # noqa: ARG001 - as the others
    await lives.create(connection, USER, price=10)
    await accounts.grant(connection, ODD, 5, None)


async def erase(pool: Pool, connection: Connection, old: Old) -> None:  # noqa: ARG001 - as the others
    await accounts.erase_user(connection, USER)
    await accounts.erase_user(connection, ODD)


async def delete(pool: Pool, connection: Connection, old: Old) -> None:  # noqa: ARG001 - as the others
    await connection.execute(
        "WITH gone AS (DELETE FROM tasks WHERE task_id = $1 RETURNING task_id) "
        "INSERT INTO legacy_tombstones SELECT 'task', task_id FROM gone",
        DONE,
    )


async def use_what_changed_there(pool: Pool, connection: Connection, old: Old) -> None:
    await move(connection, old, take_over=True)
    await lives.claim(pool, WAITING)
    old.change(WAITING, status="processing")
    await accounts.grant(connection, USER, 5, None)
    old.user(USER, current_credits=7)
    conflicts = await move(connection, old)
    assert [finding.record_id for finding in conflicts.heard.findings if finding.what == "conflict"] == [USER, WAITING]


async def expire(pool: Pool, connection: Connection, old: Old) -> None:  # noqa: ARG001 - as the others
    """A minute goes by, there and here."""
    old.task(DONE, USER)
    old.redis.pexpire(f"{PREFIX}task:data:{DONE}", 60_000)
    await move(connection, old)
    old.redis.delete(f"{PREFIX}task:data:{DONE}")
    passed = "UPDATE tasks SET legacy_expires_at = legacy_expires_at - interval '1 minute' WHERE task_id = $1"
    await connection.execute(passed, DONE)


LIFE = [complete, fail, claim_and_cancel, spend_and_grant, erase, delete, use_what_changed_there, expire]
Living = Callable[[Pool, Connection, Old], Awaitable[None]]


@pytest.mark.parametrize("live", LIFE, ids=lambda live: live.__name__)
async def test_what_is_done_here_is_no_difference(pool: Pool, connection: Connection, moved: Old, live: Living) -> None:
    await live(pool, connection, moved)
    assert await differences(connection, moved) == {}
    await move(connection, moved)
    assert await differences(connection, moved) == {}


async def test_an_account_without_its_email_is_no_difference_while_another_has_it(
    connection: Connection, old: Old
) -> None:
    old.user("usr_1", email="a@example.com")
    old.redis.set("user:id:usr_2", as_json(user_json("usr_2", email="A@example.com", current_credits=-1)))
    await move(connection, old)
    assert await differences(connection, old) == {}
    await connection.execute("UPDATE users SET email = 'b@example.com' WHERE user_id = 'usr_2'")
    assert await differences(connection, old) == {"usr_2": ["email differs"]}


async def test_a_record_without_any_time_is_compared_in_all_else(connection: Connection, old: Old) -> None:
    old.task("task_timeless", None, "done", created_at=None, updated_at=None, completed_at=None)
    await move(connection, old)
    assert await differences(connection, old) == {}
    created = await connection.fetchval("SELECT created_at FROM tasks")
    assert abs((datetime.now(UTC) - created).total_seconds()) < 60
    await connection.execute("UPDATE tasks SET progress = 1")
    assert await differences(connection, old) == {"task_timeless": ["progress differs"]}
