"""The way back: what changed here, in the old layout, and an import of it that finds nothing new."""

import json
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
import redis

from schema.models.tasks import TaskFailure, TaskStatus
from service.accounts import users as accounts
from service.database import Connection, Pool
from service.legacy.exporting.exporter import QueueInUse
from service.legacy.exporting.target import LegacyTarget, NewQueue
from service.legacy.exporting.writing import REPEATED_HOUR, RUNS_HERE
from service.legacy.records import Fields, RawTask, Task
from service.legacy.records.tasks import Zone, read_task
from service.legacy.wayback import SameRedis
from service.tasks import lifecycle
from tests import lives
from tests.factories import add_task
from tests.service.legacy.moves import PREFIX, Old, account, address_of, back, contents, differences, move, row


async def move_unchanged(connection: Connection, old: Old, **wishes: object) -> bool:
    """Whether an import finds nothing new."""
    summary = (await move(connection, old, **wishes)).summary
    return all(summary[kind].get("unchanged", 0) == summary[kind]["seen"] for kind in ("users", "tasks"))


def task_id(letter: str) -> str:
    return f"task_176491511{ord(letter) % 10}_{letter * 6}"


async def lived(connection: Connection, pool: Pool, old: Old) -> dict[str, str]:
    """A switch, and a life after it: one task of each end, one that runs, two that wait. Their ids, by what came."""
    old.user("usr_1", current_credits=1000, email="zh@example.com")
    old.user("usr_2", current_credits=70)
    for letter in "abcde":
        old.task(task_id(letter), "usr_1", "pending", updated_at="2025-12-05T06:11:54.123456")
    await move(connection, old, take_over=True)
    ids: dict[str, str] = {}
    for came in ("done", "failed", "running"):
        claim = await lives.claim(pool)
        ids[came] = claim.task_id
        if came == "done":
            await lifecycle.complete_task(pool, claim, lives.a_result(), [])
        if came == "failed":
            await lifecycle.fail_task(pool, claim, TaskFailure("FACE_NOT_FOUND", "未检测到人脸", {"faces": 0}))
    left = [one for one in map(task_id, "abcde") if one not in ids.values()]
    ids["cancelled"], ids["waits"] = left
    assert await lives.cancel(pool, "usr_1", ids["cancelled"])
    await accounts.grant(connection, "usr_2", 500, "a purchase")
    ids["new"] = (await lives.create(connection, "usr_2")).task_id
    return ids


async def test_what_was_exported_says_what_is_here(connection: Connection, pool: Pool, old: Old, other: Old) -> None:
    ids = await lived(connection, pool, old)
    there = old.dump()
    came = await back(connection, other)
    assert old.dump() == there
    assert came.summary["users"] == {"written": 2, "unchanged": 0, "conflict": 0, "deleted_here": 0} | {
        "credits": sum([(await account(connection, one))["current_credits"] for one in ("usr_1", "usr_2")])
    }
    assert came.summary["tasks"]["written"] == 6
    assert other.queue() == [ids["running"], ids["waits"], ids["new"]]
    assert came.heard.of(ids["running"]) == [f"remark: {RUNS_HERE}"]
    for what, one in ids.items():
        fields = cast("Fields", other.redis.hgetall(f"{PREFIX}task:data:{one}"))
        read = read_task(RawTask(one, fields), Zone("UTC", UTC))
        assert isinstance(read, Task)
        assert read.remarks == ()
        here = await lives.get(pool, one)
        status = TaskStatus.PENDING if what == "running" else here.status
        assert (read.status, read.mode, read.user_id, read.config) == (status, here.mode, here.user_id, here.config)
        assert (read.source_image, read.credits_consumed) == (here.source_image, here.credits_consumed)
        assert (read.created_at, read.updated_at) == (here.created_at, here.updated_at)
        assert read.ended_at == (here.completed_at or here.failed_at or here.cancelled_at)
        assert read.error == here.error
        if what == "done":
            assert here.result is not None
            assert read.result is not None
            assert read.result.metadata == here.result.metadata
            assert read.result.legacy is not None
            assert read.result.legacy.output_image == address_of(here.result.output_file_id or "")


async def test_an_import_of_what_was_exported_changes_nothing(
    connection: Connection, pool: Pool, old: Old, other: Old
) -> None:
    await lived(connection, pool, old)
    await back(connection, other)
    before = await contents(connection)
    again = await move(connection, other)
    assert again.summary["users"]["unchanged"] == again.summary["users"]["seen"] == 2
    assert again.summary["tasks"]["unchanged"] == again.summary["tasks"]["seen"] == 6
    assert again.heard.findings == []
    assert await contents(connection) == before
    assert await differences(connection, other) == {}
    await lives.assert_ledgers(connection)


async def test_what_was_exported_fills_an_empty_database(
    connection: Connection, pool: Pool, old: Old, other: Old
) -> None:
    ids = await lived(connection, pool, old)
    await back(connection, other)
    users = {one: (await account(connection, one))["current_credits"] for one in ("usr_1", "usr_2")}
    tasks = {what: dict(await row(connection, one)) for what, one in ids.items()}
    await connection.execute("TRUNCATE users, tasks, credit_ledger, legacy_imports, legacy_exported CASCADE")
    await move(connection, other)
    for user_id, credits_ in users.items():
        assert (await account(connection, user_id))["current_credits"] == credits_
    for what, before in tasks.items():
        here = await row(connection, ids[what])
        assert here["status"] == ("pending" if what == "running" else before["status"])
        assert here["error"] == before["error"]
        assert here["credits_consumed"] == before["credits_consumed"]
        assert (here["result"] is None) is (before["result"] is None)
    await lives.assert_ledgers(connection)
    assert await differences(connection, other) == {}


async def test_it_may_be_repeated_and_writes_what_has_changed(
    connection: Connection, pool: Pool, old: Old, other: Old
) -> None:
    ids = await lived(connection, pool, old)
    await back(connection, other)
    there = other.dump()
    again = await back(connection, other)
    assert other.dump() == there
    assert (again.summary["tasks"]["unchanged"], again.summary["users"]["unchanged"]) == (6, 2)
    assert await lives.cancel(pool, "usr_2", ids["new"])
    await accounts.grant(connection, "usr_1", 5, "a present")
    third = await back(connection, other)
    assert (third.summary["tasks"]["written"], third.summary["users"]["written"]) == (1, 2)
    assert other.queue() == [ids["running"], ids["waits"]]


@pytest.mark.parametrize("written", [False, True])
async def test_it_may_be_interrupted(
    connection: Connection, pool: Pool, old: Old, other: Old, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """Before or after Redis took what the database knows of: what changes here meanwhile arrives in the end."""
    ids = await lived(connection, pool, old)
    await back(connection, other)
    assert await lives.cancel(pool, "usr_2", ids["new"])
    put = LegacyTarget.put_tasks

    def broken(self: LegacyTarget, tasks: list[object]) -> None:
        if written:
            put(self, tasks)  # pyright: ignore[reportArgumentType]
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(LegacyTarget, "put_tasks", broken)
        with pytest.raises(redis.ConnectionError):
            await back(connection, other)
    await connection.execute("UPDATE tasks SET current_step = 'seen' WHERE task_id = $1", ids["new"])
    again = await back(connection, other)
    assert again.summary["tasks"]["conflict"] == 0
    assert other.redis.hget(f"{PREFIX}task:data:{ids['new']}", "current_step") == b"seen"
    assert await differences(connection, other) == {}


async def test_what_changed_there_since_is_left(connection: Connection, pool: Pool, old: Old, other: Old) -> None:
    ids = await lived(connection, pool, old)
    await back(connection, other)
    other.change(ids["waits"], status="processing")
    other.redis.lrem(f"{PREFIX}task:queue", 0, ids["waits"])
    other.user("usr_1", current_credits=3, email="zh@example.com")
    await accounts.grant(connection, "usr_1", 5, "a present")
    there = other.dump()
    again = await back(connection, other)
    assert (again.summary["tasks"]["conflict"], again.summary["users"]["conflict"]) == (1, 1)
    assert other.dump() == there
    assert ids["waits"] not in other.queue()


async def test_it_goes_back_to_where_the_import_read_only_if_forced(
    connection: Connection, pool: Pool, old: Old
) -> None:
    ids = await lived(connection, pool, old)
    old.task("task_1764915119_nobody", None, "pending")
    there = old.dump()
    with pytest.raises(SameRedis):
        await back(connection, old)
    assert old.dump() == there
    await back(connection, old, force=True)
    assert old.queue() == [ids["running"], ids["waits"], ids["new"], "task_1764915119_nobody"]
    again = await move(connection, old)
    assert again.summary["users"]["unchanged"] == 2
    assert again.summary["tasks"]["unchanged"] == 6
    assert again.summary["tasks"]["imported"] == 1
    assert await differences(connection, old) == {}


async def test_what_was_deleted_here_is_removed_there_if_wished(
    connection: Connection, pool: Pool, old: Old, other: Old
) -> None:
    ids = await lived(connection, pool, old)
    await back(connection, other)
    await connection.execute("DELETE FROM tasks WHERE task_id = $1", ids["new"])
    told = await back(connection, other)
    assert told.summary["tasks"]["deleted_here"] == 1
    assert told.heard.of(ids["new"]) == ["remark: it was deleted here, and is still there"]
    assert other.redis.exists(f"{PREFIX}task:data:{ids['new']}")
    assert (await move(connection, other)).summary["tasks"]["deleted here"] == 1
    await back(connection, other, remove_deleted=True, force=True)
    assert not other.redis.exists(f"{PREFIX}task:data:{ids['new']}")
    assert ids["new"] not in other.queue()


async def test_times_are_those_of_the_old_servers_clock(connection: Connection, other: Old) -> None:
    user_id = await lives.add_user(connection)
    created = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    one = await add_task(connection, user_id, created_at=created)
    await back(connection, other, timezone="Asia/Shanghai")
    assert other.redis.hget(f"{PREFIX}task:data:{one.task_id}", "created_at") == b"2026-01-02T11:04:05.678901"


async def test_a_time_in_a_repeated_hour_is_remarked_on(connection: Connection, other: Old) -> None:
    """Clocks of Berlin showed half past two twice that night: naive times mean the first."""
    user_id = await lives.add_user(connection)
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    told = [await add_task(connection, user_id, created_at=first + timedelta(hours=hours)) for hours in (0, 1)]
    came = await back(connection, other, timezone="Europe/Berlin")
    assert [came.heard.of(one.task_id) for one in told] == [[], [f"remark: {REPEATED_HOUR}"]]
    assert await move_unchanged(connection, other, timezone="Europe/Berlin")


async def test_an_account_that_was_suspended_here_is_so_there(connection: Connection, old: Old, other: Old) -> None:
    for user_id in ("usr_1", "usr_2"):
        old.user(user_id)
    await move(connection, old)
    assert await accounts.set_active(connection, "usr_1", active=False)
    came = await back(connection, other)
    assert came.summary["users"]["written"] == 1
    assert other.redis.keys("user:id:*") == [b"user:id:usr_1"]
    for key in ("user:id:usr_1", "user:email:usr_1@example.com"):
        assert json.loads(cast("bytes", other.redis.get(key)))["is_active"] is False


@pytest.mark.parametrize("always", [False, True])
async def test_a_task_that_is_queued_there_meanwhile_is_not_lost(
    connection: Connection, pool: Pool, old: Old, other: Old, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    ids = await lived(connection, pool, old)
    put, pushed = NewQueue.put, list[str]()

    def late(self: NewQueue) -> bool:
        if always or not pushed:
            pushed.append(f"task_{len(pushed)}")
            other.redis.rpush(f"{PREFIX}task:queue", pushed[-1])
        return put(self)

    monkeypatch.setattr(NewQueue, "put", late)
    if always:
        with pytest.raises(QueueInUse):
            await back(connection, other)
        assert other.queue() == pushed
    else:
        await back(connection, other)
        assert other.queue() == [ids["running"], ids["waits"], ids["new"], "task_0"]
    assert not any(b"in-making" in key for key in other.dump())
