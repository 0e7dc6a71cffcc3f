"""Once tasks have been taken over, balances live here: what an import still brings of accounts, and what it doesn't."""

from typing import Any

import pytest

from service.accounts import users as accounts
from service.database import Connection, Pool
from tests import lives
from tests.service.legacy.moves import PRICE, Old, account, contents, differences, move

LOGIN = {"last_login": "2025-12-20T08:00:00"}
"""What every sign-in of the old system changes."""

TASK = "task_1764915114_a1b2c3"


async def balance(connection: Connection, user_id: str = "usr_1") -> int:
    return (await account(connection, user_id))["current_credits"]


async def switched(connection: Connection, old: Old, **said: Any) -> None:
    old.user("usr_1", current_credits=4368, **said)
    await move(connection, old, take_over=True)


@pytest.mark.parametrize("used", [True, False])
async def test_a_balance_that_changes_there_is_a_conflict_and_stays(
    connection: Connection, old: Old, used: bool
) -> None:
    """The old sign-in writes an old balance into Redis at every login."""
    await switched(connection, old)
    if used:
        await accounts.grant(connection, "usr_1", 5, "a present")
    before = await balance(connection)
    old.user("usr_1", current_credits=100, total_credits_used=0, **LOGIN)
    for _ in range(2):
        again = await move(connection, old, users_only=True)
        assert again.summary["users"]["conflict"] == 1
        assert [words.partition(":")[0] for words in again.heard.of("usr_1")] == ["conflict"]
        assert await balance(connection) == before
    user = await account(connection, "usr_1")
    assert user["total_credits_used"] == 300
    assert user["last_login"].day == 20
    assert await differences(connection, old) == {}
    await lives.assert_ledgers(connection)
    old.user("usr_1", current_credits=4368, **LOGIN, username="again")
    assert (await move(connection, old, users_only=True)).summary["users"] == pytest.approx(
        {"seen": 1, "updated": 1, "remarked": 0, "credits": 4368, "placeholders": 0}
    )


@pytest.mark.parametrize("used", [True, False])
async def test_everything_else_of_an_account_arrives(connection: Connection, old: Old, used: bool) -> None:
    await switched(connection, old)
    if used:
        await accounts.grant(connection, "usr_1", 5, "a present")
    before = await balance(connection)
    said: dict[str, Any] = {
        "username": "renamed",
        "avatar": "a.png",
        "is_active": False,
        "current_plan_id": "basic",
        "password_hash": "$2b$12$another",
    }
    old.redis.flushdb()
    old.user("usr_1", current_credits=4368, email="new@example.com", **said, **LOGIN)
    again = await move(connection, old, users_only=True)
    assert again.summary["users"]["updated"] == 1
    assert again.heard.findings == []
    user = await account(connection, "usr_1")
    assert {name: user[name] for name in said} == said
    assert (user["email"], user["last_login"].day) == ("new@example.com", 20)
    assert await balance(connection) == before
    assert await differences(connection, old) == {}


async def test_a_new_account_brings_its_balance_unless_it_has_entries_here(
    connection: Connection, pool: Pool, old: Old
) -> None:
    old.task(TASK, "usr_1", "pending")
    old.task(TASK.replace("a1", "b1"), "usr_2")
    await move(connection, old, take_over=True)
    assert await lives.cancel(pool, "usr_1", TASK)
    for user_id in ("usr_1", "usr_2", "usr_3"):
        old.user(user_id, current_credits=70)
    again = await move(connection, old, users_only=True)
    assert [await balance(connection, one) for one in ("usr_1", "usr_2", "usr_3")] == [PRICE, 70, 70]
    assert again.summary["users"]["conflict"] == 1
    assert (await account(connection, "usr_1"))["email"] == "usr_1@example.com"
    assert await differences(connection, old) == {}
    await lives.assert_ledgers(connection)


async def test_before_the_switch_redis_tells_the_balance(connection: Connection, old: Old) -> None:
    old.user("usr_1", current_credits=4368)
    await move(connection, old)
    old.user("usr_1", current_credits=100, **LOGIN)
    assert (await move(connection, old)).summary["users"]["updated"] == 1
    assert await balance(connection) == 100


async def test_a_dry_run_is_no_switch(connection: Connection, old: Old) -> None:
    old.user("usr_1", current_credits=4368)
    await move(connection, old)
    await move(connection, old, take_over=True, dry_run=True)
    old.user("usr_1", current_credits=100, **LOGIN)
    before = await contents(connection)
    assert (await move(connection, old, dry_run=True)).summary["users"]["updated"] == 1
    assert await contents(connection) == before
