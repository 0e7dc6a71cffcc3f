"""Jobs that engines run elsewhere for tasks: noted before they start, found again, stopped once nobody wants them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from schema.models.engines import RemoteJob
from service.database import Connection, Pool
from service.database.transactions import transactional
from service.tasks.store import Claim
from service.tasks.store import remote_jobs as store
from service.tasks.store.remote_jobs import JobForNobody, OpenJob

Stop = Callable[[RemoteJob], Awaitable[bool]]
"""Stops a job; whether nothing of it runs any more."""

SETTLED_AFTER = 150.0
"""Seconds after which a job that nobody saw start has arrived or never will."""

TRIES = 40
"""How often a job is to be stopped, later and later, before it is given up: a quarter of an hour."""

TOLD_AFTER = 3
"""After so many tries in vain the task's timeline says that something may still run."""

log = structlog.get_logger(__name__)


class NoPlace(Exception):  # noqa: N818 - it waits
    """As many jobs of the engine run for this installation as may."""


class JobNotes:
    """What one attempt's engine runs elsewhere, as the table has it."""

    def __init__(self, pool: Pool, claim: Claim) -> None:
        self._pool = pool
        self._claim = claim
        self._job_no: int | None = None
        self.noting: asyncio.Task[None] | None = None
        """Notes the id of the job that is being started, once it is known."""

    @property
    def number(self) -> int:
        """Of the job that was begun."""
        assert self._job_no is not None  # noqa: S101 - the caller's order
        return self._job_no

    @property
    def open(self) -> bool:
        """Whether something may run."""
        return self._job_no is not None

    async def left(self, engine: str) -> OpenJob | None:
        """What an earlier attempt left running with this engine; another engine's is let go of, and will be stopped."""
        async with self._pool.acquire() as connection:
            left = await store.open_job(connection, self._claim.task_id)
            if left is not None and left.engine != engine:
                await store.drop_job(connection, left.job_no)
                return None
        if left is not None:
            self._job_no = left.job_no
        return left

    async def demand_place(self, engine: str, at_most: int) -> None:
        """Look before anything is made ready for a job; `begun` looks again. Raises NoPlace."""
        async with self._pool.acquire() as connection:
            if await store.other_jobs_running(connection, engine, self._claim.task_id) >= at_most:
                raise NoPlace

    async def begun(self, job: RemoteJob, *, started: bool, at_most: int | None = None) -> bool:
        """Note a job that is about to be started, or was; False when the claim isn't held any more.

        Raises:
            NoPlace: `at_most` of the engine's jobs run already, whichever workers follow them.
        """
        if self._job_no is None:
            self._job_no = await _begin(self._pool, self._claim, job, at_most)
        if self._job_no is not None and started:
            await self.started(self._job_no, job)
        return self._job_no is not None

    async def started(self, number: int, job: RemoteJob) -> None:
        """The job is there, and has its id."""
        async with self._pool.acquire() as connection:
            await store.job_started(connection, number, job.job_id)

    async def settled(self, within: float | None = None) -> None:
        """Return once it is noted what became of a start that is on its way, or time is over."""
        if self.noting is not None:
            await asyncio.wait({self.noting}, timeout=within)

    async def over(self, *, lost: bool = False) -> None:
        """Nothing of it runs any more, or nobody will ever know. May be asked again while the database is away."""
        if self._job_no is not None:
            async with self._pool.acquire() as connection:
                await store.job_over(connection, self._job_no, "lost" if lost else "ended")
            self._job_no = None

    async def drop(self) -> None:
        """Another may begin in its place; a chore stops it."""
        if self._job_no is not None:
            async with self._pool.acquire() as connection:
                await store.drop_job(connection, self._job_no)
            self._job_no = None


@transactional
async def _begin(connection: Connection, claim: Claim, job: RemoteJob, at_most: int | None) -> int | None:
    if at_most is not None:
        await store.one_at_a_time(connection, job.engine)
        if await store.other_jobs_running(connection, job.engine, claim.task_id) >= at_most:
            raise NoPlace
    return await store.begin_job(connection, claim.task_id, claim.lease_token, job)


async def stop_jobs_for_nobody(
    pool: Pool, stops: Mapping[str, Stop], *, limit: int, task_id: str | None = None, others: bool = True
) -> None:
    """Stop what runs elsewhere for tasks that have ended; what can't be stopped is told in their timelines.

    `stops` are the engines that this process can speak with, by name. Jobs of `others` are given up in time, too.
    """
    engines = None if others else list(stops)
    async with pool.acquire() as connection:
        jobs = await store.jobs_for_nobody(connection, limit=limit, task_id=task_id, engines=engines)
        for job in jobs:
            # Before it is asked: who dies meanwhile doesn't make the others wait.
            await store.job_asked(connection, job.job_no)
    for job in jobs:
        await _stop(pool, stops.get(job.engine), job)


async def _stop(pool: Pool, stop: Stop | None, job: JobForNobody) -> None:
    stopped = stop is not None and job.job_id is not None and await stop(job.job)
    if stopped and not job.started and job.age < SETTLED_AFTER:
        return  # It may be on its way: unknown there isn't gone.
    how, note = None, None
    if stopped:
        how, note = "stopped", STOPPED if job.asked >= TOLD_AFTER else None
    elif job.job_id is None and job.age > SETTLED_AFTER:
        how, note = "lost", LOST
    elif job.asked >= TRIES:
        how, note = "unknown", MAY_RUN
    elif job.asked >= TOLD_AFTER:
        note = MAY_RUN
    async with pool.acquire() as connection:
        if how is not None:
            await store.job_over(connection, job.job_no, how)
            log.info("remote job over", task_id=job.task_id, engine=job.engine, how=how)
        if note is not None:
            await store.note_on_task(connection, job.task_id, note.format(engine=job.engine))


async def forget_old_jobs(pool: Pool, *, limit: int) -> None:
    """Forget jobs that were over a week ago."""
    async with pool.acquire() as connection:
        await store.forget_jobs(connection, limit=limit)


MAY_RUN = "The engine ({engine}) could not be told to stop: the edit may still run there."
STOPPED = "The engine ({engine}) has stopped it since."
LOST = "The engine ({engine}) never said whether it took the edit: it may have run there."
