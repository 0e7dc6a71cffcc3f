"""The local engine as a worker sees it: edits made in a warm child process that may crash, hang or be ended."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from actors.engines.local import wire
from actors.engines.local.process import ChildGoneError, ChildProcess
from actors.engines.seam import Artifact, EditRequest, EngineError, EngineEvent, Finished, Progress
from schema.models.edits import ENGINE_MODES, LOCAL, Mode
from schema.models.problems import FailureCode

_log = logging.getLogger(__name__)

_START_SECONDS = 120
"""A child that hasn't loaded everything by then never will."""
_POLITE_SECONDS = 0.3
"""An edit that is to stop may reach its next step within this time; then its process is killed."""


class LocalEngine:
    """Makes edits one at a time, in one child process that stays warm between them.

    `threads` bounds the threads that an edit computes with. Not safe for use from two event loops.
    """

    name = LOCAL

    def __init__(self, *, threads: int) -> None:
        self._threads = threads
        self._starting: asyncio.Task[ChildProcess] | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    def modes(self) -> frozenset[Mode]:
        """The modes this engine can do."""
        return ENGINE_MODES[self.name]

    @property
    def pid(self) -> int | None:
        """The child process, None while there is none."""
        child = self._child_if_there()
        return child.pid if child is not None else None

    async def start(self) -> None:
        """Have a warm child process; safe to call twice.

        Raises:
            EngineError: ENGINE_NOT_AVAILABLE: it doesn't start.
        """
        self._closed = False
        await self._child()

    async def run(self, request: EditRequest) -> AsyncGenerator[EngineEvent]:
        """Make one edit; see `Engine.run`."""
        if request.mode not in self.modes():
            raise EngineError(
                FailureCode.ENGINE_NOT_AVAILABLE,
                f"{request.mode} isn't available on this server's engine.",
                details={"mode": request.mode},
            )
        async with self._turn:
            child, report = await self._begun(_order(request))
            settled = False
            try:
                while True:
                    # What follows the last report is the caller's time, not the child's: it may be closed there.
                    settled = not isinstance(report, wire.Stepped | wire.Written)
                    if isinstance(report, wire.Failed) and report.code == FailureCode.PROCESSING_FAILED:
                        _log.error("The engine failed: %s", child.last_words)
                    yield _event(report)
                    if settled:
                        return
                    report = await child.receive()
            except ChildGoneError as error:
                settled = True
                self._warm_up()
                raise _crashed(error) from error
            finally:
                if not settled:
                    await _undisturbed(self._stop(child))

    async def close(self) -> None:
        """End the child; a running edit is stopped."""
        self._closed = True
        starting, self._starting = self._starting, None
        if starting is None:
            return
        starting.cancel()
        with suppress(asyncio.CancelledError, ChildGoneError, OSError, TimeoutError):
            await (await starting).kill()

    def _child_if_there(self) -> ChildProcess | None:
        starting = self._starting
        if starting is None or not starting.done() or starting.cancelled() or starting.exception() is not None:
            return None
        child = starting.result()
        return child if child.alive else None

    async def _child(self) -> ChildProcess:
        """A child that is ready: the one there is, or a new one."""
        if self._starting is None or (self._starting.done() and self._child_if_there() is None):
            self._warm_up()
        assert self._starting is not None  # noqa: S101
        try:
            # Shielded: an edit that is cancelled here leaves the child to warm up for the next.
            return await asyncio.shield(self._starting)
        except (ChildGoneError, OSError, TimeoutError) as error:
            _log.error("The engine's child process doesn't start: %s", error)
            raise EngineError(
                FailureCode.ENGINE_NOT_AVAILABLE,
                "The engine doesn't start on this server at the moment. Please try again later.",
                transient=True,
            ) from error

    async def _begun(self, order: wire.StartEdit) -> tuple[ChildProcess, wire.Report]:
        """Give `order` to a child; returns the child and its first report."""
        for last_try in (False, True):
            child = await self._child()
            settled = False
            try:
                await child.send(order)
                report = await child.receive()
            except ChildGoneError as error:
                settled = True
                self._warm_up()
                # The first report comes before anything is opened: it died while it waited, not of this edit.
                if last_try:
                    raise _crashed(error) from error
            else:
                settled = True
                return child, report
            finally:
                if not settled:
                    await _undisturbed(self._stop(child))
        raise AssertionError("unreachable")

    def _warm_up(self) -> None:
        """Start a new child in the background."""
        if not self._closed:
            self._starting = asyncio.create_task(_started(self._threads))

    async def _stop(self, child: ChildProcess) -> None:
        """End the running edit: politely, so that the child stays warm, else with its process."""
        try:
            async with asyncio.timeout(_POLITE_SECONDS):
                await child.send(wire.StopEdit())
                while isinstance(await child.receive(), wire.Stepped | wire.Written):
                    pass
        except (TimeoutError, ChildGoneError):
            await child.kill()
            self._warm_up()


async def _started(threads: int) -> ChildProcess:
    """A child that has loaded everything. Raises ChildGoneError, OSError or TimeoutError."""
    child = await ChildProcess.start(threads)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await child.ready()
    except BaseException:
        await _undisturbed(child.kill())
        raise
    return child


def _crashed(error: ChildGoneError) -> EngineError:
    _log.warning("%s", error)
    return EngineError(
        FailureCode.PROCESSING_FAILED,
        "The edit was interrupted by a fault of the engine. Please try again, or with a smaller photo.",
        transient=True,
        crashed=True,
    )


async def _undisturbed(work: Any) -> None:
    """Do `work` to its end even if this task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _order(request: EditRequest) -> wire.StartEdit:
    return wire.StartEdit(
        mode=request.mode,
        source=str(request.source.absolute()),
        reference=None if request.reference is None else str(request.reference.absolute()),
        config=cast("dict[str, Any]", msgspec.to_builtins(request.config)),
        workspace=str(request.workspace.absolute()),
        max_pixels=request.max_pixels,
    )


def _event(report: wire.Report) -> EngineEvent:
    """The event a report stands for. Raises EngineError for one that tells of a failure."""
    match report:
        case wire.Stepped():
            return Progress(report.percent, report.step)
        case wire.Written():
            kind = cast("Literal['output', 'thumbnail', 'comparison']", report.kind)
            return Artifact(kind, Path(report.path), report.content_type, report.width, report.height)
        case wire.Done():
            return Finished(report.metadata)
        case wire.Failed():
            raise EngineError(
                FailureCode(report.code), report.message, details=report.details, transient=report.transient
            )
        case wire.Ready() | wire.Stopped():
            raise EngineError(FailureCode.PROCESSING_FAILED, "The engine lost track of the edit.", transient=True)
