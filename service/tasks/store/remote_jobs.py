"""A typed function per statement of `schema/queries/remote_jobs.sql`."""

from collections.abc import Sequence

from msgspec import Struct

from schema.models.engines import RemoteJob
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("remote_jobs")


class OpenJob(Struct, frozen=True):
    """A job that isn't known to be over, begun `age` seconds ago; `started`: the server has said that it has it."""

    job_no: int
    engine: str
    place: str
    job_id: str | None
    started: bool
    age: float

    @property
    def job(self) -> RemoteJob:
        return RemoteJob(self.engine, self.place, self.job_id)


class JobForNobody(OpenJob, frozen=True):
    """A job that nobody follows, whose task it was, and how often it was to be stopped."""

    task_id: str
    asked: int


async def open_job(connection: Connection, task_id: str) -> OpenJob | None:
    return await QUERIES["open_job"].row(connection, OpenJob, task_id=task_id)


async def begin_job(connection: Connection, task_id: str, lease_token: int, job: RemoteJob) -> int | None:
    """Its number; None when the claim isn't held any more."""
    return await QUERIES["begin_job"].value(
        connection, task_id=task_id, lease_token=lease_token, engine=job.engine, place=job.place, job_id=job.job_id
    )


async def job_started(connection: Connection, job_no: int, job_id: str | None) -> None:
    await QUERIES["job_started"].run(connection, job_no=job_no, job_id=job_id)


async def job_over(connection: Connection, job_no: int, how: str) -> None:
    await QUERIES["job_over"].run(connection, job_no=job_no, how=how)


async def drop_job(connection: Connection, job_no: int) -> None:
    await QUERIES["drop_job"].run(connection, job_no=job_no)


async def jobs_for_nobody(
    connection: Connection, *, limit: int, task_id: str | None = None, engines: Sequence[str] | None = None
) -> list[JobForNobody]:
    return await QUERIES["jobs_for_nobody"].rows(
        connection, JobForNobody, task_id=task_id, engines=engines, limit=limit
    )


async def job_asked(connection: Connection, job_no: int) -> None:
    await QUERIES["job_asked"].run(connection, job_no=job_no)


async def note_on_task(connection: Connection, task_id: str, note: str) -> None:
    await QUERIES["note_on_task"].run(connection, task_id=task_id, note=note)


async def forget_jobs(connection: Connection, *, limit: int) -> None:
    await QUERIES["forget_jobs"].run(connection, limit=limit)


async def one_at_a_time(connection: Connection, engine: str) -> None:
    await QUERIES["one_at_a_time"].value(connection, engine=engine)


async def other_jobs_running(connection: Connection, engine: str, task_id: str) -> int:
    """Not counting this task's own."""
    return await QUERIES["other_jobs_running"].value(connection, engine=engine, task_id=task_id)
