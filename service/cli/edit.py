"""`darkroom edit`: one edit on local files, without servers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from schema.models.edits import DEFAULT_ENGINE, Mode
from service.cli.editing import Order, config_option, make, mode_type, output_option
from service.cores import usable_cores

if TYPE_CHECKING:
    from actors.engines.seam import Engine


@click.command()
@click.argument("mode", type=mode_type, metavar=f"[{'|'.join(Mode)}]")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path), required=False)
@output_option
@config_option
def edit(mode: str, source: Path, reference: Path | None, output: Path, config: str) -> None:
    """Edit the photo SOURCE, with the picture REFERENCE where MODE takes one.

    The result is a JPEG, or a PNG where it is transparent, whatever OUTPUT is called.
    """
    order = Order(Mode(mode.upper()), source, reference, config, output)
    from actors.engines.local.brought.choice import UnusableModelError, demand_usable

    try:
        demand_usable()
    except UnusableModelError as error:
        raise click.ClickException(str(error)) from None
    make(order, lambda: _local(order.mode), lambda error: error.message)


def _local(mode: Mode) -> "Engine":
    from actors.engines.registry import engines_for

    return engines_for({mode: DEFAULT_ENGINE}, threads=usable_cores())[mode]
