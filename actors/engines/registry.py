"""Which engines there are, by name. Importing this loads nothing native, and no engine before it is asked for."""

from typing import Any

from actors.engines.local.engine import LocalEngine
from actors.engines.seam import Engine
from schema.models.edits import ENGINE_MODES, Mode

ENGINES: dict[str, type[Any]] = {LocalEngine.name: LocalEngine}
"""Engine classes by name; each takes `threads`."""

if ENGINES.keys() != ENGINE_MODES.keys():
    raise AssertionError("Every engine of the schema is registered, and no other")


def modes_of(name: str) -> frozenset[Mode]:
    """The modes that the engine `name` can do.

    Raises:
        KeyError: there is no such engine.
    """
    return ENGINE_MODES[name]


def engine_for(name: str, *, threads: int) -> Engine:
    """A new engine, not started. `threads` bounds what one edit computes with on this machine.

    Raises:
        KeyError: there is no such engine.
    """
    return ENGINES[name](threads=threads)
