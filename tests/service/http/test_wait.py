"""?wait=N and Prefer: wait=N: the answer comes when the task has ended, or when the time is over."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.database import Connection
from service.settings import Settings
from tests.factories import add_task
from tests.service.http.conftest import Fragile, NewUser
from tests.service.http.looking import eventually
from tests.service.http.serving import API, User, fields_of, problem, serving

AT_ONCE = 0.8
"""Seconds: a wake-up, on a busy machine; less than the second after which a waiting process looks by itself."""


async def end(db: Connection, task_id: str) -> None:
    """What a worker's outcome leaves in the database, without a word to anybody."""
    await db.execute(
        "UPDATE tasks SET status = 'failed', failed_at = now(), error = $2 WHERE task_id = $1",
        task_id,
        {"code": "NO_PERSON_DETECTED", "message": "Nobody there."},
    )


async def test_an_ended_task_is_answered_at_once(user: User, db: Connection) -> None:
    record = await add_task(db, user.user_id, TaskStatus.DONE)
    started = time.monotonic()
    answer = await user.http.get(f"{API}/tasks/{record.task_id}", params={"wait": 60})
    assert (answer.status_code, answer.json()["status"]) == (200, "done")
    assert time.monotonic() - started < AT_ONCE


async def test_the_state_so_far_is_answered_when_the_time_is_over(user: User, db: Connection) -> None:
    record = await add_task(db, user.user_id, TaskStatus.PROCESSING)
    started = time.monotonic()
    answer = await user.http.get(f"{API}/tasks/{record.task_id}", params={"wait": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, "processing")
    assert 1 <= time.monotonic() - started < 3


async def test_a_cancel_from_elsewhere_is_answered_at_once(user: User) -> None:
    """Several times, so that no moment without a subscription stays hidden; once the machine may be busy."""
    delays: list[float] = []
    for _ in range(4):
        task = await user.task()
        path = f"{API}/tasks/{task['task_id']}"
        waiting = asyncio.create_task(user.http.get(path, params={"wait": 30}))
        done, _ = await asyncio.wait([waiting], timeout=0.6)
        assert not done
        started = time.monotonic()
        assert (await user.http.post(f"{path}/cancel")).status_code == 200
        assert (await waiting).json()["status"] == "cancelled"
        delays.append(time.monotonic() - started)
    assert sorted(delays)[-2] < 0.3


async def test_an_end_that_nobody_tells_is_found(user: User, db: Connection) -> None:
    task = await user.task()
    waiting = asyncio.create_task(user.http.get(f"{API}/tasks/{task['task_id']}", params={"wait": 30}))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await end(db, task["task_id"])
    started = time.monotonic()
    assert (await waiting).json()["status"] == "failed"
    assert time.monotonic() - started < 3


async def test_without_redis_a_wait_still_ends_with_its_task(
    new_user: NewUser, fragile: Fragile, db: Connection
) -> None:
    user = await new_user(fragile.api)
    task = await user.task()
    fragile.redis.shut()
    started = time.monotonic()
    waiting = asyncio.create_task(user.http.get(f"{API}/tasks/{task['task_id']}", params={"wait": 30}))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await end(db, task["task_id"])
    assert (await waiting).json()["status"] == "failed"
    assert time.monotonic() - started < 10


async def test_a_create_may_wait_for_the_end(user: User, db: Connection) -> None:
    await user.photo()
    creating = asyncio.create_task(user.create({"Prefer": "respond-async, wait=30"}))

    async def created() -> bool:
        return await db.fetchval("SELECT count(*) FROM tasks WHERE user_id = $1", user.user_id) == 1

    await eventually(created, "the task")
    assert not creating.done()
    await end(db, await db.fetchval("SELECT task_id FROM tasks WHERE user_id = $1", user.user_id))
    answer = await creating
    assert (answer.status_code, answer.json()["status"]) == (201, "failed")
    assert answer.headers["preference-applied"] == "wait=30"


async def test_a_create_waits_as_long_as_it_was_asked(user: User) -> None:
    await user.photo()
    started = time.monotonic()
    answer = await user.create({"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (201, "pending")
    assert 1 <= time.monotonic() - started < 3


@pytest.mark.parametrize(
    "preferences",
    [["respond-async", "wait=1"], ["wait=1", "handling=lenient"], ['wait="1"'], ["respond-async;x=y , WAIT = 1"]],
)
async def test_preferences_come_in_one_line_or_in_several_quoted_or_not(user: User, preferences: list[str]) -> None:
    """RFC 7240 has both."""
    body = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    headers = [("Prefer", preference) for preference in preferences]
    answer = await user.http.post(f"{API}/tasks", json=body, headers=headers)
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=1")


@pytest.mark.parametrize("preference", ["wait=0", "wait=61", "wait=x", "wait=-1", "wait=1.5", "wait", "await=5", ""])
async def test_another_preference_is_ignored(user: User, preference: str) -> None:
    await user.photo()
    started = time.monotonic()
    answer = await user.create({"Prefer": preference})
    assert answer.status_code == 201
    assert "preference-applied" not in answer.headers
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("wait", ["61", "-1", "x", "1.5", "", "9" * 50])
async def test_a_bad_wait_is_400(user: User, wait: str) -> None:
    answer = await user.http.get(f"{API}/tasks/task_a", params={"wait": wait})
    assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["wait"]


async def test_hanging_up_cancels_nothing(user: User, db: Connection) -> None:
    await user.photo()
    with pytest.raises(httpx.ReadTimeout):
        await user.http.post(
            f"{API}/tasks",
            json={"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()},
            headers={"Prefer": "wait=30"},
            timeout=0.3,
        )
    assert await db.fetchval("SELECT status FROM tasks WHERE user_id = $1", user.user_id) == "pending"


async def test_a_task_deleted_meanwhile_is_404(user: User, db: Connection) -> None:
    task = await user.task()
    waiting = asyncio.create_task(user.http.get(f"{API}/tasks/{task['task_id']}", params={"wait": 30}))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await db.execute("DELETE FROM tasks WHERE task_id = $1", task["task_id"])
    problem(await waiting, Code.TASK_NOT_FOUND, 404)


async def test_sigterm_answers_waits_at_once_and_ends_with_0(
    new_user: NewUser, http_settings: Settings, tmp_path: Path
) -> None:
    with serving(http_settings, tmp_path / "api.log") as api:
        user = await new_user(api)
        tasks = [await user.task() for _ in range(3)]
        waits = [
            asyncio.create_task(user.http.get(f"{API}/tasks/{task['task_id']}", params={"wait": 60})) for task in tasks
        ]
        await user.photo()
        waits.append(asyncio.create_task(user.create({"Prefer": "wait=60"})))
        streams = [asyncio.create_task(user.http.get(f"{API}/tasks/{tasks[0]['task_id']}/events")) for _ in range(2)]
        streams.append(asyncio.create_task(user.http.get(f"{API}/tasks/events")))
        done, _ = await asyncio.wait([*waits, *streams], timeout=0.5)
        assert not done
        started = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*waits)
        assert time.monotonic() - started < 2
        assert [answer.status_code for answer in answers] == [200, 200, 200, 201]
        assert {answer.json()["status"] for answer in answers} == {"pending"}
        ended = await asyncio.gather(*streams)
        assert all(b"event: status" in answer.content for answer in ended)
        assert await asyncio.to_thread(api.process.wait, 10) == 0
        assert time.monotonic() - started < 10
    assert "Traceback" not in api.log.read_text()
