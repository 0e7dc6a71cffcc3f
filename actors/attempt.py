"""One attempt: a claim, an engine, and exactly one outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from actors.bench import Bench
from actors.engines.seam import Engine, EngineError, Standing
from actors.making import Making, Saved, make
from actors.patience import GaveUp, Patience
from schema.models.problems import FailureCode
from schema.models.tasks import TaskFailure, TaskRecord, TaskStatus
from service.database.away import UNAVAILABLE
from service.files import store as files
from service.files.store import NewFile
from service.storage_errors import StorageError
from service.tasks import lifecycle
from service.tasks.lifecycle import RENEWAL, Claim
from service.tasks.outcomes import Outcomes
from service.tasks.remote_jobs import JobNotes, stop_jobs_for_nobody

LAST_MOMENT = 3.0
"""Seconds that an edit which is given back waits for the id of a job that is just being started elsewhere."""

LOOK_EVERY = 0.5
"""Seconds between two looks at whether the claim is still ours: a cancelled task's slot is free within 1 s."""

log = structlog.get_logger(__name__)


class Attempt:
    """Makes the edit while it watches the claim, and writes what became of it."""

    def __init__(
        self, bench: Bench, claim: Claim, engine: Engine, outcomes: Outcomes, grace_over: "asyncio.Future[None]"
    ) -> None:
        """`grace_over` is done once a worker that is to stop gives running edits back; all of its attempts share it."""
        self._bench = bench
        self._claim = claim
        self._engine = engine
        self._outcomes = outcomes
        self._grace_over = grace_over
        self._patience = Patience(bench.stopping)
        self._jobs = JobNotes(bench.pool, claim)

    async def run(self) -> None:
        """From the claim to its outcome. An outcome that can't be written for long is left to the lease."""
        task = self._claim.task
        log.info("task started", task_id=task.task_id, mode=task.mode, attempt=task.attempts)
        self._bench.changes.tell_soon(task)
        self._bench.routes.begun(self._engine.name)
        try:
            with self._outcomes.files.work():
                await self._race()
        except GaveUp as gave_up:
            log.error(  # noqa: TRY400 - the database is away, wherever it was noticed
                "gave up on the database; the task's outcome is lost, and its lease runs out",
                task_id=task.task_id,
                error=type(gave_up.__cause__).__name__,
            )
        finally:
            self._bench.routes.ended(self._engine.name)

    @property
    def runs_elsewhere(self) -> bool:
        """Whether something may still run elsewhere for the task."""
        return self._jobs.open

    async def stop_elsewhere(self) -> None:
        """Stop that, unless somebody goes on with it. A chore does it if we can't."""
        await self._jobs.settled()
        try:
            await stop_jobs_for_nobody(self._bench.pool, self._bench.stops, limit=1, task_id=self._claim.task_id)
        except UNAVAILABLE as error:
            log.warning("remote job left to a chore", task_id=self._claim.task_id, error=type(error).__name__)

    async def _race(self) -> None:
        work = Making(self._bench, self._claim, self._patience, self._jobs, self._outcomes)
        making = asyncio.create_task(make(work, self._engine))
        lost = asyncio.create_task(self._watch())
        try:
            done, _ = await asyncio.wait(
                {making, lost, self._grace_over},
                timeout=self._bench.limits.timeout_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if making in done:
                # The lease is renewed meanwhile: whoever holds an outcome may hold the task as long as that.
                await self._settle(making)
                return
            await _stopped(making)
            if lost in done:
                log.info("claim lost", task_id=self._claim.task_id)
            elif self._grace_over in done:
                await self._give_back()
            else:
                await self._fail(_timed_out(self._bench.limits.timeout_seconds))
        finally:
            await _stopped(making)
            await _stopped(lost)

    async def _watch(self) -> None:
        """Renew the lease, and return once the claim is no longer ours. With the database away nobody can know."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if loop.time() - renewed >= RENEWAL.total_seconds():
                    held = await lifecycle.renew(self._bench.pool, self._claim)
                    renewed = loop.time()
                else:
                    held = await lifecycle.is_held(self._bench.pool, self._claim)
            except UNAVAILABLE as error:
                log.warning("lease not renewed", task_id=self._claim.task_id, error=type(error).__name__)
                continue
            except Exception:
                # Whatever it is, it doesn't say that the claim is lost: that would throw away a good edit.
                log.exception("lease not renewed", task_id=self._claim.task_id)
                continue
            if not held:
                return

    async def _settle(self, making: "asyncio.Task[Saved]") -> None:
        try:
            saved = making.result()
        except GaveUp:
            raise
        except EngineError as error:
            await self._settle_error(error)
        except StorageError as error:
            log.warning("storage failed", task_id=self._claim.task_id, error=str(error))
            await self._try_again_or_fail(STORAGE_AWAY)
        except Exception:
            log.exception("attempt failed unexpectedly", task_id=self._claim.task_id)
            await self._try_again_or_fail(UNEXPECTED)
        else:
            await self._complete(saved)

    async def _settle_error(self, error: EngineError) -> None:
        failure = TaskFailure(error.code, error.message, error.details or None)
        if await self._left_to_another(error, failure):
            return
        if error.transient or error.crashed:
            log.info("attempt failed", task_id=self._claim.task_id, code=error.code, crashed=error.crashed)
            await self._try_again_or_fail(failure, at_once=error.crashed, pause=error.pause)
        else:
            await self._fail(failure)

    async def _left_to_another(self, error: EngineError, failure: TaskFailure) -> bool:
        """Whether the engine has no place, or leaves the edit to another: then it waits, and no attempt counts."""
        routes, mode, name = self._bench.routes, self._claim.task.mode, self._engine.name
        pause = routes.tell(name, error.standing)
        if error.standing is Standing.WELL:
            return False
        if routes.next_after(mode, name):
            pause = 0.0
        elif error.standing is not Standing.FULL and not (
            error.standing is Standing.AWAY and routes.may_follow(mode, name)
        ):
            return False
        log.info("the engine takes nothing now", task_id=self._claim.task_id, engine=name, standing=error.standing)
        wait = lifecycle.wait_for_place
        task = await self._write(
            lambda: wait(self._bench.pool, self._claim, failure, seconds=pause), TaskStatus.PENDING
        )
        self._tell(task)
        return True

    async def _complete(self, saved: Saved) -> None:
        self._bench.routes.well(self._engine.name)
        complete = partial(lifecycle.complete_task, self._bench.pool, self._claim, outcomes=self._outcomes)
        task = await self._write(lambda: complete(saved.result, saved.made), TaskStatus.DONE)
        if task is None:
            log.info("claim lost; its result is thrown away", task_id=self._claim.task_id)
            await self._patience.hold(lambda: self._throw_away(saved.made))
        else:
            await self._patience.hold(self._jobs.over)
        self._tell(task)

    async def _throw_away(self, made: list[NewFile]) -> None:
        async with self._bench.pool.acquire() as connection:
            await files.drop_blobs(connection, [new.blob_key for new in made])

    async def _fail(self, failure: TaskFailure) -> None:
        write = lifecycle.fail_task
        task = await self._write(lambda: write(self._bench.pool, self._claim, failure), TaskStatus.FAILED)
        self._tell(task)

    async def _try_again_or_fail(self, failure: TaskFailure, *, at_once: bool = False, pause: float = 0) -> None:
        attempts = self._bench.limits.max_attempts
        task = await self._write(
            lambda: lifecycle.try_again_or_fail(
                self._bench.pool, self._claim, failure, max_attempts=attempts, at_once=at_once, pause=pause
            ),
            TaskStatus.PENDING,
            TaskStatus.FAILED,
        )
        self._tell(task)

    async def _give_back(self) -> None:
        log.info("shutting down; task given back", task_id=self._claim.task_id)
        # Whoever has it next goes on with that job.
        await self._jobs.settled(LAST_MOMENT)
        give_back = lifecycle.give_back
        self._tell(await self._write(lambda: give_back(self._bench.pool, self._claim), TaskStatus.PENDING))

    async def _write(self, write: Callable[[], Awaitable[TaskRecord | None]], *to: TaskStatus) -> TaskRecord | None:
        """Write the outcome. None when the claim is no longer ours, and not when only the answer was lost."""
        task = await self._patience.hold(write)
        if task is None:
            task = await self._patience.hold(lambda: lifecycle.outcome_of(self._bench.pool, self._claim))
        return task if task is not None and task.status in to else None

    def _tell(self, task: TaskRecord | None) -> None:
        """What became of it, if it was still ours to say."""
        if task is None:
            return
        if task.error is not None:
            log.warning("task failed", task_id=task.task_id, code=task.error.code, message=task.error.message)
        elif task.status.ended:
            log.info("task finished", task_id=task.task_id, status=task.status, seconds=task.processing_time)
        self._bench.changes.tell_soon(task)


async def _stopped(running: "asyncio.Task[Saved] | asyncio.Task[None]") -> None:
    """Cancel a task and wait until it is really over."""
    if not running.done():
        running.cancel()
        await asyncio.wait({running})
    if not running.cancelled() and running.exception() is not None:
        log.debug("stopped while failing", error=type(running.exception()).__name__)


def _timed_out(seconds: float) -> TaskFailure:
    return TaskFailure(
        FailureCode.PROCESSING_TIMEOUT,
        f"The edit took longer than {seconds:g} s and was stopped. Try a smaller size or a simpler photo.",
    )


STORAGE_AWAY = TaskFailure(
    FailureCode.PROCESSING_FAILED, "The photo couldn't be read from the storage. Try again later."
)
UNEXPECTED = TaskFailure(FailureCode.PROCESSING_FAILED, "Something went wrong while editing. Try again later.")
