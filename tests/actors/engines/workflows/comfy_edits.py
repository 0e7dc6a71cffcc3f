"""Edits by ComfyUI, followed by tests."""

from collections.abc import Callable
from contextlib import aclosing

from actors.engines.seam import EditRequest, EngineError, EngineEvent, JobBegun, Progress
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.desk import Desk
from actors.engines.workflows.engine import WorkflowEngine
from schema.models.edits import BackgroundChangeConfig, Mode, Size
from schema.models.engines import Provenance, RemoteJob, WorkflowSettings
from tests.actors.engines.workflows.workflows import SAMPLES

MODE = Mode.BACKGROUND_CHANGE
FILES = {mode: str(SAMPLES / f"{mode.lower()}.json") for mode in Mode}
SMALL = BackgroundChangeConfig(size=Size.SMALL)

NewRequest = Callable[..., EditRequest]


def new_engine(desk: Desk, *urls: str) -> WorkflowEngine:
    settings = WorkflowSettings(
        comfyui_urls=urls, comfyui_workflows=FILES, provenance={Mode.POSE_CHANGE: Provenance.COMPOSITE}
    )
    return WorkflowEngine(ComfyUI(settings), settings, desk)


async def made(engine: WorkflowEngine, request: EditRequest) -> list[EngineEvent]:
    async with aclosing(engine.run(request)) as events:
        return [event async for event in events]


async def refusal(
    engine: WorkflowEngine, request: EditRequest, at: Callable[[EngineEvent], object] = lambda _: None
) -> tuple[EngineError, list[EngineEvent]]:
    """The error of an edit that isn't made, and what came before; `at` is told of each event."""
    seen: list[EngineEvent] = []
    try:
        async with aclosing(engine.run(request)) as events:
            async for event in events:
                seen.append(event)
                at(event)
    except EngineError as error:
        return error, seen
    raise AssertionError("it was made")


async def running(engine: WorkflowEngine, request: EditRequest, until: Callable[[EngineEvent], bool]) -> RemoteJob:
    """Follow an edit until `until`, let go of it, and tell its job."""
    job: RemoteJob | None = None
    async with aclosing(engine.run(request)) as events:
        async for event in events:
            if isinstance(event, JobBegun):
                job = event.job
            if until(event):
                assert job is not None
                return job
    raise AssertionError("it ended before")


def at_work(event: EngineEvent) -> bool:
    return isinstance(event, Progress) and event.step == "Making the picture"


def begun(event: EngineEvent) -> bool:
    return isinstance(event, JobBegun) and event.started
