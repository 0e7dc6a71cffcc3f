"""An engine with so many places has no more jobs of an installation, however many workers follow them."""

import asyncio

import pytest

from schema.models.edits import Mode
from schema.models.engines import RemoteJob
from service.database import Connection, Pool
from service.tasks import lifecycle
from service.tasks.remote_jobs import JobNotes, NoPlace
from tests import lives

JOB = RemoteJob("runninghub", "there")
AT_MOST = 2


async def _noting(connection: Connection, pool: Pool, user_id: str, number: int) -> JobNotes:
    """An attempt's notes."""
    task = await lives.create(connection, user_id)
    taken = await lifecycle.claim(pool, task.task_id, worker_id=f"w{number}/1", modes=frozenset(Mode))
    assert taken.claim is not None
    return JobNotes(pool, taken.claim)


async def test_jobs_noted_at_once_by_many_workers_are_as_many_as_there_are_places(
    connection: Connection, pool: Pool
) -> None:
    user_id = await lives.add_user(connection)
    notes = [await _noting(connection, pool, user_id, number) for number in range(6)]
    noting = (one.begun(JOB, started=False, at_most=AT_MOST) for one in notes)
    told = await asyncio.gather(*noting, return_exceptions=True)
    begun = [one for one, answer in zip(notes, told, strict=True) if answer is True]
    waiting = [one for one, answer in zip(notes, told, strict=True) if isinstance(answer, NoPlace)]
    assert (len(begun), len(waiting)) == (AT_MOST, 6 - AT_MOST)
    with pytest.raises(NoPlace):
        await waiting[0].demand_place("runninghub", AT_MOST)
    await waiting[0].demand_place("comfyui", AT_MOST)
    await begun[0].over()
    await waiting[0].demand_place("runninghub", AT_MOST)
    assert await waiting[0].begun(JOB, started=False, at_most=AT_MOST)
    # Its own doesn't count against it.
    assert await waiting[0].begun(JOB, started=True, at_most=AT_MOST)


async def test_what_nobody_saw_start_holds_its_place_as_long_as_its_attempt(connection: Connection, pool: Pool) -> None:
    user_id = await lives.add_user(connection)
    unseen, seen, next_one = [await _noting(connection, pool, user_id, number) for number in range(3)]
    assert await unseen.begun(RemoteJob("runninghub", "there"), started=False, at_most=AT_MOST)
    assert await seen.begun(JOB, started=True, at_most=AT_MOST)
    with pytest.raises(NoPlace):
        await next_one.demand_place("runninghub", AT_MOST)
    await connection.execute("UPDATE remote_jobs SET job_id = CASE WHEN started_at IS NULL THEN NULL ELSE 'job' END")
    with pytest.raises(NoPlace):
        await next_one.demand_place("runninghub", AT_MOST)
    await connection.execute("UPDATE tasks SET lease_token = lease_token + 1")
    await next_one.demand_place("runninghub", AT_MOST)
    with pytest.raises(NoPlace):
        await next_one.demand_place("runninghub", 1)
