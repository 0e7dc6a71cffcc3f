"""`darkroom models`: models that an operator brings; docs/models.md is their contract."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.group import Group
from service.cli.interrupting import ending_at_once
from service.cli.kinds import Place
from service.cli.options import needless_data_dir_option

if TYPE_CHECKING:
    from service.settings import Settings


@click.group(cls=Group)
def models() -> None:
    """Models of your own in place of those that come along: see docs/models.md."""


@models.command()
@click.argument("file", type=Place())
@needless_data_dir_option
def check(file: Path) -> None:
    """Whether FILE can be MODEL_MATTE or MODEL_INPAINT: what it is, what would be used, and one run. Exit 1 if not."""
    from actors.engines.local.brought.choice import UnusableModelError
    from actors.engines.local.brought.contract import weights_in
    from actors.engines.local.brought.running import tried
    from actors.engines.local.runtimes import Runtimes
    from service.processes.cores import usable_cores

    try:
        # What is native, and may take for ever, lets no exception in.
        with ending_at_once():
            weights = weights_in(file)
            made = tried(weights, Runtimes(usable_cores()))
    except UnusableModelError as error:
        raise click.ClickException(str(error)) from None
    width, height = weights.size
    mask = f", and a mask from {weights.mask}" if weights.mask else ""
    spread = f"mean {', '.join(map(str, weights.mean))}; deviation {', '.join(map(str, weights.deviation))}"
    click.echo(f"{file} can be used as {weights.kind.variable}.")
    click.echo(f"  input     {width} x {height} pixels from {weights.image}{mask}; {spread}")
    click.echo(
        f"  output    {made.shape[1]} x {made.shape[0]}, {made.min():.2f} to {made.max():.2f} on a disc made by code"
    )
    click.echo(f"  sha256    {weights.sha256}")
    click.echo(f"  licence   {weights.licence}")


def use_models(settings: "Settings") -> None:
    """Have this process's engines use the models that the settings name.

    Raises:
        SettingsError: one can't be used.
    """
    from actors.engines.local.brought.choice import UnusableModelError, demand_usable
    from service.settings.sources import SettingsError

    os.environ |= settings.models
    try:
        demand_usable()
    except UnusableModelError as error:
        raise SettingsError(str(error)) from None
