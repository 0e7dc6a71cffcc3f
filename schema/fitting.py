"""Configurations that the system before this one accepted, brought into what an edit takes here."""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

from schema.models.edits import CONFIG_TYPES, Mode

Field = tuple[Any, tuple[float, float] | None]
"""A field's type, and between what it must be if it is a number with bounds."""


def fitting(mode: Mode, config: dict[str, Any]) -> dict[str, float | None]:
    """What stands for the values that can't be used: the nearest number that can, or None, which is as if left out.

    Numbers and truths may be text. Keys that the mode doesn't know are nobody's business here.
    """
    return {
        name: _nearest(config[name], bounds)
        for name, (type_, bounds) in _fields(mode).items()
        if name in config and not _fits(config[name], type_)
    }


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _nearest(value: Any, bounds: tuple[float, float] | None) -> float | None:
    try:
        number = msgspec.convert(value, float, strict=False)
    except msgspec.ValidationError:
        return None
    return None if bounds is None or math.isnan(number) else min(max(number, bounds[0]), bounds[1])


@lru_cache
def _fields(mode: Mode) -> dict[str, Field]:
    hints = get_type_hints(CONFIG_TYPES[mode], include_extras=True)
    return {name: (type_, next(_bounds(inspect.type_info(type_)), None)) for name, type_ in hints.items()}


def _bounds(info: inspect.Type) -> Iterator[tuple[float, float]]:
    match info:
        case inspect.Metadata(inner):
            yield from _bounds(inner)
        case inspect.UnionType(types):
            for one in types:
                yield from _bounds(one)
        case inspect.FloatType() if info.ge is not None and info.le is not None:
            yield info.ge, info.le
        case _:
            pass
