"""What kinds of arguments commands take, where click's own would take too much."""

import re
from pathlib import Path
from typing import Any, Final

import click

WHOLE: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)


class WholeNumber(click.IntRange):
    """A whole number in plain digits; Python's `int` reads `1_000`, too, and the digits of every script."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if WHOLE.fullmatch(str(value).strip()) is None:
            self.fail(f"{value!r} is no whole number", param, ctx)
        return super().convert(value, param, ctx)


class Place(click.Path):
    """The path of a file or directory. An empty one, as of a variable that isn't set, would be where one stands."""

    def __init__(self, *, exists: bool = False, file_okay: bool = True) -> None:
        super().__init__(exists=exists, file_okay=file_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not value.strip():
            self.fail("it is empty: a variable that isn't set?", param, ctx)
        return super().convert(value, param, ctx)
