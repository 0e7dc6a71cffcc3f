"""Many tasks are read by a process beside, which tells what is read without one, and whose end is told."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
import redis

from service.database import Connection
from service.legacy.records import Task
from service.legacy.records.rows import TaskRow, task_row
from service.legacy.records.tasks import Zone, read_task
from service.legacy.source import LegacyRedis, reading
from service.legacy.source.reading import ReaderLost, many_rows, many_tasks
from tests.legacy.sample import Sample, generate
from tests.service.legacy.moves import PREFIX, Old, compare, move

ZONE = Zone("UTC", UTC)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def source(old: Old, monkeypatch: pytest.MonkeyPatch) -> Iterator[LegacyRedis]:
    """A few hundred tasks, some broken, one with a number and nesting beyond all measure, read as if they were many."""
    monkeypatch.setattr(reading, "MANY", 0)
    generate(old.redis, Sample(tasks=300, users=10))
    data = msgspec.json.encode(
        {"mode": "HEAD_SWAP", "source_image": "file_a", "user_id": "usr_a", "config": {"seed": "BEYOND", "a": "DEEP"}}
    )
    data = data.replace(b'"BEYOND"', b"123456789012345678901234567890").replace(b'"DEEP"', b"[" * 970 + b"]" * 970)
    old.redis.hset(f"{PREFIX}task:data:task_beyond", mapping={"status": "done", "data": data})
    opened = LegacyRedis(old.url, PREFIX, batch=50)
    yield opened
    opened.close()


async def test_it_tells_what_is_read_without_it(source: LegacyRedis) -> None:
    raws = [raw for batch in source.tasks() for raw in batch]
    tasks = [task async for batch in many_tasks(source, ZONE) for task in batch]
    assert tasks == [read_task(raw, ZONE) for raw in raws]
    assert 123456789012345678901234567890 in [task.config.get("seed") for task in tasks if isinstance(task, Task)]
    rows = [row async for batch in many_rows(source, ZONE, NOW) for row in batch]
    assert len(rows) == len(raws)
    for row, task, raw in zip(rows, tasks, raws, strict=True):
        if not isinstance(row, TaskRow):
            assert row == task
            continue
        assert not isinstance(task, reading.Unreadable)
        expected = task_row(task, raw.fields, None, now=NOW)
        # When the old Redis forgets it was looked up a moment earlier.
        assert row.row[:-2] + row.row[-1:] == expected.row[:-2] + expected.row[-1:]
        assert msgspec.structs.replace(row, line=expected.line) == expected


async def test_a_move_with_it_is_a_move(connection: Connection, old: Old, source: LegacyRedis) -> None:
    moved = await move(connection, old)
    assert moved.summary["tasks"]["seen"] == sum(len(batch) for batch in source.tasks()) > 200
    assert (await compare(connection, old)).summary["equal"]


async def test_its_end_is_told(source: LegacyRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def recorded(*command: str, **options: Any) -> asyncio.subprocess.Process:
        started.append(await start(*command, **options))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", recorded)
    # So that it is in the middle of its work: more than the pipe holds is to come.
    monkeypatch.setattr(reading, "READ_AHEAD", 1 << 10)
    batches = many_rows(source, ZONE, NOW)
    await anext(batches)
    started[0].kill()
    with pytest.raises(ReaderLost):
        async for _ in batches:
            pass


async def test_nobody_but_who_waits_looks_whether_it_has_ended(
    source: LegacyRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else that one complains on stderr, now and then."""
    asked = Mock(return_value=None)
    monkeypatch.setattr(subprocess.Popen, "poll", asked)
    async for _ in many_rows(source, ZONE, NOW):
        pass
    async with aclosing(many_rows(source, ZONE, NOW)) as batches:
        await anext(batches)
    assert not asked.called


async def test_it_hands_on_what_the_old_redis_says(source: LegacyRedis) -> None:
    source.url = source.url.replace("redis://", "redis://nobody:wrong@")
    with pytest.raises(redis.AuthenticationError):
        await anext(many_rows(source, ZONE, NOW))
