"""msgspec's words for what doesn't fit, in words for the person who sent it."""

import re
from collections.abc import Callable

AT_PATH = re.compile(r"^(.*?) - at `\$\.?([^`]*)`$", re.DOTALL)

KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _kind(match: str) -> str:
    """`float | null` is a number: that null may be sent, too, is no help to who sent something else."""
    kinds = [KINDS.get(name, name) for name in match.split(" | ") if name != "null"]
    return " or ".join(kinds) or KINDS["null"]


RULES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
    (re.compile(r"^Expected `(?:float|int)` <= ([\d.-]+)"), lambda m: f"takes a number up to {float(m[1]):g}"),
    (re.compile(r"^Expected `(?:float|int)` >= ([\d.-]+)"), lambda m: f"takes a number from {float(m[1]):g}"),
    (re.compile(r"^Expected `str` of length <= (\d+)"), lambda m: f"takes at most {m[1]} characters"),
    (re.compile(r"^Expected `str` matching regex"), lambda _: "takes an id or a name: letters, digits, - and _"),
    (re.compile(r"^Expected `([^`]+)`, got `([^`]+)`"), lambda m: f"takes {_kind(m[1])}, not {_kind(m[2])}"),
    (
        re.compile(r"^Invalid enum value ('.*')$", re.DOTALL),
        lambda m: f"doesn't know {m[1][:60]}; see GET /api/v1/modes",
    ),
    (re.compile(r"^Object missing required field `([^`]*)`"), lambda _: "is required"),
    (re.compile(r"^Object contains unknown field `([^`]*)`"), lambda _: "there is no such field"),
]


def explain_validation(message: str) -> tuple[str, str]:
    """The path of the input at fault (empty for the whole), and what is wrong with it.

    >>> explain_validation("Expected `float` <= 10.0 - at `$.config.edge_blur`")
    ('config.edge_blur', 'takes a number up to 10')
    """
    path = ""
    if match := AT_PATH.match(message):
        message, path = match[1], match[2]
    for pattern, words in RULES:
        if match := pattern.match(message):
            if match[0].startswith("Object "):
                path = f"{path}.{match[1]}" if path else match[1]
            return path, words(match)
    return path, message
