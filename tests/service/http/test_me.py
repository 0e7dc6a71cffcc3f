"""GET /api/v1/me and /api/v1/me/credits."""

import base64
from typing import Any

import pytest

from schema.models.problems import ProblemCode as Code
from service.accounts.users import grant
from service.database import Connection
from tests.service.http.conftest import NewUser
from tests.service.http.looking import credits_of
from tests.service.http.serving import API, JSON, User, fields_of, problem


async def test_an_account_is_shown_without_what_is_the_sign_in_services(user: User, db: Connection) -> None:
    await db.execute(
        "UPDATE users SET password_hash = 'x', current_plan_id = 'pro', username = 'Ann' WHERE user_id = $1",
        user.user_id,
    )
    me = await user.me()
    assert set(me) == {
        "user_id", "email", "username", "current_credits", "total_credits_used", "current_plan_id", "created_at",
        "events_url",
    }  # fmt: skip
    assert me == {
        **me,
        "user_id": user.user_id,
        "username": "Ann",
        "current_credits": 10_000,
        "total_credits_used": 0,
        "current_plan_id": "pro",
    }


async def pages(user: User, **query: Any) -> list[JSON]:
    """Every page of a user's ledger."""
    found: list[JSON] = []
    cursor: str | None = None
    while not found or cursor is not None:
        asked = {**query, **({} if cursor is None else {"cursor": cursor})}
        answer = await user.http.get(f"{API}/me/credits", params=asked)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        cursor = found[-1]["pagination"]["next_cursor"]
    return found


async def test_every_change_of_the_balance_is_told_newest_first(user: User, db: Connection) -> None:
    task = await user.task()
    assert (await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")).status_code == 200
    await grant(db, user.user_id, -5, "a gift taken back")
    (page,) = await pages(user)
    entries = page["entries"]
    assert [(one["kind"], one["amount"], one["balance_after"]) for one in entries] == [
        ("grant", -5, 9_995),
        ("refund", 36, 10_000),
        ("charge", -36, 9_964),
        ("opening", 10_000, 10_000),
    ]
    assert [one["task_id"] for one in entries] == [None, task["task_id"], task["task_id"], None]
    assert entries[0]["reason"] == "a gift taken back"
    assert set(entries[0]) == {
        "entry_id", "kind", "amount", "balance_after", "task_id", "reason", "created_at",
    }  # fmt: skip
    assert sum(one["amount"] for one in entries) == (await user.me())["current_credits"] == await credits_of(db, user)


async def test_the_ledger_is_paged_by_cursor(user: User, new_user: NewUser, db: Connection) -> None:
    await new_user()
    for n in range(24):
        await grant(db, user.user_id, n + 1, None)
    found = await pages(user, page_size=10)
    assert [len(page["entries"]) for page in found] == [10, 10, 5]
    amounts = [one["amount"] for page in found for one in page["entries"]]
    assert amounts == [*range(24, 0, -1), 10_000]
    for page in found:
        pagination = page["pagination"]
        assert (pagination["page"], pagination["total"], pagination["page_size"]) == (None, None, 10)
    assert len((await pages(user))[0]["entries"]) == 20


@pytest.mark.parametrize("position", [b"", b'"a"', b"[1]", b"1.5", b"null", b"9" * 30, b"9223372036854775808", b"-1"])
async def test_a_bad_cursor_is_400(user: User, position: bytes) -> None:
    cursor = base64.urlsafe_b64encode(position).decode()
    answer = await user.http.get(f"{API}/me/credits", params={"cursor": cursor})
    assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["cursor"]


@pytest.mark.parametrize("page_size", ["0", "101", "x"])
async def test_a_bad_page_size_is_400(user: User, page_size: str) -> None:
    answer = await user.http.get(f"{API}/me/credits", params={"page_size": page_size})
    assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["page_size"]


async def test_an_erased_account_is_401(user: User, db: Connection) -> None:
    await user.me()
    await db.execute("DELETE FROM users WHERE user_id = $1", user.user_id)
    problem(await user.http.get(f"{API}/me"), Code.UNAUTHORIZED, 401)
