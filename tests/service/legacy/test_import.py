"""What an import makes of the old Redis: everything is here or in quarantine, once, however often it is run."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from schema.models.tasks import TaskStatus
from service.accounts import users as accounts
from service.accounts.store import unbalanced_users
from service.database import Connection, Pool
from service.legacy.records import RawTask, RawUser, whole
from service.legacy.source import LegacyRedis
from service.tasks import store as tasks_store
from tests import lives
from tests.legacy.sample import Sample, generate
from tests.legacy.sampling.breakage import Breakage, Fate
from tests.legacy.sampling.damage_to_tasks import DAMAGE_TO_TASKS
from tests.legacy.sampling.damage_to_users import DAMAGE_TO_USERS
from tests.service.legacy.moves import (
    CREATED,
    PREFIX,
    PRICE,
    SOURCE,
    UPDATED,
    Old,
    account,
    as_json,
    contents,
    differences,
    move,
    row,
    task_hash,
    user_json,
)

BROKEN = Sample(tasks=1500, users=300, breakage=0.4)
TASK = "task_1764915114_a1b2c3"
OTHER = "task_20251117_xyz789"


def records_in(old: Old) -> dict[tuple[str, str], dict[bytes, bytes]]:
    """Every record of the old Redis, by kind and id, with all that it says."""
    source = LegacyRedis(old.url, PREFIX)
    found: dict[tuple[str, str], dict[bytes, bytes]] = {}
    raws: list[RawTask | RawUser] = [raw for batch in source.users() for raw in batch]
    raws += [raw for batch in source.tasks() for raw in batch]
    source.close()
    for raw in raws:
        if isinstance(raw, RawTask):
            found["task", raw.task_id] = raw.fields
        else:
            found["user", raw.user_id] = raw.copies
    return found


async def test_a_broken_sample_is_here_or_in_quarantine_whole(connection: Connection, old: Old) -> None:
    expected = generate(old.redis, BROKEN)
    before = old.dump()
    imported = await move(connection, old)

    assert old.dump() == before, "nothing was written to the old Redis"
    rows = await connection.fetch("SELECT task_id, status, user_id FROM tasks")
    quarantine = {
        (one["kind"], one["record_id"]): one
        for one in await connection.fetch("SELECT * FROM legacy_quarantine ORDER BY record_id")
    }
    here = {("task", one["task_id"]) for one in rows}
    here |= {("user", user_id) for (user_id,) in await connection.fetch("SELECT user_id FROM users")}
    placeholders = {
        ("user", user_id) for (user_id,) in await connection.fetch("SELECT user_id FROM users WHERE is_placeholder")
    }
    records = records_in(old)
    assert (here - placeholders) | quarantine.keys() == records.keys(), "nothing is dropped, nothing made up"
    assert not (here - placeholders) & quarantine.keys()
    for who, kept in quarantine.items():
        assert kept["fields"] == whole(records[who])
        assert f"quarantined: {kept['reason']}" in imported.heard.of(kept["record_id"])
    remarks = await connection.fetch("SELECT * FROM legacy_remarks WHERE kind IN ('task', 'user')")
    assert remarks
    for remark in remarks:
        assert remark["fields"] == whole(records[remark["kind"], remark["record_id"]])

    judged = sum(expected.broken[kind] for kind, damage in DAMAGE_TO_USERS.items() if damage.fate is Fate.JUDGED)
    assert imported.summary["users"]["imported"] == len(here - placeholders - {("task", r["task_id"]) for r in rows})
    assert imported.summary["users"]["imported"] == expected.users + judged
    assert imported.summary["users"]["placeholders"] == len(placeholders) == expected.placeholders
    assert imported.summary["tasks"]["seen"] == expected.hashes
    for status in TaskStatus:
        certain = expected.tasks[status]
        perhaps = sum(
            expected.broken_by_status[kind].get(status, 0)
            for kind, damage in DAMAGE_TO_TASKS.items()
            if damage.fate is Fate.JUDGED
        )
        assert certain <= sum(one["status"] == status for one in rows) <= certain + perhaps
    for kind, damage in {**DAMAGE_TO_TASKS, **DAMAGE_TO_USERS}.items():
        of = "task" if kind in DAMAGE_TO_TASKS else "user"
        for record_id in expected.ids[kind]:
            if damage.fate is Fate.IMPORTED:
                assert (of, record_id) in here, kind
            elif damage.fate is Fate.QUARANTINED and kind not in {Breakage.USER_NOT_JSON, Breakage.USER_ID_TOO_LONG}:
                assert (of, record_id) in quarantine, kind
            elif damage.fate is Fate.REPORTED:
                assert imported.heard.of(record_id), kind
    assert imported.summary["queue"]["waiting"] == expected.queued
    assert imported.summary["queue"]["interrupted"] == expected.processing
    assert await unbalanced_users(connection, 10) == []
    assert await differences(connection, old) == {}


async def test_a_second_run_changes_nothing(connection: Connection, old: Old) -> None:
    generate(old.redis, BROKEN)
    await move(connection, old)
    before = await contents(connection)
    again = await move(connection, old)
    assert await contents(connection) == before
    for kind in ("users", "tasks"):
        told = again.summary[kind]
        assert told["seen"] == told["unchanged"] + told["quarantined"]
    assert again.summary["users"]["placeholders"] == 0


async def test_every_column_of_a_task(connection: Connection, old: Old) -> None:
    user_id = old.user("usr_1")
    old.task(
        TASK,
        user_id,
        data={"mode": "HEAD_SWAP", "reference_image": "img_20251117_abc123"},
        current_step="合成 \t\\\n😀",
    )
    old.redis.expire(f"{PREFIX}task:data:{TASK}", 3600)
    await move(connection, old)
    task = dict(await row(connection, TASK))
    created, updated = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (CREATED, UPDATED))
    expires, fingerprint = task.pop("legacy_expires_at"), task.pop("legacy_fingerprint")
    assert timedelta(minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=1)
    assert len(fingerprint) == 16
    assert task == {
        "task_id": TASK,
        "user_id": user_id,
        "status": "done",
        "mode": "HEAD_SWAP",
        "priority": "normal",
        "progress": 100,
        "current_step": "合成 \t\\\n😀",
        "source_image": SOURCE,
        "reference_image": "img_20251117_abc123",
        "config": {"quality": "high"},
        "result": {
            "output_file_id": None,
            "thumbnail_file_id": None,
            "comparison_file_id": None,
            "metadata": {"width": 8, "说明": "好"},
            "legacy": {"output_image": "/results/o.jpg", "thumbnail": "/results/t.jpg", "comparison_image": None},
        },
        "error": None,
        "webhook_url": None,
        "webhook_events": None,
        "credits_consumed": PRICE,
        "credits_refunded": 0,
        "attempts": 0,
        "retry_of": None,
        "created_at": created,
        "updated_at": updated,
        "started_at": created,
        "completed_at": updated,
        "failed_at": None,
        "cancelled_at": None,
        "batch_id": None,
        "deadline_at": None,
        "processing_time": pytest.approx((updated - created).total_seconds()),
        "line": 2,
        "not_before": None,
        "dispatched_at": None,
        "message_no": 0,
        "lease_token": 0,
        "lease_expires_at": None,
        "worker_id": None,
        "requeued_for": None,
        "elsewhere": False,
        "taken_over_at": None,
        "queued_at": created,
    }


async def test_every_column_of_a_user(connection: Connection, old: Old) -> None:
    old.user("usr_1")
    await move(connection, old)
    user = dict(await account(connection, "usr_1"))
    assert len(user.pop("legacy_fingerprint")) == 16
    user.pop("updated_at")
    assert user == {
        "user_id": "usr_1",
        "email": "usr_1@example.com",
        "username": "小明 😀",
        "avatar": None,
        "password_hash": "$2b$12$abcdefghijklmnopqrstuv",
        "has_password": True,
        "is_active": True,
        "signup_bonus_granted": True,
        "current_plan_id": "pro",
        "plan_renew_at": datetime(2026, 1, 1, tzinfo=UTC),
        "current_credits": 100,
        "total_credits_used": 300,
        "created_at": datetime(2025, 1, 2, 3, 4, 5, 678_901, UTC),
        "last_login": datetime(2025, 12, 1, 10, tzinfo=UTC),
        "is_placeholder": False,
        "judged_at": None,
    }
    assert await ledger(connection, "usr_1") == [("opening", 100, 100)]


async def ledger(connection: Connection, user_id: str) -> list[tuple[str, int, int]]:
    """A user's entries, the first one first: kind, amount, balance after it."""
    entries = await connection.fetch(
        "SELECT kind, amount, balance_after FROM credit_ledger WHERE user_id = $1 ORDER BY entry_id", user_id
    )
    return [tuple(entry) for entry in entries]


@pytest.mark.parametrize("status", TaskStatus)
async def test_a_task_in_each_status(connection: Connection, old: Old, status: TaskStatus) -> None:
    old.task(TASK, old.user("usr_1"), status)
    await move(connection, old)
    task = await row(connection, TASK)
    assert task["status"] == status
    assert task["elsewhere"] is not status.ended
    assert task["credits_consumed"] == PRICE
    assert task["credits_refunded"] == (PRICE if status in {TaskStatus.FAILED, TaskStatus.CANCELLED} else 0)
    assert (task["started_at"] is not None) is status.ended
    assert await differences(connection, old) == {}


async def test_a_changed_task_is_updated(connection: Connection, old: Old) -> None:
    user_id = old.user("usr_1")
    old.task(TASK, user_id, "processing")
    old.task(OTHER, user_id)
    await move(connection, old)
    running, other = await row(connection, TASK), await row(connection, OTHER)
    old.task(TASK, user_id, progress="100")
    assert [*await differences(connection, old)] == [TASK]
    again = await move(connection, old)
    assert (again.summary["tasks"]["updated"], again.summary["tasks"]["unchanged"]) == (1, 1)
    task = await row(connection, TASK)
    assert (task["status"], task["elsewhere"], task["progress"]) == ("done", False, 100)
    assert task["result"]["legacy"]["output_image"] == "/results/o.jpg"
    # Nobody knows when it was begun: it was seen at work when its record was last written.
    events = await tasks_store.events_of_task(connection, "usr_1", TASK)
    assert [event.status for event in events] == ["processing", "done"]
    assert [event.at for event in events] == [running["updated_at"], task["completed_at"]]
    assert await row(connection, OTHER) == other
    assert await differences(connection, old) == {}


async def test_a_task_whose_row_was_deleted_is_imported_again(connection: Connection, old: Old) -> None:
    """By somebody who rehearses the import; its history, kept for a day for streams, goes on."""
    old.task(TASK, old.user("usr_1"), "pending")
    await move(connection, old)
    await connection.execute("DELETE FROM tasks")
    assert (await move(connection, old)).summary["tasks"]["imported"] == 1
    assert [event.seq for event in await tasks_store.events_of_task(connection, "usr_1", TASK)] == [1, 2]
    now = datetime.now(UTC) + timedelta(days=2)
    assert await tasks_store.histories_to_forget(connection, limit=10, now=now) == []


async def test_a_record_that_can_be_read_by_now_leaves_the_quarantine(connection: Connection, old: Old) -> None:
    user_id = old.user("usr_1")
    old.task(TASK, user_id, data={"mode": None})
    old.redis.set("user:id:usr_2", "None")
    await move(connection, old)
    assert await connection.fetchval("SELECT count(*) FROM legacy_quarantine") == 2
    old.task(TASK, user_id)
    old.user("usr_2")
    await move(connection, old)
    assert await connection.fetchval("SELECT count(*) FROM legacy_quarantine") == 0
    assert await differences(connection, old) == {}


async def test_what_is_kept_of_a_changed_unreadable_record_is_its_latest(connection: Connection, old: Old) -> None:
    old.redis.set(f"{PREFIX}task:data:{TASK}", b"one")
    await move(connection, old)
    old.redis.set(f"{PREFIX}task:data:{TASK}", b"another")
    assert [*await differences(connection, old)] == [TASK]
    await move(connection, old)
    kept = await connection.fetchrow("SELECT reason, fields FROM legacy_quarantine")
    assert kept is not None
    assert kept["reason"] == "under its key lies a string, not a hash"
    old.redis.flushdb()
    old.redis.restore("restored", 0, msgspec.convert(kept["fields"]["dump"]["base64"], bytes))
    assert old.redis.get("restored") == b"another"


async def test_a_balance_that_changed_there_changes_the_one_opening_entry(connection: Connection, old: Old) -> None:
    old.user("usr_1", current_credits=100)
    old.user("usr_2", current_credits=0)
    await move(connection, old)
    old.user("usr_1", current_credits=60)
    old.user("usr_2", current_credits=7)
    again = await move(connection, old)
    assert again.summary["users"]["updated"] == 2
    assert await ledger(connection, "usr_1") == [("opening", 60, 60)]
    assert await ledger(connection, "usr_2") == [("opening", 7, 7)]
    assert (await account(connection, "usr_1"))["current_credits"] == 60
    assert await differences(connection, old) == {}


async def test_the_largest_balance_that_a_column_holds_can_change(connection: Connection, old: Old) -> None:
    for credits_ in (2**31 - 1, 2**31 - 2):
        old.user("usr_1", current_credits=credits_)
        await move(connection, old)
        assert await ledger(connection, "usr_1") == [("opening", credits_, credits_)]
        assert await differences(connection, old) == {}


async def test_a_balance_that_changed_on_both_sides_is_a_conflict_that_stays(connection: Connection, old: Old) -> None:
    old.user("usr_1", current_credits=100)
    await move(connection, old)
    await accounts.grant(connection, "usr_1", 5, "a present")
    old.user("usr_1", current_credits=60, total_credits_used=1)
    for _ in range(2):
        again = await move(connection, old)
        assert again.summary["users"]["conflict"] == 1
        assert len(again.heard.of("usr_1")) == 1
        assert again.heard.of("usr_1")[0].startswith("conflict: ")
        user = await account(connection, "usr_1")
        assert (user["current_credits"], user["total_credits_used"]) == (105, 300)
        assert await ledger(connection, "usr_1") == [("opening", 100, 100), ("grant", 5, 105)]
    assert await differences(connection, old) == {}, "it was reported"
    old.user("usr_1", current_credits=61)
    assert [*await differences(connection, old)] == ["usr_1"], "this change was not"


async def test_an_account_and_a_task_made_here_stay(connection: Connection, old: Old) -> None:
    await accounts.create_user(connection, "mine@example.com", credits_=1, user_id="usr_1")
    mine = await lives.create(connection, await lives.add_user(connection))
    old.user("usr_1")
    old.task(mine.task_id, "usr_1")
    imported = await move(connection, old)
    for who in ("usr_1", mine.task_id):
        assert [found.partition(":")[0] for found in imported.heard.of(who)] == ["conflict"]
    assert (await account(connection, "usr_1"))["email"] == "mine@example.com"
    assert (await row(connection, mine.task_id))["legacy_fingerprint"] is None
    assert await differences(connection, old) == {}


async def test_an_account_that_only_tasks_know_is_filled_later(connection: Connection, old: Old) -> None:
    """Also when it was given something here meanwhile: both count, as long as tasks live in the old system."""
    old.task(TASK, "usr_1", "pending")
    first = await move(connection, old)
    assert first.summary["users"]["placeholders"] == 1
    assert (await account(connection, "usr_1"))["is_placeholder"]
    await accounts.grant(connection, "usr_1", PRICE, "a present")
    old.user("usr_1", current_credits=100)
    for imported, unchanged in ((1, 0), (0, 1)):
        again = await move(connection, old)
        assert again.summary["users"].get("updated", 0) == imported
        assert again.summary["users"].get("unchanged", 0) == unchanged
        user = await account(connection, "usr_1")
        assert (user["email"], user["is_placeholder"]) == ("usr_1@example.com", False)
        assert user["current_credits"] == 100 + PRICE
        assert await ledger(connection, "usr_1") == [("grant", PRICE, PRICE), ("opening", 100, 100 + PRICE)]
    assert await differences(connection, old) == {}


async def test_what_was_erased_or_deleted_here_is_not_brought_back(
    connection: Connection, pool: Pool, old: Old
) -> None:
    for user_id in ("usr_erased", "usr_stays", "usr_torn"):
        old.task(f"task_of_{user_id}", old.user(user_id))
    old.redis.set("user:id:usr_torn", "None")
    old.redis.delete("user:email:usr_torn@example.com")
    await move(connection, old)
    await accounts.erase_user(connection, "usr_erased")
    await accounts.erase_user(connection, "usr_torn")
    old.task("task_later", "usr_erased")
    async with pool.acquire() as other, other.transaction():
        await other.execute(
            "WITH gone AS (DELETE FROM tasks WHERE task_id = 'task_of_usr_stays' RETURNING task_id) "
            "INSERT INTO legacy_tombstones SELECT 'task', task_id FROM gone"
        )
    before = await contents(connection)
    again = await move(connection, old)
    assert again.summary["users"]["deleted here"] == 2
    assert again.summary["tasks"]["deleted here"] == 4
    assert await contents(connection) == before
    assert await differences(connection, old) == {}


async def test_what_was_deleted_here_is_not_kept_in_quarantine_either(connection: Connection, old: Old) -> None:
    old.task(TASK, old.user("usr_1"))
    await move(connection, old)
    await accounts.erase_user(connection, "usr_1")
    old.change(TASK, data="torn")
    old.redis.set("user:id:usr_1", "torn")
    old.redis.delete("user:email:usr_1@example.com")
    again = await move(connection, old)
    assert again.heard.findings == []
    assert await connection.fetchval("SELECT count(*) FROM legacy_quarantine") == 0
    assert await differences(connection, old) == {}


async def test_an_erased_users_unreadable_tasks_go_too(connection: Connection, old: Old) -> None:
    for user_id in ("usr_1", "usr_12"):
        old.task(f"task_of_{user_id}", old.user(user_id))
        old.change(f"task_of_{user_id}", status="?")
    await move(connection, old)
    await accounts.erase_user(connection, "usr_1")
    for _ in range(2):
        kept = await connection.fetch("SELECT record_id FROM legacy_quarantine")
        assert [one["record_id"] for one in kept] == ["task_of_usr_12"]
        await move(connection, old)


async def test_an_email_that_two_ask_for_is_the_first_ones(connection: Connection, old: Old) -> None:
    await accounts.create_user(connection, "mine@example.com", credits_=0, user_id="usr_here")
    old.user("usr_1", email="Mine@example.com")
    old.user("usr_2", email="ours@example.com")
    old.user("usr_3", email="OURS@example.com")
    imported = await move(connection, old)
    emails = dict(await connection.fetch("SELECT user_id, email FROM users"))
    assert emails == {"usr_here": "mine@example.com", "usr_1": None, "usr_2": "ours@example.com", "usr_3": None}
    for who in ("usr_1", "usr_3"):
        assert imported.heard.of(who) == ["remark: its email is another account's here and was left out"]
    assert await differences(connection, old) == {}
    assert (await move(connection, old)).summary["users"]["unchanged"] == 3


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("later", ["usr_1", "usr_2"])
async def test_an_email_that_two_share_is_whose_login_is_later(
    connection: Connection, old: Old, at_once: bool, later: str
) -> None:
    """As with adopted tables, whichever of them an import meets first."""
    for user_id in ("usr_1", "usr_2"):
        login = "2025-12-03T08:00:00" if user_id == later else "2025-12-02T08:00:00"
        old.user(user_id, email="ours@example.com", last_login=login)
        if not at_once:
            await move(connection, old)
    tried = await move(connection, old, dry_run=True)
    done = await move(connection, old)
    other = "usr_1" if later == "usr_2" else "usr_2"
    emails = dict(await connection.fetch("SELECT user_id, email FROM users"))
    assert emails == {later: "ours@example.com", other: None}
    remarked = "SELECT record_id FROM legacy_remarks WHERE reasons::text LIKE '%email is another%'"
    assert await connection.fetchval(remarked) == other
    if at_once:
        assert tried.heard.findings == done.heard.findings
        assert tried.summary["users"] | {"placeholders": 0} == done.summary["users"]
    assert await differences(connection, old) == {}
    assert (await move(connection, old)).summary["users"]["unchanged"] == 2


async def test_emails_that_change_hands_between_two_imports(connection: Connection, old: Old) -> None:
    for name in "abcd":
        old.user(f"usr_{name}", email=f"{name}@example.com")
    await move(connection, old)
    old.redis.flushdb()
    wanted = {"usr_a": "b@example.com", "usr_b": "a@example.com", "usr_c": "d@example.com", "usr_d": "e@example.com"}
    for user_id, email in wanted.items():
        old.user(user_id, email=email)
    tried = await move(connection, old, dry_run=True)
    done = await move(connection, old)
    assert dict(await connection.fetch("SELECT user_id, email FROM users")) == wanted
    assert done.heard.findings == tried.heard.findings == []
    assert await differences(connection, old) == {}


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/St_Johns"])
async def test_times_are_read_in_the_zone_asked_for_and_then_in_the_last_imports(
    connection: Connection, old: Old, zone: str
) -> None:
    old.task(TASK, old.user("usr_1"))
    await move(connection, old)
    utc = await row(connection, TASK)
    first = await move(connection, old, timezone=zone)
    there = await row(connection, TASK)
    assert first.summary["tasks"]["updated"] == first.summary["users"]["updated"] == 1
    offset = {"Asia/Shanghai": timedelta(hours=8), "America/St_Johns": -timedelta(hours=3, minutes=30)}[zone]
    for name in ("created_at", "updated_at", "completed_at", "queued_at", "started_at"):
        assert there[name] == utc[name] - offset
    assert (await account(connection, "usr_1"))["last_login"] == datetime(2025, 12, 1, 10, tzinfo=UTC) - offset
    sticky = await move(connection, old)
    assert sticky.summary["timezone"] == zone
    assert sticky.summary["tasks"]["unchanged"] == 1
    assert await row(connection, TASK) == there
    assert await differences(connection, old) == {}


async def test_a_dry_run_tells_what_the_run_then_does_and_changes_nothing(connection: Connection, old: Old) -> None:
    """Over more than one batch, twice: into an empty database, and after the old system and this one went on."""
    generate(old.redis, Sample(tasks=1200, users=1100, breakage=0.3))
    for asked in ({}, {"take_over": True}):
        before = await contents(connection)
        tried = await move(connection, old, dry_run=True, **asked)
        assert await contents(connection) == before
        done = await move(connection, old, **asked)
        for summary in (tried.summary, done.summary):
            del summary["dry_run"]
            del summary["waiting_without_photo"]  # it asks the tables
        assert tried.summary == done.summary
        assert tried.heard.findings == done.heard.findings
        await go_on(connection, old)


async def go_on(connection: Connection, old: Old) -> None:
    """Some of the old records change, some come, and some are used here."""
    for number, (user_id,) in enumerate(
        await connection.fetch("SELECT user_id FROM users WHERE NOT is_placeholder ORDER BY user_id LIMIT 30")
    ):
        old.user(user_id, current_credits=number)
        if number % 3 == 0:
            await accounts.grant(connection, user_id, 1, None)
    waiting = await connection.fetch("SELECT task_id, user_id FROM tasks WHERE elsewhere ORDER BY task_id LIMIT 40")
    for number, (task_id, user_id) in enumerate(waiting):
        old.task(
            task_id, None if number % 5 == 0 else user_id, ["done", "pending", "processing"][number % 3], queued=False
        )
    for number in range(30):
        old.task(f"task_176491{number:04}_aaaaaa", None, "pending")
        old.task(f"task_176491{number:04}_bbbbbb", f"usr_stranger_{number % 4}", "processing")


async def test_nobodys_tasks_are_nobodys_here_too(connection: Connection, old: Old) -> None:
    old.task(TASK, None, "pending")
    old.task(OTHER, None)
    for asked in ({"dry_run": True}, {}, {"dry_run": True}):
        moved = await move(connection, old, **asked)
        assert moved.summary["left_with_the_old_system"] == {"owned": 0, "nobodys": 1}
    old.task(TASK, None, "processing")
    assert (await move(connection, old, dry_run=True)).summary["left_with_the_old_system"]["nobodys"] == 1
    assert (await row(connection, TASK))["user_id"] is None


async def test_two_imports_at_once_bring_each_record_once(pool: Pool, old: Old) -> None:
    expected = generate(old.redis, Sample(tasks=1200, users=1100, breakage=0.1))

    async def one() -> dict[str, Any]:
        async with pool.acquire() as connection:
            return (await move(connection, old)).summary

    both = await asyncio.gather(one(), one(), one())
    async with pool.acquire() as connection:
        assert sum(summary["tasks"].get("imported", 0) for summary in both) == await connection.fetchval(
            "SELECT count(*) FROM tasks"
        )
        assert sum(summary["users"].get("imported", 0) for summary in both) >= expected.users
        assert (
            await connection.fetchval("SELECT count(*) FROM credit_ledger GROUP BY user_id HAVING count(*) > 1") is None
        )
        assert await unbalanced_users(connection, 10) == []
        assert await differences(connection, old) == {}


@pytest.mark.parametrize("spent", [True, False])
async def test_a_balance_that_is_spent_at_the_same_moment(pool: Pool, old: Old, spent: bool) -> None:
    """It fell in the old system, and is spent here while the import looks at it: never below zero, never both."""
    async with pool.acquire() as connection, pool.acquire() as spender:
        old.user("usr_1", current_credits=100)
        await move(connection, old)
        old.user("usr_1", current_credits=10)
        transaction = spender.transaction()
        await transaction.start()
        await accounts.grant(spender, "usr_1", -95, "spent")
        importing = asyncio.create_task(move(connection, old))
        await lives.until_blocked(spender)
        await (transaction.commit() if spent else transaction.rollback())
        summary = (await importing).summary["users"]
        assert summary["conflict" if spent else "updated"] == 1
        assert (await account(connection, "usr_1"))["current_credits"] == (5 if spent else 10)
        assert await unbalanced_users(connection, 10) == []
        assert await differences(connection, old) == {}


@pytest.mark.parametrize("batch", [1, 7])
def test_batches_of_any_size_bring_the_same(old: Old, batch: int) -> None:
    generate(old.redis, Sample(tasks=60, users=40, breakage=0.5))
    by_one = LegacyRedis(old.url, PREFIX, batch=batch)
    whole_ = records_in(old)
    found = [raw.user_id for users in by_one.users() for raw in users]
    found += [raw.task_id for tasks in by_one.tasks() for raw in tasks]
    queue = [place for places in by_one.queue() for place in places]
    by_one.close()
    assert sorted(found) == sorted(record_id for _, record_id in whole_)
    assert queue == list(enumerate(old.queue()))[::-1]


async def test_odd_names_of_keys_lose_nothing(connection: Connection, old: Old) -> None:
    """A prefix with characters that mean something to SCAN; ids of bytes; a life of ages; fields that look alike."""
    prefix = "f[o]rmy*?\\:"
    old.put(f"{prefix}task:data:{TASK}".encode(), task_hash(TASK, None, "done"))
    old.redis.pexpire(f"{prefix}task:data:{TASK}", 9_000_000_000_000_000)
    old.put(prefix.encode() + b"task:data:\xff\0", {b"\xff": "1", rb"\xff": "2"})
    old.redis.hset("formy:task:data:others", "status", "done")
    old.redis.set("user:id:" + "键" * 200, as_json(user_json("键" * 200)))
    old.redis.set(b"user:email:\xfe@example.com", as_json(user_json("usr_1", email="other@example.com")))
    moved = await move(connection, old, prefix=prefix)
    assert moved.summary["tasks"]["imported"] == 1
    assert (await row(connection, TASK))["legacy_expires_at"] is None
    kept = await connection.fetch("SELECT kind, record_id, fields FROM legacy_quarantine ORDER BY kind, record_id")
    assert [(one["kind"], one["record_id"][:10]) for one in kept] == [("task", r"\xff\0"), ("user", "键" * 10)]
    assert kept[0]["fields"] == {r"\xff": "1", r"\\xff": "2"}
    assert (await account(connection, "usr_1"))["email"] == "other@example.com"
