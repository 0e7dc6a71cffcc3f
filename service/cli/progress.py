"""How far long work is: a bar where somebody watches, now and then a line elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

import click

from service.legacy.telling import Finding

LINE_EVERY = 10.0
"""Seconds between two lines where nobody watches."""


class Bar:
    """On stderr, with the rate and the time left; what is found is counted, and told at the end of each part.

    A part of which nobody knows how long it is has lines instead.
    """

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._bar: Any = None
        self._name = ""
        self._done = 0
        self._found = 0
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._end()
        elif self._bar is not None:
            self._bar.__exit__(None, None, None)

    def phase(self, name: str, total: int | None) -> None:
        self._end()
        self._name, self._done, self._found = name, 0, 0
        self._began = self._told = time.monotonic()
        if self._watched and total:
            self._bar = click.progressbar(
                length=total,
                label=f"{name:<10}",
                show_pos=True,
                item_show_func=lambda _: f"{self._rate():,.0f}/s",
                file=sys.stderr,
            )
            self._bar.__enter__()

    def advance(self, records: int) -> None:
        self._done += records
        if self._bar is not None:
            self._bar.update(records, self._name)
        elif time.monotonic() - self._told > LINE_EVERY:
            self._told = time.monotonic()
            click.echo(f"{self._name}: {self._done:,} so far, {self._rate():,.0f}/s", err=True)

    def find(self, finding: Finding) -> None:  # noqa: ARG002 - the report has them
        self._found += 1

    def _rate(self) -> float:
        return self._done / max(time.monotonic() - self._began, 0.001)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
        if self._name:
            took = time.monotonic() - self._began
            found = f", {self._found:,} findings" if self._found else ""
            click.echo(f"{self._name}: {self._done:,} in {took:.1f} s ({self._rate():,.0f}/s){found}", err=True)
            self._name = ""
