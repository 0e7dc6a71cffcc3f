"""The engines of a worker, the slots they work in, and the routes between modes and engines: made from the settings."""

from collections.abc import Mapping

from msgspec import Struct

from actors.bench import Slot
from actors.engines.registry import ENGINES, workflow_engines
from actors.engines.seam import Engine
from actors.engines.workflows.desk import Desk
from actors.engines.workflows.engine import WorkflowEngine
from actors.routing import RoutedSlot, Routes
from schema.models.edits import COMFYUI, ENGINE_MODES, LOCAL, RUNNINGHUB
from schema.models.engines import WorkflowSettings
from service.settings import Settings


class Staff(Struct, frozen=True):
    """Who works here; `desk` handles pictures of engines elsewhere.

    `engines` make edits. `elsewhere` are those whose jobs run elsewhere, by name, also where no mode is theirs now:
    what one of them was left with is to be stopped.
    """

    routes: Routes
    slots: list[Slot]
    engines: list[Engine]
    elsewhere: Mapping[str, WorkflowEngine]
    desk: Desk

    async def close(self) -> None:
        """Free everything; edits made here are stopped, jobs elsewhere go on."""
        for engine in {*self.engines, *self.elsewhere.values()}:
            await engine.close()
        await self.desk.close()


def slots_of(settings: Settings) -> int:
    """How many edits a worker may have in hand at a time, here and elsewhere."""
    here, elsewhere = _kinds(settings)
    return here * settings.worker_slots + elsewhere * settings.worker_remote_slots


def staff_of(settings: Settings) -> Staff:
    """New engines, not started."""
    routed = {mode: [name for name in names if mode in ENGINE_MODES[name]] for mode, names in settings.engines.items()}
    routes = Routes(
        routed,
        away_seconds=settings.engine_away_seconds,
        at_once={RUNNINGHUB: settings.workflows.runninghub_concurrency},
    )
    desk = Desk(threads=settings.engine_threads)
    names = dict.fromkeys(name for set_for in routed.values() for name in set_for)
    elsewhere = workflow_engines([*names, *_reachable(settings.workflows)], settings.workflows, desk)
    makers = {name: engine for name, engine in elsewhere.items() if name in names}
    here, _ = _kinds(settings)
    local: list[Engine] = [ENGINES[LOCAL](threads=settings.engine_threads) for _ in range(here * settings.worker_slots)]
    slots: list[Slot] = [RoutedSlot(routes, {LOCAL: engine}) for engine in local]
    if makers:
        slots += [RoutedSlot(routes, makers) for _ in range(settings.worker_remote_slots)]
    return Staff(routes, slots, [*local, *makers.values()], elsewhere, desk)


def _reachable(workflows: WorkflowSettings) -> list[str]:
    """The engines elsewhere whose servers are set."""
    servers = {COMFYUI: workflows.comfyui_urls, RUNNINGHUB: workflows.runninghub_api_key}
    return [name for name, where in servers.items() if where]


def _kinds(settings: Settings) -> tuple[bool, bool]:
    """Whether edits are made here, and whether elsewhere."""
    names = {name for set_for in settings.engines.values() for name in set_for}
    return LOCAL in names, bool(names - {LOCAL})
