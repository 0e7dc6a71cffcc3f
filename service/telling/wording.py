"""msgspec's words for what doesn't fit, in words for the person who sent it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

AT_PATH = re.compile(r"^(.*?) - at `\$\.?([^`]*)`$", re.DOTALL)

ANYWHERE = "[...]"
"""How msgspec writes a place in an object whose names it doesn't know."""

IN_A_LIST = re.compile(r"\[\d+\]")

KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "datetime": "a time",
    "null": "null",
}


def _kind(match: str) -> str:
    """`float | null` is a number: that null may be sent, too, is no help to who sent something else."""
    kinds = [KINDS.get(name, name) for name in match.split(" | ") if name != "null"]
    return " or ".join(kinds) or KINDS["null"]


NOT_VALID = "isn't valid here"

RULES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
    (re.compile(r"^Expected `(?:float|int)` <= ([\d.-]+)"), lambda m: f"takes a number up to {float(m[1]):g}"),
    (re.compile(r"^Expected `(?:float|int)` >= ([\d.-]+)"), lambda m: f"takes a number from {float(m[1]):g}"),
    (re.compile(r"^Expected `str` of length <= (\d+)"), lambda m: f"takes at most {m[1]} characters"),
    (re.compile(r"^Expected `array` of length <= (\d+)"), lambda m: f"takes at most {m[1]}"),
    (re.compile(r"^Expected `array` of length >= (\d+)"), lambda m: f"takes at least {m[1]}"),
    (re.compile(r"^Expected `str` of length >= 1\b"), lambda _: "may not be empty"),
    (re.compile(r"^Expected `str` of length >= (\d+)"), lambda m: f"takes at least {m[1]} characters"),
    (re.compile(r"^Expected `datetime` with a timezone"), lambda _: "takes a time with its offset, such as Z"),
    (re.compile(r"^Invalid RFC3339 encoded datetime"), lambda _: "takes a time like 2026-01-31T12:00:00Z"),
    (re.compile(r"^Expected `str` matching regex"), lambda _: "takes an id or a name: letters, digits, - and _"),
    (re.compile(r"^Expected `int(?: \| null)?`, got `float`"), lambda _: "takes a whole number, not a fraction"),
    (re.compile(r"^Expected `([^`]+)`, got `([^`]+)`"), lambda m: f"takes {_kind(m[1])}, not {_kind(m[2])}"),
    (re.compile(r"^Invalid enum value ('.*')$", re.DOTALL), lambda m: f"doesn't know {m[1][:60]}"),
    (re.compile(r"^(?:Number|Integer value) out of range"), lambda _: "holds a number that is out of range"),
    (re.compile(r"^Object missing required field `([^`]*)`"), lambda _: "is required"),
    (re.compile(r"^Object contains unknown field `([^`]*)`"), lambda _: "there is no such field"),
]


HALF_A_PAIR = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB]..(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])", re.DOTALL)
"""The escape of a first surrogate in JSON, and what comes instead of the second."""
MALFORMED = re.compile(r"JSON is malformed: ([a-z',: -]+) \(byte (\d+)\)")


def explain_malformed(message: str, body: bytes) -> str:
    """Why a body is no JSON, from msgspec's words about it, which call a lone surrogate truncated."""
    if "surrogate" in message or ("truncated" in message and HALF_A_PAIR.search(body)):
        return r"JSON holds half of a surrogate pair (\ud800 to \udfff), which is no character"
    if "truncated" in message:
        return "JSON is incomplete: its end is missing" if body.strip() else "is required: send JSON"
    if match := MALFORMED.fullmatch(message):
        return f"JSON is malformed at byte {match[2]}: {match[1]}"
    return "JSON is malformed"


def _inner(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """What a type is, without what is written around it."""
    if isinstance(info, msgspec.inspect.Metadata):
        yield from _inner(info.type)
    elif isinstance(info, msgspec.inspect.ListType):
        yield from _inner(info.item_type)
    elif isinstance(info, msgspec.inspect.UnionType):
        for one in info.types:
            yield from _inner(one)
    else:
        yield info


def _choices(kind: Any, path: str) -> list[str]:
    """The values of the enum at a path inside a struct type; none where there is none."""
    there = list(_inner(msgspec.inspect.type_info(kind)))
    for name in IN_A_LIST.sub("", path).split("."):
        fields = [field for one in there if isinstance(one, msgspec.inspect.StructType) for field in one.fields]
        there = [one for field in fields if field.encode_name == name for one in _inner(field.type)]
    return [str(value.value) for one in there if isinstance(one, msgspec.inspect.EnumType) for value in one.cls]


def explain_validation(message: str, kind: Any = None, *, at: str = "") -> tuple[str, str]:
    """The path of the input at fault (empty for the whole), and what is wrong with it.

    `kind` is the struct type that was expected: then the values that a field takes can be told. Where the message
    leaves the path out, `at` says it.

    >>> explain_validation("Expected `float` <= 10.0 - at `$.config.edge_blur`")
    ('config.edge_blur', 'takes a number up to 10')
    """
    path = ""
    if match := AT_PATH.match(message):
        message, path = match[1], match[2].replace(ANYWHERE, "").lstrip(".")
    for pattern, words in RULES:
        if match := pattern.match(message):
            if match[0].startswith("Object "):
                path = f"{path}.{match[1]}" if path else match[1]
            said = words(match)
            if match[0].startswith("Invalid enum") and kind is not None and (choices := _choices(kind, path or at)):
                said = f"{said}; it takes {', '.join(choices)}"
            return path, said
    return path, NOT_VALID
