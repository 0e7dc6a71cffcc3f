"""Jobs whose ids the server gives: a start whose answer was lost is told, and not repeated at once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from actors.engines.seam import EngineEvent, JobBegun, JobOver, JobStarting, LeftJob
from actors.engines.workflows import following
from actors.engines.workflows.driver import (
    DriverError,
    Fate,
    Finished,
    Gone,
    Graph,
    Look,
    Output,
    ServerState,
    Stopped,
    Work,
)
from actors.engines.workflows.following import Followed, Follower
from schema.models.edits import Mode
from schema.models.engines import RemoteJob
from schema.models.problems import FailureCode

MODE = Mode.HEAD_SWAP
DRAFT = RemoteJob("scripted", "here")
MADE = RemoteJob("scripted", "here", "1")
WORK = Work(MODE, {}, [], "9")


class Scripted:
    """A driver whose start does what a test says, and whose jobs end at once."""

    name = "scripted"
    look_every = 0.01
    settles_within = 0.1

    def __init__(self, *, fails: DriverError | None = None) -> None:
        self.fails = fails
        self.started = 0
        self.known = True
        self.look_fails: list[DriverError] = []
        self.held = asyncio.Event()
        self.held.set()
        self.asked = asyncio.Event()

    async def graph(self, mode: Mode) -> Graph:
        del mode
        return {}

    async def draft(self, mode: Mode) -> RemoteJob:
        del mode
        return DRAFT

    async def upload(self, job: RemoteJob, photo: Path, name: str) -> str:
        del job, photo
        return name

    async def start(self, job: RemoteJob, work: Work) -> RemoteJob:
        del job, work
        self.started += 1
        self.asked.set()
        await self.held.wait()
        if self.fails is not None:
            raise self.fails
        return MADE

    async def look(self, job: RemoteJob) -> Look:
        if self.look_fails:
            raise self.look_fails.pop(0)
        return Finished([Output("9", str(job.job_id))]) if self.known else Gone()

    async def hint(self, job: RemoteJob, seconds: float) -> None:
        del job
        await asyncio.sleep(seconds)

    async def cancel(self, job: RemoteJob) -> Stopped:
        del job
        return Stopped.STOPPED

    async def fetch(self, job: RemoteJob, output: Output, to: Path, most_bytes: int) -> None:
        del job, output, most_bytes
        await asyncio.to_thread(to.write_bytes, b"")

    async def states(self) -> Sequence[ServerState]:
        return []

    async def close(self) -> None: ...


def error(fate: Fate, *, lost: bool = False) -> DriverError:
    return DriverError(fate, FailureCode.ENGINE_NOT_AVAILABLE, "It is away.", lost=lost)


async def events_and_error(events: AsyncGenerator[EngineEvent]) -> tuple[list[EngineEvent], DriverError | None]:
    seen: list[EngineEvent] = []
    try:
        async for event in events:
            if not isinstance(event, JobStarting):
                seen.append(event)  # noqa: PERF401 - kept when it raises
    except DriverError as failed:
        return seen, failed
    return seen, None


async def test_a_lost_answer_is_told_and_nothing_is_repeated() -> None:
    driver = Scripted(fails=error(Fate.AWAY, lost=True))
    seen, failed = await events_and_error(Follower(driver).start(DRAFT, WORK, Followed()))
    assert seen == [JobBegun(DRAFT, started=False), JobOver(DRAFT, lost=True)]
    assert failed is not None
    assert (failed.fate, failed.code, failed.lost) == (Fate.TRANSIENT, FailureCode.ENGINE_RESPONSE_ERROR, True)
    assert "answer was lost" in failed.message
    assert driver.started == 1


@pytest.mark.parametrize("fate", [Fate.WAIT, Fate.REFUSED, Fate.AWAY])
async def test_what_was_refused_never_ran(fate: Fate) -> None:
    follower = Follower(Scripted(fails=error(fate)))
    seen, failed = await events_and_error(follower.start(DRAFT, WORK, Followed()))
    assert seen == [JobBegun(DRAFT, started=False), JobOver(DRAFT)]
    assert failed is not None
    assert failed.fate is fate


async def test_a_job_that_nobody_knows_the_id_of_is_given_time_and_then_told() -> None:
    driver, followed = Scripted(), Followed()
    left = LeftJob(DRAFT, started=False, age=0)
    seen, failed = await events_and_error(Follower(driver).find(left, MODE, followed))
    assert seen == [JobOver(DRAFT, lost=True)]
    assert failed is not None
    assert failed.lost
    assert (followed.job, driver.started) == (None, 0)


@pytest.mark.parametrize("started", [True, False])
async def test_a_job_that_is_known_is_followed_and_one_that_is_gone_is_over(started: bool) -> None:
    driver, followed = Scripted(), Followed()
    left = LeftJob(MADE, started=started, age=0)
    assert await events_and_error(Follower(driver).find(left, MODE, followed)) == ([JobBegun(MADE, started=True)], None)
    assert followed.job == MADE
    driver.known, followed = False, Followed()
    assert await events_and_error(Follower(driver).find(left, MODE, followed)) == ([JobOver(MADE)], None)
    assert followed.job is None


async def test_a_start_that_is_broken_off_tells_its_id_all_the_same() -> None:
    driver = Scripted()
    driver.held.clear()
    begun: list[asyncio.Task[RemoteJob]] = []

    async def follow() -> None:
        async for event in Follower(driver).start(DRAFT, WORK, Followed()):
            if isinstance(event, JobStarting):
                begun.append(event.start)  # noqa: PERF401 - kept when it is broken off

    starting = asyncio.create_task(follow())
    await asyncio.wait_for(driver.asked.wait(), 10)
    starting.cancel()
    await asyncio.wait({starting})
    driver.held.set()
    assert await begun[0] == MADE


@pytest.mark.parametrize("fate", [Fate.AWAY, Fate.REFUSED, Fate.TRANSIENT])
async def test_a_job_that_runs_is_followed_though_nobody_may_ask_for_a_while(
    fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is paid for: a key that was changed, and isn't known everywhere yet, failed every edit under way."""
    driver, followed = Scripted(), Followed()
    followed.job, driver.look_fails = MADE, [error(fate)] * 3
    assert await events_and_error(Follower(driver).follow(followed)) == ([], None)
    assert followed.finished is not None
    monkeypatch.setattr(following, "SILENT_FOR", 0.05)
    followed = Followed()
    followed.job, driver.look_fails = MADE, [error(fate)] * 1000
    seen, failed = await events_and_error(Follower(driver).follow(followed))
    assert (seen, failed and failed.fate, followed.finished) == ([], fate, None)
