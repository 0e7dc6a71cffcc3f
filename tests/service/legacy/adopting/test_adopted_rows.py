"""`migrate --adopt`: what becomes of each kind of row. All are adopted together, once."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import pytest
from msgspec import Struct, convert

from schema.models.accounts import UserRecord
from schema.models.tasks import TaskRecord
from service.database import Connection, connect
from service.embedded.servers import EmbeddedServers
from service.legacy.adopting.adoption import adopt
from service.settings import Settings
from tests.databases import create, drop
from tests.legacy.old_tables import OldTables, make_old_tables
from tests.service.legacy.adopting.adoption_cases import (
    ADA,
    BOB,
    CASES,
    CAT,
    EVE,
    MODE,
    NO_ID,
    NOON,
    SOURCE,
    STATUS,
    USERS,
    Case,
    after,
)

DATABASE: Final = "adopted_rows"


class Adopted(Struct, frozen=True):
    """What was found afterwards."""

    lines: list[str]
    ids: dict[str, str]
    before: dict[str, dict[str, Any]]
    tasks: dict[str, TaskRecord]
    users: dict[str, UserRecord]
    remarks: dict[str, dict[str, str]]
    reasons: dict[str, list[str]]
    quarantine: dict[str, tuple[str, str, dict[str, Any]]]
    ledger: list[tuple[Any, ...]]
    locales: dict[str, str | None]
    addresses: set[str]


async def _add(connection: Connection, table: str, columns: dict[str, Any]) -> None:
    names = ", ".join(columns)
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *columns.values())  # noqa: S608


def _row(case: Case, task_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "task_id": task_id,
        "status": "done",
        "mode": "HEAD_SWAP",
        "source_image": "file_1764915114_a1b2c3",
        "config": {},
        "created_at": NOON,
        "updated_at": NOON + timedelta(minutes=2),
        "request_ip": "10.0.0.1",
    }
    row |= case.given
    for name in ("created_at", "updated_at", "completed_at", "failed_at"):
        if isinstance(row.get(name), int):
            row[name] = NOON + timedelta(seconds=row[name])
    return row


async def _adopt(settings: Settings) -> Adopted:
    connection = await connect(settings)
    await make_old_tables(connection, OldTables(users=0, tasks=0, user_id_type="varchar(50)"))
    ids: dict[str, str] = {}
    for n, (name, case) in enumerate(CASES.items()):
        row = _row(case, f"task_{n}")
        ids[name] = row["task_id"]
        await _add(connection, "tasks", row)
    for user in USERS:
        await _add(connection, "users", user)
    before = {row[0]["task_id"]: row[0] for row in await connection.fetch("SELECT to_jsonb(tasks) FROM tasks")}
    lines = await adopt(settings)
    fetch = connection.fetch
    try:
        noted = await fetch("SELECT * FROM legacy_remarks WHERE fingerprint = '' AND NOT conflict")
        return Adopted(
            lines=lines,
            ids=ids,
            before=before,
            tasks={row["task_id"]: convert(dict(row), TaskRecord) for row in await fetch("SELECT * FROM tasks")},
            users={row["user_id"]: convert(dict(row), UserRecord) for row in await fetch("SELECT * FROM users")},
            remarks={row["record_id"]: row["fields"] for row in noted},
            reasons={row["record_id"]: row["reasons"] for row in noted},
            quarantine={
                row["record_id"]: (row["kind"], row["reason"], row["fields"])
                for row in await fetch("SELECT * FROM legacy_quarantine WHERE fingerprint = ''")
            },
            ledger=[
                tuple(row)
                for row in await fetch("SELECT user_id, kind, amount, balance_after, reason FROM credit_ledger")
            ],
            locales={row["user_id"]: row["locale"] for row in await fetch("SELECT user_id, locale FROM users")},
            addresses={row[0] for row in await fetch("SELECT DISTINCT request_ip FROM tasks")},
        )
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def adopted(servers: EmbeddedServers) -> Adopted:
    async def make() -> Adopted:
        url = await create(servers.database_url, DATABASE)
        try:
            return await _adopt(Settings(database_url=url, redis_url=servers.redis_url, storage_url="file:///nowhere"))
        finally:
            await drop(servers.database_url, DATABASE)

    return asyncio.run(make())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.unfit is None])
def test_a_task_becomes(adopted: Adopted, name: str) -> None:
    case, task = CASES[name], adopted.tasks[adopted.ids[name]]
    assert {column: getattr(task, column) for column in case.kept} == case.kept
    told = {column: str(value or "null") for column, value in adopted.remarks.get(task.task_id, {}).items()}
    assert told == case.remarks
    assert len(adopted.reasons.get(task.task_id, [])) >= len(case.remarks)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.unfit is not None])
def test_what_can_not_be_a_task_goes_whole_into_the_quarantine(adopted: Adopted, name: str) -> None:
    case, task_id = CASES[name], adopted.ids[name]
    assert task_id not in adopted.tasks
    kind, reason, fields = adopted.quarantine[task_id]
    assert (kind, reason) == ("task", case.unfit)
    before = adopted.before[task_id]
    assert fields.keys() >= before.keys()
    assert {column: fields[column] for column in ("task_id", "status", "mode", "source_image", "request_ip")} == {
        column: before[column] for column in ("task_id", "status", "mode", "source_image", "request_ip")
    }
    assert fields["created_at"] == "2025-11-17T12:00:00+00:00"


def test_each_row_is_somewhere(adopted: Adopted) -> None:
    assert adopted.before.keys() == adopted.tasks.keys() | (adopted.quarantine.keys() - {" usr padded "})
    assert adopted.addresses == {"10.0.0.1"}


def test_users(adopted: Adopted) -> None:
    users = adopted.users
    assert users.keys() == {str(ADA), str(BOB).upper(), CAT.hex, "usr_unsaid", str(EVE)}
    assert {user.legacy_fingerprint for user in users.values()} == {b""}
    cat, unsaid, eve = users[CAT.hex], users["usr_unsaid"], users[str(EVE)]
    assert (cat.current_credits, cat.total_credits_used, cat.password_hash) == (0, 0, "$2b$12$x")
    assert (cat.has_password, cat.is_placeholder) == (False, False)
    assert (unsaid.email, unsaid.current_credits, unsaid.plan_renew_at) == (None, 0, None)
    assert (unsaid.is_active, unsaid.has_password, unsaid.signup_bonus_granted) == (True, False, False)
    assert (eve.is_placeholder, eve.is_active, eve.email, eve.created_at) == (True, True, None, after(0))
    assert adopted.locales[str(ADA)] == "zh-CN"


def test_of_two_accounts_with_one_email_the_one_used_last_keeps_it(adopted: Adopted) -> None:
    assert adopted.users[str(ADA)].email is None
    assert adopted.users[str(BOB).upper()].email == "ada@example.com"


def test_what_is_remarked_on_about_users(adopted: Adopted) -> None:
    ids = (str(ADA), CAT.hex, "usr_unsaid")
    assert {user_id: (adopted.reasons[user_id], adopted.remarks[user_id]) for user_id in ids} == {
        str(ADA): (["its email is another account's, and was left out"], {"email": "Ada@Example.com"}),
        CAT.hex: (["current_credits is negative; 0 stands for it"], {"current_credits": "-40"}),
        "usr_unsaid": (
            ["plan_renew_at is not a time that can be shown, and was left out"],
            {"plan_renew_at": "infinity"},
        ),
    }
    assert str(BOB).upper() not in adopted.remarks


def test_a_user_without_a_usable_id_is_in_the_quarantine(adopted: Adopted) -> None:
    kind, reason, fields = adopted.quarantine[" usr padded "]
    assert (kind, reason) == ("user", NO_ID)
    assert fields["email"] == "padded@example.com"


def test_each_balance_has_its_opening_entry(adopted: Adopted) -> None:
    """Those of BOB and the padded one came with the column's default."""
    assert sorted(adopted.ledger) == sorted(
        (user_id, "opening", credits_, credits_, "balance brought along")
        for user_id, credits_ in ((str(ADA), 70), (str(BOB).upper(), 100))
    )


def test_all_is_told(adopted: Adopted) -> None:
    unfit = [case.unfit for case in CASES.values() if case.unfit]
    expected = {
        "adopted 4 users with 170 credits",
        f"adopted {len(CASES) - len(unfit)} tasks",
        "made 1 account for users that only tasks name",
        f"quarantined {unfit.count(SOURCE)} tasks: {SOURCE}",
        f"quarantined 1 user: {NO_ID}",
        f"quarantined 1 task: {STATUS}; {MODE}",
        "remarked on 1 user: its email is another account's, and was left out",
        "remarked on 6 tasks: config is not an object, and was left out",
        "kept users.locale",
        "kept tasks.request_ip, which may be null from now on: Darkroom's own rows have nothing for it",
        "applied 0001_tasks_table.sql",
    }
    assert expected <= set(adopted.lines)
