"""What waits for a reader is bounded; histories last as long as they are needed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import ValidationError
from msgspec.structs import replace

from schema.messages import Change, decode_change, encode_change
from schema.models.tasks import TaskRecord, TaskStatus
from service.accounts.users import erase_user
from service.database import Connection, Pool
from service.event_urls import EventUrls
from service.files.storage import Storage
from service.files.urls import FileUrls
from service.presenting import Presenter
from service.queue import Queue
from service.tasks import store
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from service.tasks.line import Line
from service.tasks.retention import sweep_histories
from service.tasks.stream import MOST_BYTES, MOST_WAITING, Stream, Told
from service.tasks.streaming import Streams
from service.tasks.watching import News
from tests import lives

AT_ONCE = 0.01


def told(seq: int, *, task_id: str = "task", is_progress: bool = False, size: int = 10) -> Told:
    return Told(task_id, seq, seq, TaskStatus.PROCESSING, is_progress, b"x" * size)


async def test_statuses_come_in_order_and_of_progress_the_latest() -> None:
    stream = Stream("somebody", None)
    for one in (told(1), told(0, is_progress=True), told(2), told(0, is_progress=True), told(0, is_progress=True)):
        stream.put(one)
    stream.put(told(0, task_id="another", is_progress=True))
    received = [await stream.next(AT_ONCE) for _ in range(4)]
    assert [(one.seq, one.is_progress, one.task_id) for one in received if one] == [
        (1, False, "task"),
        (2, False, "task"),
        (0, True, "task"),
        (0, True, "another"),
    ]
    assert await stream.next(AT_ONCE) is None


async def test_a_status_makes_earlier_progress_needless() -> None:
    stream = Stream("somebody", "task")
    stream.put(told(0, is_progress=True))
    stream.put(told(3))
    stream.put(told(4, task_id="of another stream"))
    assert await stream.next(AT_ONCE) == told(3)
    assert await stream.next(AT_ONCE) is None


async def test_progress_that_was_read_before_what_is_told_already_is_not_told() -> None:
    """A look reads progress first, and statuses with the progress of that moment afterwards."""
    stream = Stream("somebody", None)

    def at(claim: int, progress: int, status: TaskStatus | None = None) -> Told:
        return Told("task", 0, 0, status or TaskStatus.PROCESSING, status is None, b"x", (claim, progress))

    stream.note(at(1, 12, TaskStatus.PROCESSING))
    received: list[tuple[int, int]] = []
    for one in (at(1, 0), at(1, 12), at(1, 20), at(1, 0, TaskStatus.PENDING), at(1, 15), at(2, 0), at(1, 30)):
        stream.put(one)
        received += [given.stage for given in [await stream.next(AT_ONCE)] if given]
    assert received == [(1, 12), (1, 20), (1, 0), (2, 0)]


@pytest.mark.parametrize(("number", "size"), [(MOST_WAITING + 1, 10), (11, MOST_BYTES // 10)])
async def test_a_reader_too_far_behind_is_let_go(number: int, size: int) -> None:
    stream = Stream("somebody", None)
    for seq in range(number):
        assert not stream.closed
        stream.put(told(seq, size=size))
    assert stream.closed
    assert await stream.next(AT_ONCE) is None


async def test_who_keeps_up_may_be_told_any_number() -> None:
    stream = Stream("somebody", None)
    for seq in range(2 * MOST_WAITING):
        stream.put(told(seq, size=MOST_BYTES // 10))
        assert await stream.next(AT_ONCE) is not None
    assert not stream.closed


@pytest.mark.parametrize(
    "change",
    [
        Change("task_1", TaskStatus.DONE, "usr_1"),
        Change("task_1", TaskStatus.PENDING, None),
        Change("task_1", None, "usr_1"),
    ],
)
def test_a_change_is_understood(change: Change) -> None:
    assert decode_change(encode_change(change)) == change


@pytest.mark.parametrize("body", ["", "task_1", "task_1 gone usr_1", " ", "\ufffd"])
def test_what_is_no_change_is_passed_over(body: str) -> None:
    assert decode_change(body) is None


async def test_the_history_of_a_deleted_task_is_kept_for_a_day(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    kept, gone = [(await lives.create(connection, user_id)).task_id for _ in range(2)]
    await lives.cancel(pool, user_id, gone)
    await store.delete_task(connection, user_id, gone)
    await sweep_histories(pool, limit=1)
    assert len(await store.events_of_task(connection, user_id, gone)) == 2
    await connection.execute("UPDATE event_removals SET gone_at = $1", datetime.now(UTC) - timedelta(hours=25))
    await sweep_histories(pool, limit=1)
    assert await store.events_of_task(connection, user_id, gone) == []
    assert len(await store.events_of_task(connection, user_id, kept)) == 1
    assert await connection.fetchval("SELECT count(*) FROM event_removals") == 0


async def test_an_erased_users_histories_go_with_them(connection: Connection) -> None:
    user_id, other = await lives.add_user(connection), await lives.add_user(connection)
    for somebody in (user_id, other):
        await lives.create(connection, somebody)
    await erase_user(connection, user_id)
    assert await connection.fetch("SELECT DISTINCT user_id FROM task_events") == [(other,)]


async def test_a_stream_that_begins_anew_tells_no_status_after_a_later_one(
    pool: Pool, connection: Connection, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens between the placing of events and the look at tasks has no place yet, and gets one."""
    user_id = await lives.add_user(connection)
    present = Presenter(FileUrls(["key"], None, Storage.open(tmp_path.as_uri())), EventUrls(["key"], None))
    streams = Streams(pool, News(queue), present, Deadlines(pool, Dispatcher(pool, queue)), Line(pool))
    unfinished = store.unfinished

    async def after_a_claim(connection: Connection, user_id: str) -> list[store.Unfinished]:
        await lives.create(connection, user_id)
        await lives.claim(pool)
        return await unfinished(connection, user_id)

    monkeypatch.setattr("service.tasks.streaming.store.unfinished", after_a_claim)
    await streams.start()
    stream = streams.of_user(user_id, None)
    assert await anext(stream) is None
    first = await anext(stream)
    assert first is not None
    await lives.cancel(pool, user_id, first.task_id)
    last = await anext(stream)
    assert last is not None
    assert [(first.seq, first.status), (last.seq, last.status)] == [
        (2, TaskStatus.PROCESSING),
        (3, TaskStatus.CANCELLED),
    ]
    await streams.close()
    await stream.aclose()


async def test_a_task_that_the_older_system_works_on_is_told_and_is_given_signs_of_life(
    pool: Pool, connection: Connection, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or a client that hears nothing for long takes the stream for dead."""
    task = await lives.create(connection, await lives.add_user(connection))
    present = Presenter(FileUrls(["key"], None, Storage.open(tmp_path.as_uri())), EventUrls(["key"], None))
    streams = Streams(pool, News(queue), present, Deadlines(pool, Dispatcher(pool, queue)), Line(pool))
    running, cancelled = TaskStatus.PROCESSING, TaskStatus.CANCELLED
    becomes = iter([(running, 0), (running, 0), (running, 40), (cancelled, 40)])

    async def look() -> TaskRecord:
        status, progress = next(becomes)
        return replace(task, status=status, progress=progress)

    monkeypatch.setattr("service.tasks.streaming.LOOK_EVERY", AT_ONCE)
    monkeypatch.setattr("service.tasks.streaming.QUIET_SECONDS", 0.0)
    told = [one and (one.status, one.is_progress) async for one in streams.of_older_task(task, look)]
    assert told == [
        None,
        (TaskStatus.PENDING, False),
        (running, False),
        None,
        (running, True),
        (cancelled, False),
    ]


async def test_what_is_wrong_with_one_users_tasks_keeps_nobody_elses_stream_silent(
    pool: Pool, connection: Connection, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = Presenter(FileUrls(["key"], None, Storage.open(tmp_path.as_uri())), EventUrls(["key"], None))
    streams = Streams(pool, News(queue), present, Deadlines(pool, Dispatcher(pool, queue)), Line(pool))
    users = [await lives.add_user(connection) for _ in range(3)]
    tasks = [(await lives.create(connection, user_id)).task_id for user_id in users]
    opened = [streams.of_user(user_id, None) for user_id in users]
    for stream in opened:
        assert [one and one.status for one in [await anext(stream), await anext(stream)]] == [None, TaskStatus.PENDING]
    as_they_are = store.tasks_as_they_are

    async def with_a_bad_row(connection: Connection, task_ids: Sequence[str]) -> dict[str, TaskRecord]:
        if tasks[0] in task_ids:
            raise ValidationError("Expected `str`, got `int` - at `$.error.message`")
        return await as_they_are(connection, task_ids)

    monkeypatch.setattr("service.tasks.streaming.store.tasks_as_they_are", with_a_bad_row)
    for user_id, task_id in zip(users, tasks, strict=True):
        await lives.cancel(pool, user_id, task_id)
    await streams.start()
    async with asyncio.timeout(10):
        told = [await anext(stream) for stream in opened[1:]]
    assert [one and one.status for one in told] == [TaskStatus.CANCELLED] * 2
    await streams.close()
    for stream in opened:
        await stream.aclose()


async def test_places_follow_each_tasks_order_and_are_given_once(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    for _ in range(3):
        await lives.create(connection, user_id)
    held = await lives.claim(pool)
    await store.place_events(connection, [user_id])
    first = await store.events_since(connection, [(user_id, 0)], limit=10)
    await lives.cancel(pool, user_id, held.task_id)
    await store.place_events(connection, [user_id])
    await store.place_events(connection, [user_id])
    then = await store.events_since(connection, [(user_id, 0)], limit=10)
    assert then[:4] == first
    assert [(event.task_id, event.status) for event in then[4:]] == [(held.task_id, TaskStatus.CANCELLED)]
    of_one = [event.seq for event in then if event.task_id == held.task_id]
    assert of_one == [1, 2, 3]
    # None of them is anybody else's.
    stranger = await lives.add_user(connection)
    assert await store.place_of(connection, user_id, held.task_id, 1) is not None
    assert await store.place_of(connection, stranger, held.task_id, 1) is None
    assert await store.events_of_task(connection, stranger, held.task_id) == []


@pytest.mark.parametrize("at_once", [1, 1000])
@pytest.mark.parametrize("asked_before", [True, False], ids=["by a stream", "by nobody"])
async def test_who_resumes_after_hours_is_told_all_that_came_meanwhile(
    pool: Pool, connection: Connection, monkeypatch: pytest.MonkeyPatch, at_once: int, asked_before: bool
) -> None:
    """Also from the id that a webhook or a timeline told, which had no place in any stream."""
    monkeypatch.setattr("service.tasks.store.events.PLACED_AT_ONCE", at_once)
    user_id = await lives.add_user(connection)
    ended, running = [(await lives.create(connection, user_id)).task_id for _ in range(2)]
    if asked_before:
        await store.place_events(connection, [user_id])
    await lives.cancel(pool, user_id, ended)
    await lives.claim(pool)
    await connection.execute("UPDATE task_events SET at = at - interval '5 hours'")
    # Another of the user's streams begins anew, and sees only how all of it ended.
    await store.place_events(connection, [user_id])
    await lives.cancel(pool, user_id, running)
    await store.place_events(connection, [user_id], resumed=(ended, 1))
    place = await store.place_of(connection, user_id, ended, 1)
    assert place is not None
    told = await store.events_since(connection, [(user_id, place)], limit=10)
    assert [event.seq for event in told if event.task_id == ended] == [2]
    assert [event.seq for event in told if event.task_id == running] == [1, 2, 3]


async def test_a_place_brings_those_of_the_tasks_earlier_events_along(pool: Pool, connection: Connection) -> None:
    """A task that waited for hours, while nobody listened, begins and ends: each stream has its statuses in order."""
    user_id = await lives.add_user(connection)
    task_id = (await lives.create(connection, user_id)).task_id
    await connection.execute("UPDATE task_events SET at = at - interval '5 hours'")
    await lives.cancel(pool, user_id, task_id)
    await store.place_events(connection, [user_id])
    told = await store.events_since(connection, [(user_id, 0)], limit=10)
    assert [event.seq for event in told] == [1, 2]


async def test_an_event_that_a_later_one_of_its_task_went_before_is_not_told_after_it(
    pool: Pool, connection: Connection
) -> None:
    user_id = await lives.add_user(connection)
    first, task_id = [(await lives.create(connection, user_id)).task_id for _ in range(2)]
    await lives.cancel(pool, user_id, task_id)
    await connection.execute("UPDATE task_events SET place = 7 WHERE task_id = $1 AND seq = 2", task_id)
    await store.place_events(connection, [user_id], resumed=(first, 1))
    told = await store.events_since(connection, [(user_id, 0)], limit=10)
    assert {event.task_id: event.seq for event in told} == {first: 1, task_id: 2}


async def test_a_look_at_events_reads_none_of_a_long_history(connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO task_events (task_id, seq, user_id, status, attempt, at, place) "
        "SELECT 'task_' || n, 1, 'somebody', 'pending', 0, now(), n FROM generate_series(1, 20000) AS n"
    )
    await connection.execute("ANALYZE task_events")
    await connection.execute(
        "INSERT INTO task_events (task_id, seq, user_id, status, attempt, at) "
        "SELECT 'task_new', seq, 'anybody', 'pending', 0, now() - seq * interval '1 s' FROM generate_series(1, 2) seq"
    )
    async with connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await store.place_events(connection, ["somebody", "anybody"])
        assert await store.place_of(connection, "anybody", "task_new", 2) is not None
        assert await connection.fetchval("SELECT pg_stat_get_xact_tuples_returned('task_events'::regclass)") == 0
    async with connection.transaction():
        events = await store.events_since(connection, [("somebody", 19_990), ("nobody", 0)], limit=500)
        assert [event.place for event in events] == list(range(19_991, 20_001))
        assert await connection.fetchval("SELECT pg_stat_get_xact_tuples_returned('task_events'::regclass)") == 0
