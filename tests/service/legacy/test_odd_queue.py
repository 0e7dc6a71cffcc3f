"""The old queue, or the set of those being worked on, isn't what it should be: the move goes on, and says so."""

import pytest

from service.database import Connection
from tests.service.legacy.moves import PREFIX, Old, move, row

QUEUE, PROCESSING = f"{PREFIX}task:queue", f"{PREFIX}task:processing"
WAITING, RUNNING = "task_1764915001_aaaaaa", "task_1764915002_bbbbbb"


@pytest.fixture
def odd(old: Old) -> Old:
    old.user("usr_1")
    old.task(WAITING, "usr_1", "pending", queued=False)
    old.task(RUNNING, "usr_1", "processing", queued=False)
    return old


@pytest.mark.parametrize("key", [QUEUE, PROCESSING])
@pytest.mark.parametrize("kind", ["string", "hash", "zset", "list or set"])
async def test_another_type_under_its_key(connection: Connection, odd: Old, key: str, kind: str) -> None:
    match kind:
        case "string":
            odd.redis.set(key, "odd")
        case "hash":
            odd.redis.hset(key, "a", "b")
        case "zset":
            odd.redis.zadd(key, {WAITING: 1.0})
        case _:
            odd.redis.sadd(key, WAITING) if key == QUEUE else odd.redis.rpush(key, RUNNING)
    for dry_run in (True, False):
        moved = await move(connection, odd, take_over=True, dry_run=dry_run)
        assert moved.summary["taken_over"] == 2
        assert moved.summary["queue"]["unreadable"] == [key]
        (words,) = moved.heard.of(key)
        assert words.startswith(f"remark: under {key} lies a ")
    assert (await row(connection, WAITING))["elsewhere"] is False
    assert await connection.fetchval("SELECT record_id FROM legacy_remarks WHERE kind = 'queue'") == key


async def test_a_dry_run_counts_the_ids_without_data_that_an_import_does(connection: Connection, odd: Old) -> None:
    """Also where there is data under an id that can't be one."""
    for name in (b"task_\xff", b"a\0b", b"gone", "任务".encode()):
        odd.redis.rpush(QUEUE, name)
        odd.redis.sadd(PROCESSING, name)
        if name != b"gone":
            odd.redis.hset(f"{PREFIX}task:data:".encode() + name, "status", "pending")
    odd.redis.rpush(QUEUE, b"\xff")
    told = [(await move(connection, odd, dry_run=dry_run)).summary["queue"] for dry_run in (True, False)]
    assert told[0] == told[1]
    assert told[0]["without_data"] == 3


async def test_members_that_cannot_be_ids(connection: Connection, odd: Old) -> None:
    odd_ones = [b"\xff\xfe", b"a\0b", b"x" * 100_000, b"", "任务".encode(), WAITING.encode()]
    odd.redis.rpush(QUEUE, *odd_ones)
    odd.redis.sadd(PROCESSING, *odd_ones[:-1], RUNNING)
    moved = await move(connection, odd, take_over=True)
    assert moved.summary["taken_over"] == 2
    assert moved.summary["queue"]["without_data"] == 2 * (len(odd_ones) - 1)
    assert (await row(connection, RUNNING))["line"] == 0
