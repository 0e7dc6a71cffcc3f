"""Which engine makes which edit. Importing this loads nothing native, and no engine before it is asked for."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from actors.engines.local.engine import LocalEngine
from actors.engines.seam import Engine
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.desk import Desk
from actors.engines.workflows.driver import Driver
from actors.engines.workflows.engine import WorkflowEngine
from actors.engines.workflows.runninghub import RunningHub
from schema.models.edits import COMFYUI, ENGINE_MODES, RUNNINGHUB, Mode
from schema.models.engines import WorkflowSettings

ENGINES: dict[str, type[Any]] = {engine.name: engine for engine in (LocalEngine,)}
"""Engine classes by name, of those that make one edit at a time on this machine; each takes `threads`."""

DRIVERS: dict[str, Callable[[WorkflowSettings], Driver]] = {COMFYUI: ComfyUI, RUNNINGHUB: RunningHub}
"""What speaks with the servers of the engines that run workflows elsewhere, by the engine's name."""

if ENGINES.keys() | DRIVERS.keys() != ENGINE_MODES.keys():
    raise AssertionError("Every engine of the schema is registered, and no other")


def engines_for(routes: Mapping[Mode, str], *, threads: int) -> dict[Mode, Engine]:
    """New engines, not started, for the modes that the engines named for them make here; one that makes several is one.

    `threads` bounds what one edit computes with on this machine.
    """
    made: dict[str, Engine] = {}
    routed: dict[Mode, Engine] = {}
    for mode, name in routes.items():
        if name in ENGINES and mode in ENGINE_MODES[name]:
            if name not in made:
                made[name] = ENGINES[name](threads=threads)
            routed[mode] = made[name]
    return routed


def workflow_engines(names: Iterable[str], settings: WorkflowSettings, desk: Desk) -> dict[str, WorkflowEngine]:
    """Those of the engines named that run workflows elsewhere: each is one for all edits at a time."""
    return {name: WorkflowEngine(DRIVERS[name](settings), settings, desk) for name in names if name in DRIVERS}
