"""What several commands share: --data-dir, the settings, a connection."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from service.connections import one_connection
from service.database import Connection
from service.settings import Settings, load_settings

T = TypeVar("T")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Talk to the `darkroom up` that runs there. The environment wins over it.",
)


def settings_for(data_dir: Path | None) -> Settings:
    """The settings of this call.

    Raises:
        SettingsError: One is missing or wrong.
    """
    return load_settings(os.environ, data_dir=data_dir)


def with_connection(data_dir: Path | None, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` on one connection of its own."""

    async def run() -> T:
        async with one_connection(settings_for(data_dir)) as connection:
            return await work(connection)

    return asyncio.run(run())


def print_json(answer: Any) -> None:
    """An answer for programs and people."""
    click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
