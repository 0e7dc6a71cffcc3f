"""What a message becomes: claim a task, run the engine, settle. PostgreSQL decides; the message only wakes us."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog
from msgspec import Struct

from actors.engines.seam import Artifact, EditRequest, Engine, EngineError, Finished, Progress
from actors.results import new_files, store_artifacts, stored_result
from schema.models.edits import AnyConfig, Mode
from schema.models.problems import FailureCode
from schema.models.tasks import StoredResult, TaskFailure, TaskRecord
from service.database import UNAVAILABLE, Pool
from service.files import store as files
from service.files.storage import BlobNotFound, Storage, StorageError
from service.files.store import NewFile
from service.refusals import Refused
from service.tasks import lifecycle
from service.tasks.dispatch import Dispatcher
from service.tasks.lifecycle import RENEWAL, Claim
from service.tasks.submission import stored_config

T = TypeVar("T")

LOOK_EVERY = 0.5
"""Seconds between two looks at whether the claim is still ours: a cancelled task's slot is free within 1 s."""

SHUTDOWN_GRACE = 20.0
"""Seconds that a running edit may go on after the worker was asked to stop; then its task is given back."""

DATABASE_PATIENCE = 120.0
"""Seconds that an outcome is held while the database is away, before it is left to the lease."""

log = structlog.get_logger(__name__)


class Limits(Struct, frozen=True):
    """What an attempt may cost: seconds, tries, pixels of an input; and the seconds it may still take in a shutdown."""

    timeout_seconds: float
    max_attempts: int
    max_pixels: int
    shutdown_grace: float = SHUTDOWN_GRACE


class Saved(Struct, frozen=True):
    """What an attempt leads to: its blobs are stored, its rows are still to be written."""

    made: list[NewFile]
    result: StoredResult


class Editor:
    """Takes tasks, one per free engine, and gives each exactly one outcome."""

    def __init__(
        self,
        pool: Pool,
        storage: Storage,
        dispatcher: Dispatcher,
        engines: list[Engine],
        *,
        worker_id: str,
        modes: frozenset[Mode],
        limits: Limits,
        workspaces: Path,
    ) -> None:
        self._pool = pool
        self._storage = storage
        self._dispatcher = dispatcher
        self._worker_id = worker_id
        self._modes = modes
        self._limits = limits
        self._workspaces = workspaces
        self._idle: asyncio.Queue[Engine] = asyncio.Queue()
        for engine in engines:
            self._idle.put_nowait(engine)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """No more claims; running edits get a while to finish, and are given back otherwise."""
        self._stopping.set()

    async def take(self, named_task_id: str) -> None:
        """Serve one message: it may lead to another task than the one it names, or to none."""
        log.info("task received", task_id=named_task_id)
        modes = frozenset[Mode]() if self._stopping.is_set() else self._modes
        taken = await self._with_database(
            lambda: lifecycle.claim(self._pool, named_task_id, worker_id=self._worker_id, modes=modes)
        )
        if taken is None:
            return
        if taken.unknown:
            await self._dispatcher.count_unknown(named_task_id)
        if taken.announce is not None:
            self._dispatcher.announce(*taken.announce)
        if taken.claim is None:
            log.info("nothing to do", task_id=named_task_id)
            return
        engine = await self._idle.get()
        try:
            await self._perform(taken.claim, engine)
        finally:
            self._idle.put_nowait(engine)

    async def _perform(self, claim: Claim, engine: Engine) -> None:
        task = claim.task
        log.info("task started", task_id=task.task_id, mode=task.mode, attempt=task.attempts)
        attempt = asyncio.create_task(self._attempt(claim, engine))
        lost = asyncio.create_task(self._watch(claim))
        stop = asyncio.create_task(self._stop_after_grace())
        try:
            done, _ = await asyncio.wait(
                {attempt, lost, stop},
                timeout=self._limits.timeout_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if attempt in done:
                await self._settle(claim, attempt)
                return
            await _stopped(attempt)
            if lost in done:
                log.info("claim lost", task_id=task.task_id)
            elif stop in done:
                await self._give_back(claim)
            else:
                await self._fail(claim, _timed_out(self._limits.timeout_seconds))
        finally:
            for pending in (attempt, lost, stop):
                await _stopped(pending)

    async def _attempt(self, claim: Claim, engine: Engine) -> Saved:
        """All that takes long, saving included: a storage that hangs holds no slot after a cancel or a shutdown."""
        workspace = Path(tempfile.mkdtemp(dir=self._workspaces))
        try:
            return await self._saved(claim, engine, workspace)
        finally:
            await asyncio.to_thread(shutil.rmtree, workspace, ignore_errors=True)

    async def _saved(self, claim: Claim, engine: Engine, workspace: Path) -> Saved:
        artifacts, finished = await self._make(claim, engine, workspace)
        made = await new_files(claim.task, artifacts)
        if not await self._with_database(lambda: self._expect(made)):
            raise _database_gone()
        try:
            await store_artifacts(self._storage, artifacts, made)
        except StorageError as error:
            log.warning("result not saved", task_id=claim.task_id, error=str(error))
            raise EngineError(FailureCode.RESULT_SAVE_FAILED, NOT_SAVED, transient=True) from error
        return Saved(made, stored_result(artifacts, made, finished))

    async def _make(self, claim: Claim, engine: Engine, workspace: Path) -> tuple[list[Artifact], Finished]:
        request = await self._request(claim.task, workspace)
        artifacts: list[Artifact] = []
        events = engine.run(request)
        try:
            async for event in events:
                match event:
                    case Progress():
                        await self._tell_progress(claim, event)
                    case Artifact():
                        artifacts.append(event)
                    case Finished():
                        if any(artifact.kind == "output" for artifact in artifacts):
                            return artifacts, event
                        break
        finally:
            await events.aclose()
        raise EngineError(FailureCode.ENGINE_RESPONSE_ERROR, "The edit ended without a result.", transient=True)

    async def _request(self, task: TaskRecord, workspace: Path) -> EditRequest:
        inputs = {"source": task.source_image, "reference": task.reference_image}
        paths: dict[str, Path | None] = {"source": None, "reference": None}
        keys = await self._with_database(lambda: self._blob_keys(task))
        if keys is None:
            raise _database_gone()
        for name, file_id in inputs.items():
            if file_id is None:
                continue
            if file_id not in keys:
                raise _image_gone(name)
            paths[name] = workspace / name
            try:
                await self._storage.download(keys[file_id], workspace / name)
            except BlobNotFound:
                raise _image_gone(name) from None
        made = workspace / "made"
        made.mkdir()
        source = paths["source"]
        assert source is not None  # noqa: S101 - every task has a source image
        return EditRequest(
            mode=task.mode,
            source=source,
            reference=paths["reference"],
            config=_config(task),
            workspace=made,
            max_pixels=self._limits.max_pixels,
        )

    async def _blob_keys(self, task: TaskRecord) -> dict[str, str]:
        wanted = [file_id for file_id in (task.source_image, task.reference_image) if file_id]
        async with self._pool.acquire() as connection:
            records = await files.get_users_files(connection, task.user_id or "", wanted)
        return {record.file_id: record.blob_key for record in records}

    async def _tell_progress(self, claim: Claim, event: Progress) -> None:
        try:
            await lifecycle.update_task_progress(self._pool, claim, event.percent, event.step)
        except UNAVAILABLE as error:
            log.debug("progress not told", task_id=claim.task_id, error=type(error).__name__)

    async def _watch(self, claim: Claim) -> None:
        """Renew the lease, and return once the claim is no longer ours. With the database away nobody can know."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if loop.time() - renewed >= RENEWAL.total_seconds():
                    held = await lifecycle.renew(self._pool, claim)
                    renewed = loop.time()
                else:
                    held = await lifecycle.is_held(self._pool, claim)
            except UNAVAILABLE as error:
                log.warning("lease not renewed", task_id=claim.task_id, error=type(error).__name__)
                continue
            if not held:
                return

    async def _stop_after_grace(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._limits.shutdown_grace)

    async def _settle(self, claim: Claim, attempt: "asyncio.Task[Saved]") -> None:
        try:
            await self._complete(claim, attempt.result())
        except EngineError as error:
            await self._settle_error(claim, error)
        except StorageError as error:
            log.warning("storage failed", task_id=claim.task_id, error=str(error))
            await self._try_again_or_fail(claim, STORAGE_AWAY)
        except Exception:
            log.exception("attempt failed unexpectedly", task_id=claim.task_id)
            await self._try_again_or_fail(claim, UNEXPECTED)

    async def _settle_error(self, claim: Claim, error: EngineError) -> None:
        failure = TaskFailure(error.code, error.message, error.details or None)
        log.info("edit failed", task_id=claim.task_id, code=error.code, transient=error.transient)
        if error.transient or error.crashed:
            await self._try_again_or_fail(claim, failure, at_once=error.crashed)
        else:
            await self._fail(claim, failure)

    async def _complete(self, claim: Claim, saved: Saved) -> None:
        task = await self._with_database(lambda: lifecycle.complete_task(self._pool, claim, saved.result, saved.made))
        if task is None:
            await self._throw_away(claim, saved.made)
            return
        log.info("task finished", task_id=task.task_id, status=task.status, seconds=task.processing_time)
        await self._dispatcher.tell_ended(task.task_id)

    async def _expect(self, made: list[NewFile]) -> bool:
        async with self._pool.acquire() as connection:
            await files.expect_blobs(connection, [new.blob_key for new in made])
        return True

    async def _throw_away(self, claim: Claim, made: list[NewFile]) -> None:
        log.info("claim lost; its result is thrown away", task_id=claim.task_id)

        async def drop() -> None:
            async with self._pool.acquire() as connection:
                await files.drop_blobs(connection, [new.blob_key for new in made])

        await self._with_database(drop)

    async def _fail(self, claim: Claim, failure: TaskFailure) -> None:
        task = await self._with_database(lambda: lifecycle.fail_task(self._pool, claim, failure))
        await self._tell_outcome(task)

    async def _try_again_or_fail(self, claim: Claim, failure: TaskFailure, *, at_once: bool = False) -> None:
        task = await self._with_database(
            lambda: lifecycle.try_again_or_fail(
                self._pool, claim, failure, max_attempts=self._limits.max_attempts, at_once=at_once
            )
        )
        await self._tell_outcome(task)

    async def _give_back(self, claim: Claim) -> None:
        log.info("shutting down; task given back", task_id=claim.task_id)
        task = await self._with_database(lambda: lifecycle.give_back(self._pool, claim))
        await self._tell_outcome(task)

    async def _tell_outcome(self, task: TaskRecord | None) -> None:
        if task is None:
            return
        if task.status.ended:
            code = task.error.code if task.error else None
            log.info("task finished", task_id=task.task_id, status=task.status, code=code)
            await self._dispatcher.tell_ended(task.task_id)
        elif task.not_before is None:
            # Somebody may take it now. After a transient failure the sweep sends it, when its time has come.
            self._dispatcher.announce(task.task_id, task.message_no)

    async def _with_database(self, operation: Callable[[], Awaitable[T]]) -> T | None:
        """Do it, trying again while the database is away; None when that lasts too long or we are to stop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DATABASE_PATIENCE
        pause = 0.2
        while True:
            try:
                return await operation()
            except UNAVAILABLE as error:
                if loop.time() > deadline or self._stopping.is_set():
                    log.warning("gave up on the database", error=type(error).__name__)
                    return None
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)


async def _stopped(running: "asyncio.Task[object] | asyncio.Task[None]") -> None:
    """Cancel a task and wait until it is really over."""
    running.cancel()
    await asyncio.wait({running})
    if not running.cancelled() and running.exception() is not None:
        log.debug("stopped while failing", error=type(running.exception()).__name__)


def _config(task: TaskRecord) -> AnyConfig:
    """What was asked for. A task from the system before this one may ask for what never was judged here."""
    try:
        return stored_config(task.mode, task.config)
    except Refused as refused:
        raise EngineError(FailureCode.INVALID_CONFIG, f"{refused.field}: {refused.message}.") from None


def _image_gone(name: str) -> EngineError:
    return EngineError(FailureCode.IMAGE_NOT_FOUND, f"The {name} image has been deleted. Upload it again.")


def _database_gone() -> EngineError:
    return EngineError(FailureCode.PROCESSING_FAILED, UNEXPECTED.message, transient=True)


def _timed_out(seconds: float) -> TaskFailure:
    return TaskFailure(
        FailureCode.PROCESSING_TIMEOUT,
        f"The edit took longer than {seconds:g} s and was stopped. Try a smaller size or a simpler photo.",
    )


STORAGE_AWAY = TaskFailure(
    FailureCode.PROCESSING_FAILED, "The photo couldn't be read from the storage. Try again later."
)
NOT_SAVED = "The picture couldn't be saved. Try again later."
UNEXPECTED = TaskFailure(FailureCode.PROCESSING_FAILED, "Something went wrong while editing. Try again later.")
