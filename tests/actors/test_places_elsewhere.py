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


async def test_jobs_noted_at_once_by_many_workers_are_as_many_as_there_are_places(
    connection: Connection, pool: Pool
) -> None:
    user_id = await lives.add_user(connection)
    notes: list[JobNotes] = []
    for number in range(6):
        task = await lives.create(connection, user_id)
        taken = await lifecycle.claim(pool, task.task_id, worker_id=f"w{number}/1", modes=frozenset(Mode))
        assert taken.claim is not None
        notes.append(JobNotes(pool, taken.claim))
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
