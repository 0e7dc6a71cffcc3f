"""A job from its start to its end, whatever the connection does meanwhile."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from actors.engines.seam import EngineEvent, JobBegun, JobDropped, JobOver, JobStarting, LeftJob, Progress
from actors.engines.workflows.driver import (
    Driver,
    DriverError,
    Failed,
    Fate,
    Finished,
    Gone,
    Look,
    Running,
    Work,
)
from schema.models.edits import Mode
from schema.models.engines import RemoteJob
from schema.models.problems import FailureCode

T = TypeVar("T")

SILENT_FOR = 60.0
"""Seconds that a server may say nothing of a job it has, or may have; then the attempt ends, and the next looks."""

APPEARS_WITHIN = 5.0
"""Seconds that a job which was just started may be unknown."""

AWAY_FOR = 20.0
"""Seconds that a server may be away before a job is begun; then the attempt ends."""

QUEUED, BEGINS, ENDS = 6, 10, 90
"""Percent of an edit."""

_log = logging.getLogger(__name__)


class Followed:
    """How a job was left: `job` is the one, `finished` what it has left behind; `sent`: a start may have arrived."""

    def __init__(self) -> None:
        self.job: RemoteJob | None = None
        self.sent = False
        self.finished: Finished | None = None


class Follower:
    """Starts jobs and follows them."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, left: LeftJob, mode: Mode, followed: Followed) -> AsyncGenerator[EngineEvent]:
        """Look for a job that an earlier attempt began. `followed.job` is None where another must be started.

        Raises:
            DriverError: nobody can say; or its id was never known, and it may run.
        """
        loop = asyncio.get_running_loop()
        settled = loop.time() + (0.0 if left.started else max(0.0, self._driver.settles_within - left.age))
        while left.job.job_id is not None:
            try:
                look = await patiently(self._driver, lambda: self._driver.look(left.job), SILENT_FOR)
            except DriverError as error:
                if error.fate is not Fate.AWAY or (await self._driver.draft(mode)).place == left.job.place:
                    raise
                _log.warning("%s: the server of an edit is away for long, and another makes it", self._driver.name)
                yield JobDropped(left.job)
                return
            if not isinstance(look, Gone):
                _log.info("%s: found the job of an earlier attempt again", self._driver.name)
                followed.job = left.job
                yield JobBegun(left.job, started=True)
                return
            if loop.time() >= settled:
                yield JobOver(left.job)
                return
            await self._driver.hint(left.job, self._driver.look_every)
        await asyncio.sleep(max(0.0, settled - loop.time()))
        yield JobOver(left.job, lost=True)
        raise lost()

    async def start(self, draft: RemoteJob, work: Work, followed: Followed) -> AsyncGenerator[EngineEvent]:
        """Start a job, once it is noted that it will be. Broken off it is started all the same: see `JobStarting`.

        Raises:
            DriverError: it wasn't started, or nobody knows.
        """
        yield JobBegun(draft, started=False)
        starting = asyncio.create_task(self._driver.start(draft, work))
        yield JobStarting(starting)
        try:
            job = await asyncio.shield(starting)
        except DriverError as error:
            if error.lost and draft.job_id is None:
                yield JobOver(draft, lost=True)
                raise lost(error.detail) from error
            followed.sent = not error.unsent
            if error.unsent or error.fate is not Fate.AWAY or draft.job_id is None:
                yield JobOver(draft)
            # Else it may run, under an id that is known: the next attempt looks.
            raise
        followed.job = job
        yield JobBegun(job, started=True)

    async def follow(self, followed: Followed) -> AsyncGenerator[EngineEvent]:
        """Until the job's end, which is in `followed.finished`.

        Raises:
            DriverError: it failed, or is gone; or nobody may know for long, and the job may go on.
        """
        job = followed.job
        assert job is not None  # noqa: S101 - found or started
        loop = asyncio.get_running_loop()
        begun = heard = loop.time()
        told: Progress | None = None
        while followed.finished is None:
            try:
                look = await self._driver.look(job)
                heard = loop.time()
            except DriverError:
                # Whatever it is, it says nothing of the job: a key that is just being changed stops none.
                if loop.time() - heard > SILENT_FOR:
                    raise
                await self._driver.hint(job, self._driver.look_every)
                continue
            if isinstance(look, Finished):
                followed.finished = look
                return
            if isinstance(look, Failed):
                yield JobOver(job)
                raise look.error
            if isinstance(look, Gone) and (told is not None or loop.time() - begun > APPEARS_WITHIN):
                yield JobOver(job)
                raise _gone()
            progress = _progress(look)
            if progress != told:
                told = progress
                yield progress
            await self._driver.hint(job, self._driver.look_every)

    async def look_again(self, followed: Followed) -> None:
        """Ask anew what the job has left; where nobody can say, what was said before holds."""
        assert followed.job is not None  # noqa: S101 - it has ended
        try:
            look = await self._driver.look(followed.job)
        except DriverError:
            return
        if isinstance(look, Finished):
            followed.finished = look


async def patiently(driver: Driver, ask: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
    """What a server says that may be away for a while, as in a restart: attempts would be used up by then.

    Raises:
        DriverError: it is away for longer, or says no.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + (AWAY_FOR if seconds is None else seconds)
    while True:
        try:
            return await ask()
        except DriverError as error:
            if error.fate is not Fate.AWAY or loop.time() > until:
                raise
        await asyncio.sleep(driver.look_every)


def _progress(look: Look) -> Progress:
    if isinstance(look, Running):
        return Progress(BEGINS + (ENDS - BEGINS) * (look.percent or 0) // 100, "Making the picture")
    return Progress(QUEUED, "Waiting for the engine")


def lost(detail: str = "") -> DriverError:
    """A create was sent, and its answer never came."""
    return DriverError(
        Fate.TRANSIENT,
        FailureCode.ENGINE_RESPONSE_ERROR,
        "The engine's answer was lost: it may be making the edit all the same. It is asked again in a while.",
        detail=detail or "the answer to a create was lost",
        lost=True,
    )


def _gone() -> DriverError:
    message = "The engine lost the edit, as after a restart. It is tried again."
    return DriverError(Fate.TRANSIENT, FailureCode.ENGINE_RESPONSE_ERROR, message, detail="the job is gone")
