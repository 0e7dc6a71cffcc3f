"""What the doctor tells of engines elsewhere: each server, its version, its queue, and what is left of its money."""

from collections.abc import AsyncGenerator

from actors.engines.workflows.checking import broken_links
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.driver import Driver, DriverError, Fate, ServerState
from actors.engines.workflows.filling import fillable
from actors.engines.workflows.graph import WorkflowError, find_places
from actors.engines.workflows.runninghub import RunningHub
from schema.models.edits import COMFYUI, CONFIG_TYPES, RUNNINGHUB
from schema.models.problems import FailureCode
from service.health.findings import Finding, ok, wrong
from service.settings import Settings
from service.settings.engines import what_an_engine_lacks, what_engines_lack
from service.telling.printable import printable

REMEDIES = {
    COMFYUI: "Is it running, and does COMFYUI_URL name it? Edits go on once it answers.",
    RUNNINGHUB: "Look at the account and its key there, and at RUNNINGHUB_URL and RUNNINGHUB_API_KEY here.",
}


async def engines(settings: Settings) -> AsyncGenerator[Finding]:
    """Every server of the engines that are set for some mode."""
    used = {name for names in settings.engines.values() for name in names}
    drivers: list[Driver] = []
    if COMFYUI in used:
        drivers.append(ComfyUI(settings.workflows))
    if RUNNINGHUB in used:
        drivers.append(RunningHub(settings.workflows))
    if lacking := what_engines_lack(settings):
        yield wrong("engines", lacking, "Set it, or another engine: docs/workflows.md tells how to bring a workflow.")
    for driver in drivers:
        try:
            states = await driver.states()
            for state in states:
                yield _finding(driver.name, state)
            # Who doesn't answer isn't waited for once more: files are here, whatever their servers do.
            if driver.name == COMFYUI or all(state.trouble is None for state in states):
                async for finding in _workflows(settings, driver):
                    yield finding
        finally:
            await driver.close()


async def _workflows(settings: Settings, driver: Driver) -> AsyncGenerator[Finding]:
    """Workflows that no edit can be made with; one that can't be asked for is its server's trouble."""
    for mode, names in settings.engines.items():
        if driver.name not in names or what_an_engine_lacks(driver.name, mode, settings.workflows):
            continue
        try:
            graph = await driver.graph(mode)
            find_places(graph, settings.workflows.nodes.get(mode, {}), fillable(mode, CONFIG_TYPES[mode]))
            amiss = next(broken_links(graph), None)
        except WorkflowError as error:
            amiss = str(error)
        except DriverError as error:
            its_own = (error.fate, error.code) == (Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE)
            amiss = error.detail if its_own else None
        if amiss is not None:
            yield wrong(f"{driver.name} {mode}", printable(amiss), "Look with `darkroom workflow check`.")


def _finding(engine: str, state: ServerState) -> Finding:
    counts = ((state.running, "running"), (state.waiting, "waiting"))
    parts = [
        *([f"version {state.version}"] if state.version else []),
        *(f"{count} {word}" for count, word in counts if count is not None),
        *([f"{state.money} left"] if state.money else []),
    ]
    about = printable(", ".join(parts))
    if state.trouble is None:
        return ok(f"{engine} {state.name}", about or "answers")
    return wrong(
        f"{engine} {state.name}", printable(state.trouble) + (f" ({about})" if about else ""), REMEDIES[engine]
    )
