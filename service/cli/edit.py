"""`darkroom edit`: one edit on local files, without servers."""

import logging
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING

import click
import msgspec

from schema.models.edits import CONFIG_TYPES, DEFAULT_ENGINE, AnyConfig, Mode
from service.cli.group import Interrupted
from service.cores import usable_cores
from service.destinations import Destination

if TYPE_CHECKING:
    from actors.engines.seam import Artifact

_MAX_PIXELS = 40_000_000


@click.command()
@click.argument(
    "mode", type=click.Choice([mode.value for mode in Mode], case_sensitive=False), metavar=f"[{'|'.join(Mode)}]"
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Where the result goes.")
@click.option("--config", default="{}", metavar="JSON", help="The edit's configuration, as in POST /api/v1/tasks.")
def edit(mode: str, source: Path, reference: Path | None, output: Path, config: str) -> None:
    """Edit the photo SOURCE, with the picture REFERENCE where MODE takes one.

    The result is a JPEG, or a PNG where it is transparent, whatever OUTPUT is called.
    """
    chosen = Mode(mode.upper())
    wanted = _config(chosen, config)
    for path in (source, reference):
        if path is not None and not path.is_file():
            raise click.ClickException(f"There is no file {path}")
    destination = Destination(output)
    # What the engine logs is for services; here the one line of the error tells it.
    logging.getLogger("actors.engines").addHandler(logging.NullHandler())
    import asyncio

    from actors.engines.local.brought.choice import UnusableModelError, demand_usable
    from actors.engines.seam import EngineError

    try:
        demand_usable()
    except UnusableModelError as error:
        raise click.ClickException(str(error)) from None
    began = time.monotonic()
    try:
        made, size = asyncio.run(_edit(chosen, source, reference, wanted, destination))
    except EngineError as error:
        raise click.ClickException(error.message) from None
    except KeyboardInterrupt:
        raise Interrupted("stopped; nothing was written") from None
    took = time.monotonic() - began
    click.echo(f"{output}: {made.width} x {made.height} pixels, {size:,} bytes, in {took:.1f} s", err=True)


def _config(mode: Mode, text: str) -> AnyConfig:
    """The configuration that `text` spells.

    Raises:
        click.UsageError: it is no JSON, or not what the mode understands.
    """
    try:
        return msgspec.json.decode(text, type=CONFIG_TYPES[mode])
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"--config: {error}") from None


async def _edit(
    mode: Mode, source: Path, reference: Path | None, config: AnyConfig, destination: Destination
) -> "tuple[Artifact, int]":
    """The output, and its size in bytes."""
    from actors.engines.registry import engines_for
    from actors.engines.seam import EditRequest

    engine = engines_for({mode: DEFAULT_ENGINE}, threads=usable_cores())[mode]
    with tempfile.TemporaryDirectory(prefix="darkroom-") as workspace:
        request = EditRequest(mode, source, reference, config, Path(workspace), _MAX_PIXELS)
        try:
            async with aclosing(engine.run(request)) as events:
                made = await _followed(events)
            with made.path.open("rb") as picture, destination.writing() as written:
                copyfileobj(picture, written)
            return made, made.path.stat().st_size
        finally:
            await engine.close()


async def _followed(events: AsyncGenerator[object]) -> "Artifact":
    """Tell each event on stderr if somebody watches; returns the output."""
    from actors.engines.seam import Artifact, Finished, Progress

    watched = sys.stderr.isatty()
    made: Artifact | None = None
    async for event in events:
        if isinstance(event, Progress) and watched:
            click.echo(f"\r\033[K{event.percent:3d} %  {event.step}", nl=False, err=True)
        elif isinstance(event, Artifact) and event.kind == "output":
            made = event
        elif isinstance(event, Finished):
            if watched:
                click.echo("\r\033[K", nl=False, err=True)
            for warning in event.metadata["warnings"]:
                click.echo(f"Note: {warning}", err=True)
    assert made is not None  # noqa: S101 - an engine that finishes has made its output
    return made
