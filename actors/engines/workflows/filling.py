"""What of a task's `config` a workflow carries out: values for its nodes, a warning for each field without one."""

import secrets
from typing import Any

import msgspec
from msgspec import Struct

from actors.engines.workflows.driver import Value
from actors.engines.workflows.graph import Places
from schema.models.edits import (
    PRESET_FIELDS,
    REFERENCE_FIELDS,
    AnyConfig,
    BackgroundChangeConfig,
    BackgroundType,
    Mode,
    Quality,
)

SEEDS = 2**32
"""How many there are that every node takes."""


class Filling(Struct, frozen=True):
    """Values for a job's nodes but the photos, and what the user is told."""

    values: tuple[Value, ...]
    warnings: tuple[str, ...]


def fillable(mode: Mode, config_type: type[AnyConfig]) -> frozenset[str]:
    """The fields of a mode's `config` that a node may take; a reference is a photo."""
    return frozenset(config_type.__struct_fields__) - frozenset(REFERENCE_FIELDS[mode])


def fill(places: Places, mode: Mode, config: AnyConfig, *, referred: bool) -> Filling:
    """What is asked for, as values for nodes. `referred`: the task has a reference image."""
    asked: dict[str, Any] = {
        name: value
        for name, value in msgspec.to_builtins(config).items()
        if value is not None and name in fillable(mode, type(config))
    }
    values = [Value(place, asked[name]) for name, place in places.fields.items() if name in asked]
    values += [Value(place, secrets.randbelow(SEEDS)) for place in places.seeds]
    if places.prefix is not None:
        # Of an identical job ComfyUI gives the old file's name, and the file may be gone.
        values.append(Value(places.prefix, f"darkroom_{secrets.token_hex(8)}"))
    idle = [
        name for name in asked if name not in places.fields and not _met(name, places, mode, config, referred=referred)
    ]
    return Filling(tuple(values), tuple(f"{name} has no effect with this engine." for name in idle))


def _met(name: str, places: Places, mode: Mode, config: AnyConfig, *, referred: bool) -> bool:
    """Whether a field without a node is carried out all the same, by the photos sent or by the result's size."""
    if name == "size":
        return True
    if name == "quality":
        return config.quality not in {Quality.HIGH, Quality.ULTRA}
    if places.reference is None:
        return False
    if isinstance(config, BackgroundChangeConfig):
        kind = config.background_type
        if name == "background_type":
            # What was to be removed is looked for in the result.
            return True
        return name == "background_preset" and (kind is BackgroundType.PRESET or kind is None or not referred)
    return name == PRESET_FIELDS[mode] and mode is Mode.HEAD_SWAP and not referred
