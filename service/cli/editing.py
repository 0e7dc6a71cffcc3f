"""One edit on local files, without servers of ours: what `darkroom edit` and `darkroom workflow run` share."""

import logging
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING

import click
import msgspec

from schema.models.edits import CONFIG_TYPES, REFERENCE_FIELDS, AnyConfig, Mode
from schema.models.engines import RemoteJob
from service.cli.group import Interrupted
from service.cli.kinds import Place
from service.telling.destinations import Destination
from service.telling.printable import printable
from service.telling.wording import explain_malformed, explain_validation

if TYPE_CHECKING:
    import asyncio

    from actors.engines.seam import Artifact, Engine, EngineError, EngineEvent

    _Left = RemoteJob | asyncio.Task[RemoteJob]
    """What still runs elsewhere, or is just being started there."""

_MAX_PIXELS = 40_000_000
_LAST_MOMENT = 3.0
"""Seconds that whoever stops waits for the id of a job that is just being started."""
LARGEST_PHOTO = 256 << 20
"""Bytes: more than so many pixels take in 16 bits a colour. It is read whole."""


class _ModeType(click.Choice[str]):
    """A mode in any letters; shown, and refused, as the API spells it."""

    def normalize_choice(self, choice: object, ctx: click.Context | None) -> str:
        return super().normalize_choice(choice, ctx).upper()


mode_type = _ModeType([mode.value for mode in Mode], case_sensitive=False)
config_option = click.option(
    "--config", default="{}", metavar="JSON", help="The edit's configuration, as in POST /api/v1/tasks."
)
output_option = click.option("-o", "--output", required=True, type=Place(), help="Where the result goes.")


class Order:
    """What is to be edited, judged before anything is started.

    Raises:
        click.UsageError: the configuration isn't one.
        CannotWriteError: the result can't go there.
    """

    def __init__(self, mode: Mode, source: Path, reference: Path | None, config: str, output: Path) -> None:
        self.mode = mode
        self.source = source
        self.reference = reference
        self.config = _config(mode, config)
        self.output = output
        self.destination = Destination(output)


def make(order: Order, engine: "Callable[[], Engine]", explain: "Callable[[EngineError], str]") -> None:
    """Make the edit with a new engine, and tell of it on stderr.

    Raises:
        click.ClickException: it can't be made; with the line that `explain` gives.
        Interrupted: Ctrl-C.
    """
    # What the engine logs is for services; here the one line of the error tells it.
    logging.getLogger("actors.engines").addHandler(logging.NullHandler())
    import asyncio

    from actors.engines.seam import EngineError

    began = time.monotonic()
    try:
        made, size = asyncio.run(_made(order, engine()))
    except EngineError as error:
        raise click.ClickException(explain(error)) from None
    except KeyboardInterrupt:
        raise Interrupted("stopped; nothing was written") from None
    took = time.monotonic() - began
    click.echo(f"{order.output}: {made.width} x {made.height} pixels, {size:,} bytes, in {took:.1f} s", err=True)


def explained(error: "EngineError") -> str:
    """Of an engine elsewhere, for an operator: also what only the log would tell."""
    from actors.engines.workflows.driver import DriverError

    cause = error.__cause__
    detail = cause.detail if isinstance(cause, DriverError) else ""
    return printable(f"{error.message} ({detail})" if detail else error.message, keep="\n")


def _config(mode: Mode, text: str) -> AnyConfig:
    """The configuration that `text` spells.

    Raises:
        click.UsageError: it is no JSON, not what the mode understands, or names a file that only an upload has.
    """
    body = text.encode(errors="surrogateescape")
    try:
        config = msgspec.json.decode(body, type=CONFIG_TYPES[mode])
    except msgspec.ValidationError as error:
        path, words = explain_validation(str(error), CONFIG_TYPES[mode])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        path, words = "", explain_malformed(str(error), body)
    else:
        named = [name for name in REFERENCE_FIELDS[mode] if getattr(config, name) is not None]
        if not named:
            return config
        path, words = named[0], "names an upload, and here are none: give the picture's file as REFERENCE"
    raise click.UsageError(f"--config: {path}: {words}" if path else f"--config: {words}")


async def _made(order: Order, engine: "Engine") -> "tuple[Artifact, int]":
    """The output, and its size in bytes."""
    from actors.engines.seam import EditRequest

    left: list[_Left] = []
    with tempfile.TemporaryDirectory(prefix="darkroom-") as workspace:
        request = EditRequest(order.mode, order.source, order.reference, order.config, Path(workspace), _MAX_PIXELS)
        try:
            async with aclosing(engine.run(request)) as events:
                made = await _followed(events, left)
            with made.path.open("rb") as picture, order.destination.writing() as written:
                copyfileobj(picture, written)
            return made, made.path.stat().st_size
        finally:
            await _stop(engine, left)
            await engine.close()


async def _stop(engine: "Engine", left: "list[_Left]") -> None:
    """Stop what still runs elsewhere: nobody waits for it."""
    from actors.engines.workflows.engine import WorkflowEngine

    if isinstance(engine, WorkflowEngine):
        for one in left:
            if (job := one if isinstance(one, RemoteJob) else await _once_started(one)) is not None:
                await engine.stop(job)


async def _once_started(start: "asyncio.Task[RemoteJob]") -> RemoteJob | None:
    import asyncio

    await asyncio.wait({start}, timeout=_LAST_MOMENT)
    return start.result() if start.done() and start.exception() is None else None


async def _followed(events: "AsyncGenerator[EngineEvent]", left: "list[_Left]") -> "Artifact":
    """Tell each event on stderr if somebody watches; returns the output. `left` has what still runs elsewhere."""
    from actors.engines.seam import Artifact, Finished, JobBegun, JobOver, JobStarting, Progress

    watched = sys.stderr.isatty()
    made: Artifact | None = None
    async for event in events:
        match event:
            case Progress() if watched:
                click.echo(f"\r\033[K{event.percent:3d} %  {event.step}", nl=False, err=True)
            case Artifact(kind="output"):
                made = event
            case JobStarting():
                left[:] = [event.start]
            case JobBegun(started=True):
                left[:] = [event.job]
            case JobOver():
                left.clear()
            case Finished():
                left.clear()
                if watched:
                    click.echo("\r\033[K", nl=False, err=True)
                for warning in event.metadata["warnings"]:
                    click.echo(f"Note: {warning}", err=True)
            case _:
                pass
    assert made is not None  # noqa: S101 - an engine that finishes has made its output
    return made
