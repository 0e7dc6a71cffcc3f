"""Which engine makes which edit. Importing this loads nothing native, and no engine before it is asked for."""

from collections.abc import Mapping
from typing import Any

from actors.engines.local.engine import LocalEngine
from actors.engines.seam import Engine
from schema.models.edits import ENGINE_MODES, Mode

ENGINES: dict[str, type[Any]] = {engine.name: engine for engine in (LocalEngine,)}
"""Engine classes by name; each takes `threads`."""


def engines_for(routes: Mapping[Mode, str], *, threads: int) -> dict[Mode, Engine]:
    """New engines, not started, for the modes that the engines named for them make; one that makes several is one.

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
