"""Of two records of one task an end beats no end, then the later time counts, and what lost is kept, whole."""

from typing import Any

import msgspec
import pytest

from service.database import Connection
from service.legacy import store
from tests.service.legacy.moves import JSON, PREFIX, Old, as_json, contents, differences, move, row

TASK = "task_1764915114_a1b2c3"
EARLY, LATE, LATER = "2025-12-05T07:00:00", "2025-12-05T08:00:00", "2025-12-05T09:00:00"

Hash = dict[str, Any]


def done(at: str, picture: str = "/results/a.jpg") -> Hash:
    result = as_json({"output_image": picture})
    return {"status": "done", "updated_at": at, "completed_at": at, "result": result}


def failed(at: str) -> Hash:
    return {"status": "failed", "updated_at": at, "failed_at": at, "error": as_json({"code": "A", "message": "b"})}


def unfinished(status: str, at: str) -> Hash:
    return {"status": status, "updated_at": at, "progress": "40"}


async def adopted(connection: Connection, old: Old, hash_: Hash) -> None:
    """A row that came with the old system's tables."""
    old.task(TASK, "usr_1", **hash_)
    await move(connection, old)
    await connection.execute("UPDATE tasks SET legacy_fingerprint = ''")
    await connection.execute("TRUNCATE legacy_remarks")


async def remarks(connection: Connection) -> list[tuple[str, bool, JSON]]:
    rows = await connection.fetch("SELECT reasons, conflict, fields FROM legacy_remarks WHERE kind = 'task'")
    return [("; ".join(one["reasons"]), one["conflict"], one["fields"]) for one in rows]


ROW_COUNTS: dict[str, tuple[Hash, Hash]] = {
    "done, and an older run of it": (done(LATE), unfinished("processing", EARLY)),
    "done, and a later run of it": (done(LATE), unfinished("processing", LATER)),
    "failed, and waiting": (failed(LATE), unfinished("pending", LATER)),
    "done later": (done(LATE), done(EARLY, "/results/other.jpg")),
    "done after it failed": (done(LATE), failed(EARLY)),
    "running later": (unfinished("processing", LATE), unfinished("pending", EARLY)),
}


@pytest.mark.parametrize(("here", "there"), ROW_COUNTS.values(), ids=ROW_COUNTS.keys())
async def test_what_is_here_counts(connection: Connection, old: Old, here: Hash, there: Hash) -> None:
    await adopted(connection, old, here)
    before = await row(connection, TASK)
    old.task(TASK, "usr_1", **there)
    for _ in range(2):
        told = (await move(connection, old)).summary["tasks"]
        assert told["conflict"] == 1
        assert await row(connection, TASK) == before
        ((reason, conflict, fields),) = await remarks(connection)
        assert reason.endswith("was kept")
        assert conflict
        assert fields["status"] == there["status"]
        assert msgspec.json.decode(fields["data"])["user_id"] == "usr_1"
    assert await differences(connection, old) == {}


HASH_COUNTS: dict[str, tuple[Hash, Hash, bool]] = {
    "an end beats no end": (unfinished("processing", LATER), done(EARLY), True),
    "an end beats no end, failed": (unfinished("pending", LATER), failed(EARLY), True),
    "done later": (done(EARLY), done(LATE, "/results/other.jpg"), True),
    "done after it failed": (failed(EARLY), done(LATE), True),
    "done at the same time": (done(LATE), done(LATE, "/results/other.jpg"), True),
    "running later": (unfinished("pending", EARLY), unfinished("processing", LATE), True),
    "the same news, written a moment later": (done("2025-12-05T07:00:00.1"), done("2025-12-05T07:00:00.2"), False),
}


@pytest.mark.parametrize(("here", "there", "lost"), HASH_COUNTS.values(), ids=HASH_COUNTS.keys())
async def test_what_the_old_redis_has_counts(
    connection: Connection, old: Old, here: Hash, there: Hash, lost: bool
) -> None:
    await adopted(connection, old, here)
    before = await row(connection, TASK)
    old.task(TASK, "usr_1", **there)
    assert (await move(connection, old)).summary["tasks"]["updated"] == 1
    after = await row(connection, TASK)
    assert after["status"] == there["status"]
    found = await remarks(connection)
    assert len(found) == lost
    for _, conflict, fields in found:
        assert not conflict
        kept = msgspec.json.decode(fields["adopted row"])
        assert kept["status"] == before["status"]
        assert kept["result"] == before["result"]
        assert kept["error"] == before["error"]
    assert await differences(connection, old) == {}
    settled = await contents(connection)
    assert (await move(connection, old)).summary["tasks"]["unchanged"] == 1
    assert await contents(connection) == settled


async def test_an_end_that_was_imported_stays_when_the_old_system_runs_the_task_again(
    connection: Connection, old: Old
) -> None:
    old.task(TASK, "usr_1", **done(EARLY))
    await move(connection, old)
    old.task(TASK, "usr_1", **unfinished("pending", LATE))
    assert (await move(connection, old)).summary["tasks"]["conflict"] == 1
    assert (await row(connection, TASK))["status"] == "done"
    old.task(TASK, "usr_1", **done(LATER, "/results/other.jpg"))
    assert (await move(connection, old)).summary["tasks"]["updated"] == 1
    assert (await row(connection, TASK))["result"]["legacy"]["output_image"] == "/results/other.jpg"
    assert await remarks(connection) == []


async def test_another_zone_moves_all_times_back(connection: Connection, old: Old) -> None:
    old.task(TASK, "usr_1", **done(LATE))
    await move(connection, old)
    assert (await move(connection, old, timezone="Asia/Shanghai")).summary["tasks"]["updated"] == 1
    assert (await row(connection, TASK))["completed_at"].hour == 0


@pytest.mark.parametrize("first", ["broken off", "of users only"])
async def test_another_zone_moves_all_times_back_though_another_import_named_it_first(
    connection: Connection, old: Old, first: str
) -> None:
    old.task(TASK, "usr_1", **done(LATE))
    await move(connection, old)
    if first == "broken off":
        await store.begin_import(connection, prefix=PREFIX, timezone="Asia/Shanghai", take_over=False, source=[])
    else:
        await move(connection, old, timezone="Asia/Shanghai", users_only=True)
    assert (await move(connection, old)).summary["tasks"]["updated"] == 1
    assert (await row(connection, TASK))["completed_at"].hour == 0
    old.task(TASK, "usr_1", **done(EARLY))
    assert (await move(connection, old)).summary["tasks"]["conflict"] == 1, "times are of one zone again"
