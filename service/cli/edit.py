"""`darkroom edit`: one edit on local files, without servers of ours."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schema.models.edits import DEFAULT_ENGINE, ENGINE_MODES, LOCAL, Mode
from service.cli.editing import LARGEST_PHOTO, Order, config_option, explained, make, mode_type, output_option
from service.cli.kinds import Place
from service.cli.options import needless_data_dir_option
from service.cli.piped import as_files
from service.processes.cores import usable_cores
from service.settings.engines import load_workflow_settings, not_set, what_an_engine_lacks

if TYPE_CHECKING:
    from actors.engines.seam import Engine


@click.command()
@click.argument("mode", type=mode_type)
@click.argument("source", type=Place())
@click.argument("reference", type=Place(), required=False)
@output_option
@config_option
@click.option(
    "--engine",
    type=click.Choice(list(ENGINE_MODES), case_sensitive=False),
    default=DEFAULT_ENGINE,
    show_default=True,
    help="Who makes it; those elsewhere as COMFYUI_... or RUNNINGHUB_... say.",
)
@needless_data_dir_option
def edit(mode: str, source: Path, reference: Path | None, output: Path, config: str, engine: str) -> None:
    """Edit the photo SOURCE, with the picture REFERENCE where MODE takes one.

    The result is a JPEG, or a PNG where it is transparent, whatever OUTPUT is called.
    """
    with as_files(source, reference, most=LARGEST_PHOTO) as (photo, other):
        order = Order(Mode(mode), photo, other, config, output)
        if engine == LOCAL:
            _make_here(order)
        else:
            _make_elsewhere(order, engine)


def _make_here(order: Order) -> None:
    from actors.engines.local.brought.choice import UnusableModelError, demand_usable

    try:
        demand_usable()
    except UnusableModelError as error:
        raise click.ClickException(str(error)) from None
    make(order, lambda: _local(order.mode), lambda error: error.message)


def _local(mode: Mode) -> "Engine":
    from actors.engines.registry import engines_for

    return engines_for({mode: LOCAL}, threads=usable_cores())[mode]


def _make_elsewhere(order: Order, engine: str) -> None:
    from actors.engines.registry import workflow_engines

    settings = load_workflow_settings(os.environ)
    if absent := what_an_engine_lacks(engine, order.mode, settings):
        raise click.ClickException(not_set(absent))

    def made() -> "Engine":
        from actors.engines.workflows.desk import Desk

        return workflow_engines([engine], settings, Desk(threads=usable_cores()))[engine]

    make(order, made, explained)
