"""From a claim to stored pictures: download the photos, run the engine, put what it made into the storage."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import structlog
from msgspec import Struct

from actors.bench import Bench
from actors.engines.seam import (
    Artifact,
    EditRequest,
    Engine,
    EngineError,
    EngineEvent,
    Finished,
    JobBegun,
    JobDropped,
    JobOver,
    JobStarting,
    LeftJob,
    Progress,
    Standing,
)
from actors.patience import GaveUp, Patience
from actors.results import store_artifacts, stored_result
from actors.spaces import Space
from schema.models.edits import AnyConfig
from schema.models.engines import RemoteJob
from schema.models.problems import FailureCode
from schema.models.tasks import StoredResult, TaskRecord
from service.database.away import UNAVAILABLE
from service.files.store import NewFile
from service.refusals import Refused
from service.storage_errors import BlobNotFound, StorageError
from service.tasks import lifecycle
from service.tasks.lifecycle import Claim
from service.tasks.outcomes import Outcomes
from service.tasks.remote_jobs import JobNotes, NoPlace
from service.tasks.submission import stored_config

log = structlog.get_logger(__name__)


class Saved(Struct, frozen=True):
    """What an attempt leads to: its blobs are stored, its rows are still to be written."""

    made: list[NewFile]
    result: StoredResult


class Making(Struct, frozen=True):
    """What the events of one attempt's engine are turned into state with."""

    bench: Bench
    claim: Claim
    patience: Patience
    jobs: JobNotes
    outcomes: Outcomes

    async def note(self, event: EngineEvent) -> None:
        """Keep what is to be known outside before the engine goes on."""
        match event:
            case Progress():
                await _tell_progress(self.bench, self.claim, event)
            case JobBegun(job, started):
                await self._note_job(job, started=started)
            case JobStarting(start):
                self.jobs.noting = asyncio.create_task(self._note_start(start, self.jobs.number))
            case JobOver(_, lost):
                await self.patience.hold(lambda: self.jobs.over(lost=lost))
            case JobDropped():
                await self.patience.hold(self.jobs.drop)
            case _:
                pass

    async def _note_start(self, start: "asyncio.Task[RemoteJob]", number: int) -> None:
        """Note a job's id, whatever becomes of the attempt: one that nobody knows is paid for, and found by nobody."""
        await asyncio.wait({start})
        if start.exception() is not None:
            return  # whoever waits for it is told
        try:
            await self.patience.hold(lambda: self.jobs.started(number, start.result()))
        except GaveUp:
            log.warning("a remote job's id is lost: the database is away", task_id=self.claim.task_id)

    async def _note_job(self, job: RemoteJob, *, started: bool) -> None:
        at_most = self.bench.routes.most_of(job.engine)
        try:
            held = await self.patience.hold(lambda: self.jobs.begun(job, started=started, at_most=at_most))
        except NoPlace:
            raise _no_place() from None
        if not held:
            message = "The edit was given to somebody else."
            raise EngineError(FailureCode.PROCESSING_FAILED, message, transient=True)


async def make(making: Making, engine: Engine) -> Saved:
    """All that takes long, saving included: a storage that hangs holds no slot after a cancel or a shutdown.

    Raises:
        EngineError: The edit can't be made, or its result not be saved.
        StorageError: The photos can't be read.
        GaveUp: The database stayed away.
    """
    bench, claim, patience, jobs = making.bench, making.claim, making.patience, making.jobs
    space, is_saved = bench.spaces.take(bench.workspaces), False
    try:
        left = await patience.hold(lambda: _left(jobs, engine)) if bench.stops else None
        if left is None:
            await _demand_place(bench, engine, patience, jobs)
        request = await _request(bench, claim, space, left)
        artifacts, finished = await _run(making, engine, request)
        saved = await _save(making, artifacts, finished)
        is_saved = True
        return saved
    finally:
        # The slot may have its next task before that is done.
        bench.spaces.leave(space, for_another=is_saved)


async def _left(jobs: JobNotes, engine: Engine) -> LeftJob | None:
    """What an earlier attempt left running with this engine."""
    left = await jobs.left(engine.name)
    return None if left is None else LeftJob(left.job, started=left.started, age=left.age)


async def _demand_place(bench: Bench, engine: Engine, patience: Patience, jobs: JobNotes) -> None:
    """Nothing is made ready for an edit that would only wait."""
    at_most = bench.routes.most_of(engine.name)
    if at_most is not None:
        try:
            await patience.hold(lambda: jobs.demand_place(engine.name, at_most))
        except NoPlace:
            raise _no_place() from None


def _no_place() -> EngineError:
    message = "The engine has no place at the moment; the edit waits for one."
    return EngineError(FailureCode.ENGINE_NOT_AVAILABLE, message, transient=True, standing=Standing.FULL)


async def _request(bench: Bench, claim: Claim, space: Space, left: LeftJob | None) -> EditRequest:
    task = claim.task
    photos = {"source": task.source_image, "reference": task.reference_image}
    paths = {name: space.photos / name for name, file_id in photos.items() if file_id is not None}
    wanted: list[tuple[str, Path]] = []
    for name, path in paths.items():
        blob_key = claim.photos.get(photos[name] or "")
        if blob_key is None:
            raise EngineError(FailureCode.IMAGE_NOT_FOUND, f"The {name} image has been deleted. Upload it again.")
        wanted.append((blob_key, path))
    await _download(bench, task, wanted, into=[space.photos, space.made] if space.is_new else [])
    return EditRequest(
        mode=task.mode,
        source=paths["source"],
        reference=paths.get("reference"),
        config=_config(task),
        workspace=space.made,
        max_pixels=bench.limits.max_pixels,
        left=left,
    )


async def _download(bench: Bench, task: TaskRecord, wanted: list[tuple[str, Path]], *, into: list[Path]) -> None:
    try:
        await bench.storage.download_all(wanted, into=into)
    except BlobNotFound as missing:
        # The row says that it is there. So it isn't the user's fault, and another worker may well find it.
        name = next(path.name for key, path in wanted if key == missing.key)
        log.error(  # noqa: TRY400 - where from says nothing
            "a photo isn't in this worker's storage: is it the storage of the API and of the other workers?",
            task_id=task.task_id,
            file_id=task.source_image if name == "source" else task.reference_image,
            storage=bench.storage.name,
        )
        message = f"The {name} image couldn't be read. Try again later."
        raise EngineError(FailureCode.PROCESSING_FAILED, message, transient=True) from None


async def _run(making: Making, engine: Engine, request: EditRequest) -> tuple[list[Artifact], Finished]:
    artifacts: list[Artifact] = []
    async with aclosing(engine.run(request)) as events:
        async for event in events:
            await making.note(event)
            if isinstance(event, Artifact):
                artifacts.append(event)
            elif isinstance(event, Finished):
                if any(artifact.kind == "output" for artifact in artifacts):
                    return artifacts, _told_of_instead(making, engine, event)
                break
    raise EngineError(FailureCode.ENGINE_RESPONSE_ERROR, "The edit ended without a result.", transient=True)


def _told_of_instead(making: Making, engine: Engine, finished: Finished) -> Finished:
    """That another engine made the edit than the one set for it."""
    first = making.bench.routes.instead_of(making.claim.task.mode, engine.name)
    if first is None:
        return finished
    warning = f"Made by the engine {engine.name}, since {first} was not available."
    return Finished({**finished.metadata, "warnings": [*finished.metadata.get("warnings", []), warning]})


async def _tell_progress(bench: Bench, claim: Claim, event: Progress) -> None:
    try:
        if await lifecycle.update_task_progress(bench.pool, claim, event.percent, event.step):
            bench.changes.tell_progress(claim.task)
    except UNAVAILABLE as error:
        log.debug("progress not told", task_id=claim.task_id, error=type(error).__name__)


async def _save(making: Making, artifacts: list[Artifact], finished: Finished) -> Saved:
    task = making.claim.task
    file_ids = await making.patience.hold(lambda: making.outcomes.files.take(len(artifacts)))
    try:
        made = await store_artifacts(making.bench.storage, task, dict(zip(file_ids, artifacts, strict=True)))
    except StorageError as error:
        log.warning("result not saved", task_id=task.task_id, error=str(error))
        raise EngineError(FailureCode.RESULT_SAVE_FAILED, NOT_SAVED, transient=True) from error
    return Saved(made, stored_result(artifacts, made, finished))


def _config(task: TaskRecord) -> AnyConfig:
    """What was asked for. A task from the system before this one may ask for what never was judged here."""
    try:
        return stored_config(task.mode, task.config)
    except Refused as refused:
        raise EngineError(FailureCode.INVALID_CONFIG, f"{refused.field}: {refused.message}.") from None


NOT_SAVED = "The picture couldn't be saved. Try again later."
