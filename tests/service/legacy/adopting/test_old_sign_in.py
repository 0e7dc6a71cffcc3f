"""The existing system's sign-in goes on with the tables that were adopted: whatever it writes, the sums hold."""

import asyncio
import re
from pathlib import Path
from secrets import token_hex
from typing import Final

import asyncpg
import pytest

from schema.models.accounts import EntryKind
from service.accounts import users as accounts
from service.accounts.store import unbalanced_users
from service.database import Connection, connect
from service.database.migrations import migrate
from service.legacy.adopting.adoption import adopt
from service.settings import Settings
from tests import lives
from tests.legacy.old_tables import OldTables, make_old_tables
from tests.service.legacy.moves import Old, account, differences, move

GUIDE: Final = Path(__file__).parents[4] / "docs" / "adopting.md"
SECTION: Final = GUIDE.read_text().partition("### The old sign-in")[2].partition("###")[0]
ROLE: Final = f"signin_{token_hex(4)}"
"""Roles are the whole server's."""

NEW: Final = "5b0c2f1e-0000-4000-8000-0000000000ff"
SIGN_UP: Final = """
INSERT INTO users (user_id, email, username, avatar, created_at, last_login, is_active, password_hash, has_password,
                   current_plan_id, current_credits, plan_renew_at, total_credits_used, signup_bonus_granted)
VALUES ($1, $2, 'new', NULL, now(), now(), true, NULL, false, NULL, $3, NULL, 0, $4)
"""
LOGIN: Final = "UPDATE users SET last_login = now(), updated_at = now() WHERE email = $1"
SOLD: Final = "UPDATE users SET current_credits = current_credits + $2 WHERE user_id = $1"
BONUS: Final = (
    "UPDATE users SET current_credits = current_credits + 500, signup_bonus_granted = true "
    "WHERE user_id = $1 AND NOT signup_bonus_granted"
)
SPENT: Final = (
    "UPDATE users SET current_credits = current_credits - $2, total_credits_used = total_credits_used + $2 "
    "WHERE user_id = $1 AND current_credits >= $2"
)
READ_CHANGED_WRITTEN: Final = "UPDATE users SET current_credits = $2 WHERE user_id = $1"


@pytest.fixture(params=["uuid", "varchar(50)", "darkroom's own"])
async def tables(request: pytest.FixtureRequest, theirs: Settings, db: Connection) -> Settings:
    """Adopted tables of either kind, or ones that were never anybody else's."""
    if request.param == "darkroom's own":
        await migrate(theirs)
    else:
        await make_old_tables(db, OldTables(users=3, tasks=3, user_id_type=request.param, odd=False))
        await adopt(theirs)
    return theirs


async def ledger(connection: Connection, user_id: str) -> list[tuple[str, int, int]]:
    rows = await connection.fetch(
        "SELECT kind, amount, balance_after FROM credit_ledger WHERE user_id = $1 ORDER BY entry_id", user_id
    )
    return [tuple(row) for row in rows]


@pytest.mark.usefixtures("tables")
async def test_every_way_in_which_it_writes_balances_has_its_line_in_the_ledger(db: Connection) -> None:
    await db.execute(SIGN_UP, NEW, "new@example.com", 100, False)
    await db.execute(LOGIN, "new@example.com")
    await db.execute(BONUS, NEW)
    await db.execute(SOLD, NEW, 1000)
    await accounts.grant(db, NEW, 7, None)
    await db.execute(SPENT, NEW, 48)
    await db.execute(READ_CHANGED_WRITTEN, NEW, 4368)
    assert await ledger(db, NEW) == [
        (EntryKind.EXTERNAL, 100, 100),
        (EntryKind.EXTERNAL, 500, 600),
        (EntryKind.EXTERNAL, 1000, 1600),
        (EntryKind.GRANT, 7, 1607),
        (EntryKind.EXTERNAL, -48, 1559),
        (EntryKind.EXTERNAL, 2809, 4368),
    ]
    await db.execute("UPDATE users SET current_credits = current_credits + 5, username = 'all of them'")
    async with db.transaction():
        await db.execute(SOLD, NEW, 10)
        await db.execute(SOLD, NEW, 20)
        await accounts.grant(db, NEW, 3, None)
    await db.execute("DELETE FROM users WHERE user_id = $1", NEW)
    async with db.transaction():
        await db.execute(SIGN_UP, NEW, "new@example.com", 100, True)
        await db.execute("DELETE FROM users WHERE user_id = $1", NEW)
    assert await unbalanced_users(db, 5) == []


async def test_it_sells_while_darkroom_charges(tables: Settings, db: Connection) -> None:
    user_id = (await accounts.create_user(db, "both@example.com", credits_=1000)).user_id
    other = await connect(tables)
    try:

        async def sell() -> None:
            for _ in range(20):
                await other.execute(SOLD, user_id, 500)

        async def charge() -> None:
            for _ in range(20):
                await lives.create(db, user_id)

        await asyncio.gather(sell(), charge())
    finally:
        await other.close()
    assert (await account(db, user_id))["current_credits"] == 1000 + 20 * (500 - lives.PRICE)
    assert await unbalanced_users(db, 5) == []


async def test_the_role_of_the_guide_is_enough_for_it(theirs: Settings, db: Connection) -> None:
    """It sees no ledger, and brings no table of that name; the guide's second step keeps it from balances."""
    await migrate(theirs)
    rights, narrower = re.findall(r"^ *```sql\n(.*?)```", SECTION, re.MULTILINE | re.DOTALL)
    await db.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    await db.execute(rights.replace("old_signin", ROLE))
    try:
        await db.execute("CREATE TEMPORARY TABLE credit_ledger (LIKE credit_ledger)")
        await db.execute(f"SET ROLE {ROLE}")
        await db.execute(SIGN_UP, NEW, "new@example.com", 100, True)
        await db.execute(SOLD, NEW, 40)
        await db.execute("RESET ROLE; DROP TABLE pg_temp.credit_ledger")
        assert [amount for _, amount, _ in await ledger(db, NEW)] == [100, 40]
        await db.execute(narrower.replace("old_signin", ROLE))
        await db.execute(f"SET ROLE {ROLE}")
        await db.execute(LOGIN, "new@example.com")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await db.execute(READ_CHANGED_WRITTEN, NEW, 100)
    finally:
        await db.execute(f"RESET ROLE; DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


async def test_an_import_knows_what_the_sign_in_wrote_here_itself(tables: Settings, db: Connection, old: Old) -> None:
    """The grant of 500 that made 1,100 of 600."""
    await db.execute(SIGN_UP, NEW, "new@example.com", 100, False)
    await db.execute(BONUS, NEW)
    old.user(NEW, email="new@example.com", current_credits=600, total_credits_used=0)
    for taking_over in (False, True, False):
        moved = await move(db, old, take_over=taking_over)
        assert moved.summary["users"].get("conflict", 0) == 0
        assert (await account(db, NEW))["current_credits"] == 600
    assert await differences(db, old) == {}
    await db.execute(SOLD, NEW, 1000)
    await lives.create(db, NEW)
    old.user(NEW, email="new@example.com", current_credits=600, username="renamed")  # what it remembers
    await move(db, old, users_only=True)
    now = await account(db, NEW)
    assert (now["current_credits"], now["username"]) == (1600 - lives.PRICE, "renamed")
    assert await unbalanced_users(db, 5) == []
    assert await migrate(tables) == []
