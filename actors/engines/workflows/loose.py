"""JSON that others write: whatever a part of it should be, it is taken as an object or a list, or as nothing."""

from typing import Any, cast


def as_object(found: object) -> dict[str, Any] | None:
    """The object, None where something else was written."""
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def as_list(found: object) -> list[Any] | None:
    """The list, likewise."""
    return cast("list[Any]", found) if isinstance(found, list) else None


def object_of(found: object) -> dict[str, Any]:
    """The object, empty where something else was written."""
    return as_object(found) or {}


def list_of(found: object) -> list[Any]:
    """The list, likewise."""
    return as_list(found) or []


def objects_in(found: object) -> list[dict[str, Any]]:
    """The objects among what a list holds."""
    return [one for one in map(as_object, list_of(found)) if one is not None]
