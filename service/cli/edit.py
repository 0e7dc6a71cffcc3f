"""`darkroom edit`: one edit on local files, without servers."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import click
import msgspec

from schema.models.edits import CONFIG_TYPES, AnyConfig, Mode
from service.cores import usable_cores

_ENGINE = "local"
_MAX_PIXELS = 40_000_000


@click.command()
@click.argument("mode", type=click.Choice([mode.value for mode in Mode], case_sensitive=False))
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the result goes."
)
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
    if not output.absolute().parent.is_dir():
        raise click.ClickException(f"There is no directory {output.absolute().parent}")
    # What the engine logs is for services; here the one line of the error tells it.
    logging.getLogger("actors.engines").addHandler(logging.NullHandler())
    # Not needed for --help, nor by the other commands.
    from actors.engines.seam import EngineError  # noqa: PLC0415

    try:
        asyncio.run(_edit(chosen, source, reference, wanted, output))
    except EngineError as error:
        raise click.ClickException(error.message) from None
    except OSError as error:
        raise click.ClickException(f"The result can't be written to {output}: {error.strerror or error}") from None
    except KeyboardInterrupt:
        raise click.ClickException("Stopped; nothing was written") from None


def _config(mode: Mode, text: str) -> AnyConfig:
    """The configuration that `text` spells.

    Raises:
        click.UsageError: it is no JSON, or not what the mode understands.
    """
    try:
        return msgspec.json.decode(text, type=CONFIG_TYPES[mode])
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"--config: {error}") from None


async def _edit(mode: Mode, source: Path, reference: Path | None, config: AnyConfig, output: Path) -> None:
    from actors.engines.registry import engine_for  # noqa: PLC0415
    from actors.engines.seam import EditRequest  # noqa: PLC0415

    engine = engine_for(_ENGINE, threads=usable_cores())
    with tempfile.TemporaryDirectory(prefix="darkroom-") as workspace:
        request = EditRequest(mode, source, reference, config, Path(workspace), _MAX_PIXELS)
        try:
            async with aclosing(engine.run(request)) as events:
                made = await _followed(events)
            # Beside its place first: the output is either the whole picture or what it was.
            aside = output.with_name(f".{output.name}.{os.getpid()}")
            try:
                shutil.copyfile(made, aside)
                aside.replace(output)
            finally:
                aside.unlink(missing_ok=True)
        finally:
            await engine.close()


async def _followed(events: "AsyncGenerator[object]") -> Path:
    """Tell each event on stderr if somebody watches; returns the output's path."""
    from actors.engines.seam import Artifact, Finished, Progress  # noqa: PLC0415

    watched = sys.stderr.isatty()
    made: Path | None = None
    async for event in events:
        if isinstance(event, Progress) and watched:
            click.echo(f"\r\033[K{event.percent:3d} %  {event.step}", nl=False, err=True)
        elif isinstance(event, Artifact) and event.kind == "output":
            made = event.path
        elif isinstance(event, Finished):
            if watched:
                click.echo("\r\033[K", nl=False, err=True)
            for warning in event.metadata["warnings"]:
                click.echo(f"Note: {warning}", err=True)
    assert made is not None  # noqa: S101 - an engine that finishes has made its output
    return made
