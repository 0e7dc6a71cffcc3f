"""Streams and timelines: every status, in order, also after a reconnect, and for nobody else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import Struct

from schema.messages import Change
from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool, open_pool
from service.database.installation import redis_keys
from service.http.controllers.events import messages
from service.queue import Queue
from service.refusals import Refused
from service.settings import Settings
from service.tasks import lifecycle
from service.tasks.stream import Told
from tests import lives
from tests.factories import add_task
from tests.service.http.conftest import Fragile, NewUser
from tests.service.http.serving import API, User, problem

WITHIN = 20.0


class Event(Struct, frozen=True):
    """One event as a client sees it."""

    kind: str
    id: str
    task: dict[str, Any]

    @property
    def status(self) -> str:
        return self.task["status"]


class Reader:
    """What comes on an open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> Event | None:
        """The next event; None at the stream's end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(WITHIN):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif "data" in fields:
                    return Event(fields["event"], fields["id"], msgspec.json.decode(fields["data"]))
        return None

    async def next_status(self) -> Event:
        while (event := await self.next()) is not None:
            if event.kind == "status":
                return event
        raise AssertionError("the stream has ended")

    async def statuses(self) -> list[Event]:
        """Every status up to the stream's end."""
        told: list[Event] = []
        while (event := await self.next()) is not None:
            if event.kind == "status":
                told.append(event)
        return told


@asynccontextmanager
async def reading(client: httpx.AsyncClient, path: str, after: str | None = None) -> AsyncGenerator[Reader]:
    headers = {"Last-Event-ID": after} if after else {}
    async with client.stream("GET", path, headers=headers, timeout=WITHIN) as answer:
        assert answer.status_code == 200
        yield Reader(answer)


@pytest.fixture
async def pool(http_settings: Settings) -> AsyncGenerator[Pool]:
    """The APIs' database, for what workers do."""
    opened = await open_pool(http_settings)
    yield opened
    await opened.close()


async def claimed(pool: Pool, task_id: str) -> lifecycle.Claim:
    """This task, whoever else waits here."""
    async with pool.acquire() as connection:
        await connection.execute(
            "UPDATE tasks SET status = 'processing', attempts = attempts + 1, lease_token = lease_token + 1,"
            " lease_expires_at = now() + interval '1 hour', worker_id = 'w', started_at = now(), updated_at = now()"
            " WHERE task_id = $1 AND status = 'pending'",
            task_id,
        )
    return lifecycle.Claim(await lives.get(pool, task_id))


async def test_a_stream_tells_every_status_and_ends_with_the_task(
    user: User, pool: Pool, anonymous: httpx.AsyncClient
) -> None:
    task = await user.task()
    path = task["events_url"]
    async with reading(anonymous, path) as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["x-accel-buffering"] == "no"
        first = await stream.next_status()
        assert (first.status, first.task["task_id"]) == ("pending", task["task_id"])
        held = await claimed(pool, task["task_id"])
        assert (await stream.next_status()).status == "processing"
        await lifecycle.complete_task(pool, held, lives.a_result(), [])
        (last,) = await stream.statuses()
    assert last.status == "done"
    assert last.task["result"]["output_file_id"]
    ended = await anonymous.get(path, headers={"Last-Event-ID": last.id})
    assert (ended.status_code, ended.content) == (204, b"")
    async with reading(anonymous, path) as stream:
        assert [event.id for event in await stream.statuses()] == [last.id]
    timeline = (await user.http.get(f"{API}/tasks/{task['task_id']}/timeline")).json()["events"]
    assert [event["status"] for event in timeline] == ["pending", "processing", "done"]
    assert (timeline[0]["id"], timeline[-1]["id"]) == (first.id, last.id)


async def test_who_comes_back_is_told_each_status_as_it_was(user: User, pool: Pool) -> None:
    task_id = (await user.task())["task_id"]
    path = f"{API}/tasks/{task_id}/events"
    async with reading(user.http, path) as stream:
        first = await stream.next_status()
    await lifecycle.give_back(pool, await claimed(pool, task_id))
    held = await claimed(pool, task_id)
    await lifecycle.fail_task(pool, held, lives.FAILURE)
    async with reading(user.http, path, first.id) as stream:
        told = await stream.statuses()
    assert [event.status for event in told] == ["processing", "pending", "processing", "failed"]
    assert [event.task["error"] is None for event in told] == [True, True, True, False]
    assert [event.task["credits_refunded"] for event in told[:-1]] == [0, 0, 0]
    timeline = (await user.http.get(f"{API}/tasks/{task_id}/timeline")).json()["events"]
    assert [event["id"] for event in timeline[1:]] == [event.id for event in told]
    assert timeline[2]["note"] == lifecycle.SHUT_DOWN
    assert (timeline[4]["code"], timeline[4]["note"]) == (lives.FAILURE.code, lives.FAILURE.message)


async def test_progress_is_told_and_names_the_status_to_resume_from(user: User, pool: Pool, redis_queue: Queue) -> None:
    task_id = (await user.task())["task_id"]
    held = await claimed(pool, task_id)
    async with reading(user.http, f"{API}/tasks/events") as stream:
        status = await stream.next_status()
        assert await lifecycle.update_task_progress(pool, held, 40, "cutting out")
        await redis_queue.tell_changes([Change(task_id, None, user.user_id)])
        event = await stream.next()
    assert event is not None
    assert (event.kind, event.id) == ("progress", status.id)
    assert (event.task["progress"], event.task["current_step"]) == (40, "cutting out")


@pytest.fixture
async def redis_queue(http_settings: Settings, db: Connection) -> AsyncGenerator[Queue]:
    """Redis under the keys of these APIs."""
    opened = Queue(http_settings.redis_url, await redis_keys(db, http_settings))
    yield opened
    await opened.close()


async def test_a_users_stream_begins_with_what_is_unfinished_and_goes_on(
    user: User, new_user: NewUser, db: Connection, pool: Pool, anonymous: httpx.AsyncClient
) -> None:
    await add_task(db, user.user_id, TaskStatus.DONE)
    waiting, running = [(await user.task())["task_id"] for _ in range(2)]
    held = await claimed(pool, running)
    somebody = await new_user()
    await somebody.task()
    path = (await user.http.get(f"{API}/me")).json()["events_url"]
    async with reading(anonymous, path) as stream:
        begun = [await stream.next_status() for _ in range(2)]
        assert {(event.task["task_id"], event.status) for event in begun} == {
            (waiting, "pending"),
            (running, "processing"),
        }
        await lifecycle.complete_task(pool, held, lives.a_result(), [])
        done = await stream.next_status()
        assert (done.task["task_id"], done.status) == (running, "done")
    await user.http.post(f"{API}/tasks/{waiting}/cancel")
    new = await user.task()
    async with reading(anonymous, path, done.id) as stream:
        told = [await stream.next_status() for _ in range(2)]
    assert [(event.task["task_id"], event.status) for event in told] == [
        (waiting, "cancelled"),
        (new["task_id"], "pending"),
    ]


async def test_what_becomes_visible_late_is_told_all_the_same(user: User, pool: Pool) -> None:
    """A transaction that took its number first and committed last: whoever resumes behind the other misses nothing."""
    late, early = [(await user.task())["task_id"] for _ in range(2)]
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(
            "UPDATE tasks SET status = 'cancelled', cancelled_at = clock_timestamp(), credits_refunded = 30"
            " WHERE task_id = $1",
            late,
        )
        async with reading(user.http, f"{API}/tasks/events") as stream:
            for _ in range(2):
                await stream.next_status()
            await user.http.post(f"{API}/tasks/{early}/cancel")
            last = await stream.next_status()
            assert last.task["task_id"] == early
            await transaction.commit()
            live = await stream.next_status()
    async with reading(user.http, f"{API}/tasks/events", last.id) as stream:
        resumed = await stream.next_status()
    assert resumed.task["task_id"] == live.task["task_id"] == late
    assert resumed.id == live.id


async def test_a_deleted_tasks_event_is_still_a_place_to_resume_from(user: User) -> None:
    gone, other = [(await user.task())["task_id"] for _ in range(2)]
    async with reading(user.http, f"{API}/tasks/events") as stream:
        for _ in range(2):
            await stream.next_status()
        await user.http.post(f"{API}/tasks/{gone}/cancel")
        last = await stream.next_status()
    assert (await user.http.delete(f"{API}/tasks/{gone}")).status_code == 204
    await user.http.post(f"{API}/tasks/{other}/cancel")
    async with reading(user.http, f"{API}/tasks/events", last.id) as stream:
        told = await stream.next_status()
    assert (told.task["task_id"], told.status) == (other, "cancelled")


@pytest.mark.parametrize("last_event_id", ["nonsense", "task_of_nobody.3", "." * 300, "0"])
async def test_an_unknown_place_begins_anew(user: User, last_event_id: str) -> None:
    task = await user.task()
    async with reading(user.http, f"{API}/tasks/events", last_event_id) as stream:
        assert (await stream.next_status()).task["task_id"] == task["task_id"]
    async with reading(user.http, f"{API}/tasks/{task['task_id']}/events", last_event_id) as stream:
        assert (await stream.next_status()).status == "pending"


async def test_an_event_that_a_task_never_had_is_unknown_too(user: User) -> None:
    """A backup was brought back, perhaps: who had seen more is told how the task is, and its end."""
    task_id = (await user.task())["task_id"]
    path = f"{API}/tasks/{task_id}/events"
    async with reading(user.http, path, f"{task_id}.7") as stream:
        assert (await stream.next_status()).status == "pending"
        await user.http.post(f"{API}/tasks/{task_id}/cancel")
        assert [event.status for event in await stream.statuses()] == ["cancelled"]
    async with reading(user.http, path, f"{task_id}.7") as stream:
        assert [event.status for event in await stream.statuses()] == ["cancelled"]


async def test_streams_are_their_owners_alone(
    user: User, new_user: NewUser, db: Connection, anonymous: httpx.AsyncClient
) -> None:
    task = await user.task()
    theirs = (await new_user()).http
    stream, timeline = (f"{API}/tasks/{task['task_id']}/{name}" for name in ("events", "timeline"))
    for path in (stream, timeline):
        problem(await theirs.get(path), Code.TASK_NOT_FOUND, 404)
        problem(await anonymous.get(path), Code.UNAUTHORIZED, 401)
    problem(await anonymous.get(f"{API}/tasks/events"), Code.UNAUTHORIZED, 401)
    everything = (await user.http.get(f"{API}/me")).json()["events_url"]
    query = everything.partition("?")[2].partition("&")[2]
    for forged in (
        f"{stream}?{query}",
        f"{API}/tasks/events?user={user.user_id}&{task['events_url'].partition('?')[2]}",
        f"{API}/tasks/events?user=somebody&{query}",
        f"{API}/tasks/events?{query}",
    ):
        problem(await anonymous.get(forged), Code.FORBIDDEN, 403)
    await db.execute("UPDATE users SET is_active = false WHERE user_id = $1", user.user_id)
    problem(await anonymous.get(everything), Code.FORBIDDEN, 403)
    problem(await anonymous.get(task["events_url"]), Code.TASK_NOT_FOUND, 404)


async def test_nothing_is_lost_with_redis(new_user: NewUser, fragile: Fragile) -> None:
    user = await new_user(fragile.api)
    task_id = (await user.task())["task_id"]
    async with reading(user.http, f"{API}/tasks/events") as stream:
        await stream.next_status()
        fragile.redis.shut()
        await user.http.post(f"{API}/tasks/{task_id}/cancel")
        assert (await stream.next_status()).status == "cancelled"


async def test_head_of_a_stream_ends(user: User) -> None:
    await user.task()
    answer = await user.http.head(f"{API}/tasks/events")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("error", [ConnectionRefusedError(), Refused(Code.TASK_NOT_FOUND, "It is gone.")])
async def test_a_stream_whose_database_goes_or_its_task_ends_and_is_no_error(error: Exception) -> None:
    async def told() -> AsyncGenerator[Told | None]:
        yield None
        raise error

    assert [message.comment async for message in messages(told(), None)] == ["still here"]
