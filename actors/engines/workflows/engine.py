"""The workflow engine: one edit, made by a workflow that runs elsewhere. What a server speaks is its driver's to know.

In the worker's own process and event loop, many edits at a time: it waits. Photos are opened and written by a child.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

from actors.engines.local import wire
from actors.engines.seam import (
    Artifact,
    EditRequest,
    EngineError,
    EngineEvent,
    Finished,
    JobOver,
    Progress,
    Standing,
)
from actors.engines.workflows import following
from actors.engines.workflows.desk import Desk, Done
from actors.engines.workflows.driver import Driver, DriverError, Fate, Graph, Output, Stopped, Value, Work
from actors.engines.workflows.filling import Filling, fill, fillable
from actors.engines.workflows.following import ENDS, Followed, Follower, patiently
from actors.engines.workflows.graph import Places, WorkflowError, find_places
from schema.models.edits import (
    CONFIG_TYPES,
    ENGINE_MODES,
    LONG_EDGE,
    BackgroundChangeConfig,
    BackgroundType,
    Mode,
    Size,
)
from schema.models.engines import Provenance, RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode

MOST_BYTES = 100 * 2**20
"""Of a result."""
FETCH_TRIES = 4
LOST_PAUSE = 30.0
"""Seconds before a job is started again whose first start may have been paid for, though its answer was lost."""

_STANDING = {Fate.WAIT: Standing.FULL, Fate.AWAY: Standing.AWAY, Fate.REFUSED: Standing.REFUSING}
_PASSING = {Fate.WAIT, Fate.AWAY, Fate.TRANSIENT}
_log = logging.getLogger(__name__)


class _Plan(Struct, frozen=True):
    """A mode's workflow, what its nodes are for, and what of the config goes into them."""

    graph: Graph
    places: Places
    filling: Filling


class WorkflowEngine:
    """Makes edits with workflows on a driver's servers; see `Engine`. Serves many edits at a time."""

    def __init__(self, driver: Driver, settings: WorkflowSettings, desk: Desk) -> None:
        self.name = driver.name
        self.driver = driver
        self._settings = settings
        self._desk = desk
        self._follower = Follower(driver)

    def modes(self) -> frozenset[Mode]:
        """The modes that it makes where a workflow is set."""
        return ENGINE_MODES[self.name]

    async def start(self) -> None:
        """Have the child ready that opens and writes photos.

        Raises:
            EngineError: ENGINE_NOT_AVAILABLE: it doesn't start.
        """
        await self._desk.start()

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        """Make one edit; see `Engine.run`. Closing it leaves a job that runs elsewhere to `stop`, or to be followed."""
        try:
            async with aclosing(self._run(request)) as events:
                async for event in events:
                    yield event
        except DriverError as error:
            _log.warning("%s: %s (%s): %s", self.name, error.message, error.fate, error.detail or "no more is known")
            raise EngineError(
                error.code,
                error.message,
                details={"engine": self.name},
                transient=error.fate in _PASSING,
                standing=_STANDING.get(error.fate, Standing.WELL),
                pause=LOST_PAUSE if error.lost else 0,
            ) from error

    async def stop(self, job: RemoteJob) -> bool:
        """Stop a job of ours, waiting or running; whether nothing of it runs any more. False: ask again."""
        try:
            return await self.driver.cancel(job) is Stopped.STOPPED
        except DriverError as error:
            _log.warning("%s: a job could not be stopped: %s", self.name, error.detail or error.message)
            return False

    async def close(self) -> None:
        """Let go of the servers; jobs go on."""
        await self.driver.close()

    async def _run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        started = time.perf_counter()
        plan = await self._plan(request)
        elsewhere = request.workspace / "elsewhere"
        elsewhere.mkdir()
        yield Progress(1, "Preparing the photos")
        photos = await self._prepared(request, plan, elsewhere)
        followed = Followed()
        if request.left is not None:
            async for event in self._follower.find(request.left, request.mode, followed):
                yield event
        if followed.job is None:
            yield Progress(3, "Sending the photos")
            async for event in self._begun(request.mode, plan, photos, followed):
                yield event
        async for event in self._follower.follow(followed):
            yield event
        assert followed.job is not None and followed.finished is not None  # noqa: PT018, S101
        yield Progress(ENDS, "Fetching the picture")
        try:
            done, several = await self._brought(request, plan, photos, followed, elsewhere / "result")
        except (EngineError, DriverError) as error:
            if _useless(error):
                yield JobOver(followed.job)
            raise
        for file in done.files:
            kind = cast("Literal['output', 'thumbnail', 'comparison']", file.kind)
            yield Artifact(kind, Path(file.path), file.content_type, file.width, file.height)
        told = ["The workflow gave several pictures; the first was taken."] if several else []
        seconds = round(time.perf_counter() - started, 3)
        warnings = [*plan.filling.warnings, *told, *done.metadata["warnings"]]
        yield Finished(
            {**done.metadata, "engine": self.name, "warnings": warnings, "seconds": {"Making the picture": seconds}}
        )

    async def _begun(
        self, mode: Mode, plan: _Plan, photos: dict[str, Path], followed: Followed
    ) -> AsyncGenerator[EngineEvent]:
        """Start a job at the best place.

        At the next if that refuses it, for it may lack a node that others have; and again for a while where it is away,
        and no start was sent.
        """
        refused: dict[str, DriverError] = {}
        loop = asyncio.get_running_loop()
        until = loop.time() + following.AWAY_FOR
        while followed.job is None:
            draft = await patiently(self.driver, lambda: self.driver.draft(mode))
            if draft.place in refused:
                raise refused[draft.place]
            try:
                values = await self._values(draft, plan, photos)
                work = Work(mode, plan.graph, values, plan.places.output)
                async for event in self._follower.start(draft, work, followed):
                    yield event
            except DriverError as error:
                if error.fate is Fate.REFUSED:
                    refused[draft.place] = error
                elif error.fate is not Fate.AWAY or followed.sent or loop.time() > until:
                    raise
                else:
                    await asyncio.sleep(self.driver.look_every)

    async def _plan(self, request: EditRequest) -> _Plan:
        mode = request.mode
        graph = await patiently(self.driver, lambda: self.driver.graph(mode))
        try:
            places = find_places(graph, self._settings.nodes.get(mode, {}), fillable(mode, CONFIG_TYPES[mode]))
        except WorkflowError as error:
            message = "The engine isn't set up for this edit. Its operator has to mend that."
            raise DriverError(Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE, message, detail=str(error)) from error
        return _Plan(graph, places, fill(places, mode, request.config, referred=request.reference is not None))

    async def _prepared(self, request: EditRequest, plan: _Plan, workspace: Path) -> dict[str, Path]:
        """The photos as they are sent, by `source` and `reference`."""
        done = await self._desk.do(
            wire.PreparePhotos(
                mode=request.mode,
                source=_path(request.source),
                reference=request.reference and _path(request.reference),
                config=cast("dict[str, Any]", msgspec.to_builtins(request.config)),
                referred=plan.places.reference is not None,
                workspace=_path(workspace),
                max_pixels=request.max_pixels,
            )
        )
        return {file.kind: Path(file.path) for file in done.files}

    async def _values(self, draft: RemoteJob, plan: _Plan, photos: dict[str, Path]) -> list[Value]:
        """Everything that the job puts into its workflow, the photos sent."""
        sent = {"source": plan.places.source, "reference": plan.places.reference}
        values = list(plan.filling.values)
        for kind, place in sent.items():
            if place is not None:
                name = f"darkroom-{draft.job_id or id(draft)}-{kind}.jpg"
                values.append(Value(place, await self.driver.upload(draft, photos[kind], name)))
        return values

    async def _brought(
        self, request: EditRequest, plan: _Plan, photos: dict[str, Path], followed: Followed, picture: Path
    ) -> tuple[Done, bool]:
        """The pictures made of what a job has left, and whether it left several.

        Raises:
            DriverError, EngineError: there is none, or none of use, whenever it is fetched.
        """
        assert followed.job is not None and followed.finished is not None  # noqa: PT018, S101
        for tries_left in reversed(range(FETCH_TRIES)):
            try:
                output, several = _result(followed.finished.outputs, plan.places.output)
                await self._fetch(followed.job, output, picture)
                return await self._desk.do(self._finish(request, photos, picture)), several
            except (EngineError, DriverError) as error:
                if not tries_left or not _may_be_fetched_again(error):
                    raise
            await asyncio.sleep(self.driver.look_every)
            # A link may have run out, or what it leads to not be there yet: it is asked for anew.
            await self._follower.look_again(followed)
        raise AssertionError("the last try returns or raises")

    async def _fetch(self, job: RemoteJob, output: Output, picture: Path) -> None:
        try:
            await self.driver.fetch(job, output, picture, MOST_BYTES)
        except OSError as error:
            message = "The result could not be saved. Please try again."
            raise EngineError(FailureCode.RESULT_SAVE_FAILED, message, transient=True) from error

    def _finish(self, request: EditRequest, photos: dict[str, Path], picture: Path) -> wire.FinishPicture:
        config = request.config
        removed = isinstance(config, BackgroundChangeConfig) and config.background_type is BackgroundType.REMOVE
        on_reference = request.mode is Mode.HEAD_SWAP and "reference" in photos
        return wire.FinishPicture(
            picture=_path(picture),
            photo=_path(photos["source"]),
            canvas=_path(photos["reference" if on_reference else "source"]),
            long_edge=LONG_EDGE[config.size or Size.MEDIUM],
            transparent=removed,
            provenance=self._settings.provenance.get(request.mode, Provenance.GENERATED),
            workspace=_path(request.workspace),
            max_pixels=request.max_pixels,
        )


def _may_be_fetched_again(error: EngineError | DriverError) -> bool:
    """Whether what was fetched, or wasn't, may be another the next time."""
    if isinstance(error, DriverError):
        return error.fate in {Fate.AWAY, Fate.TRANSIENT}
    return error.code is FailureCode.ENGINE_RESPONSE_ERROR


def _useless(error: EngineError | DriverError) -> bool:
    """Whether what a job left is of no use: then the next attempt must not find it again.

    It is while nobody can ask for it, and where the fault is on this side: it was made and paid for.
    """
    if isinstance(error, DriverError):
        return error.fate not in _STANDING
    return error.code is FailureCode.ENGINE_RESPONSE_ERROR


def _path(path: Path) -> str:
    """As the child process, whose working directory may be another, is told it."""
    return str(path.absolute())


def _result(outputs: Any, node: str) -> tuple[Output, bool]:
    """The picture among what a job has left, and whether there were several.

    Raises:
        DriverError: there is none.
    """
    fitting = [output for output in outputs if output.node in {node, ""}]
    if not fitting:
        message = "The engine ended without a picture."
        detail = f"no picture of node {node}, but of {sorted({output.node for output in outputs})}"
        raise DriverError(Fate.FINAL, FailureCode.ENGINE_RESPONSE_ERROR, message, detail=detail)
    return fitting[0], len(fitting) > 1
