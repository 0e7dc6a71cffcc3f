"""JSON of the old system that PostgreSQL can't hold as it stands: all of it that can be held."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

MOST_DIGITS: Final = 1000
"""Of a whole number; Python refuses to read much longer ones."""

DEEPEST: Final = 200
"""Objects and lists in one another. What is nested as deeply as Python reads at all can't be handed on, compared or
answered with from everywhere; and how deep that is differs between its versions."""

LISTED: Final = 20
"""How many parts that were left out are named one by one."""

_LEFT_OUT: Final = object()
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def is_deep(text: bytes) -> bool:
    """Whether JSON may be nested more deeply than DEEPEST; nearly always that costs nothing to be denied."""
    return len(text) > DEEPEST and text.count(b"[") + text.count(b"{") > DEEPEST


def shallow(text: bytes, left_out: list[str]) -> bytes:
    """JSON with null in place of what is nested more deeply than DEEPEST; then `left_out` gets a line about it.

    As text, since nothing that nests it as deeply can read it.
    """
    parts: list[bytes] = []
    depth = kept = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in {b"[", b"{"}:
            depth += 1
            if depth == DEEPEST + 1:
                parts += (text[kept : token.start()], b"null")
        elif token[0] in {b"]", b"}"}:
            depth -= 1
            if depth == DEEPEST:
                kept = token.end()
    if not parts or depth > DEEPEST:  # or it breaks off in such a value, and is no JSON
        return text
    left_out.append(f"what is nested more deeply than {DEEPEST} levels was left out; null stands for it")
    return b"".join([*parts, text[kept:]])


def salvaged(text: bytes, left_out: list[str]) -> Any:
    """JSON as Python reads and writes it, without the parts that jsonb can't hold; `left_out` gets a line about each.

    Python writes NaN, Infinity and halves of surrogate pairs; files torn in a character's middle have bytes that are no
    text. Such a value, or a name like that, goes with what it names; an element of a list becomes null, so that the
    others keep their places.

    Raises:
        ValueError: It isn't JSON.
    """
    missing: list[str] = []
    try:
        parsed = json.loads(text.decode(errors="surrogateescape"), strict=False, parse_int=_integer)
        value = _cleaned(parsed, "", missing)
    except (ValueError, RecursionError):
        raise ValueError("it isn't valid JSON") from None
    left_out += missing[:LISTED]
    if len(missing) > LISTED:
        left_out.append(f"{len(missing) - LISTED} more values can't be kept and were left out")
    return None if value is _LEFT_OUT else value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else math.inf


def _cleaned(value: Any, path: str, missing: list[str]) -> Any:
    match value:
        case dict():
            return dict(_members(value, path, missing))  # pyright: ignore[reportUnknownArgumentType] - JSON's
        case list():
            cleaned = [_cleaned(one, f"{path}[{place}]", missing) for place, one in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            return [None if one is _LEFT_OUT else one for one in cleaned]
        case str() if not _is_text(value):
            reason = "has a NUL character" if "\0" in value else "has half a character"
        case float() if not math.isfinite(value):
            reason = "is not a number that can be kept"
        case _:
            return value
    missing.append(f"{path or 'it'} {reason} and was left out")
    return _LEFT_OUT


def _members(value: dict[str, Any], path: str, missing: list[str]) -> Iterator[tuple[str, Any]]:
    for name, member in value.items():
        shown = name.encode("ascii" if "\0" in name else "utf-8", "backslashreplace").decode().replace("\0", "\\0")
        place = f"{path}.{shown}" if path else shown
        if not _is_text(name):
            missing.append(f"{place} has a name that can't be kept and was left out")
        elif (cleaned := _cleaned(member, place, missing)) is not _LEFT_OUT:
            yield name, cleaned


def _is_text(text: str) -> bool:
    """Whether PostgreSQL can hold it."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
