"""What several commands share: --data-dir, the settings, a connection, answers.

What commands need for their work is imported when they run: `--help` is quick, and knows no driver.
"""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from service.cli.kinds import Place
from service.cli.streams import OutputLostError

if TYPE_CHECKING:
    from service.database import Connection
    from service.settings import Settings

T = TypeVar("T")

MOST_API_PROCESSES = 64

data_dir_option = click.option(
    "--data-dir",
    type=Place(file_okay=False),
    help="Talk to the `darkroom up` that runs there. The environment wins over it.",
)

needless_data_dir_option = click.option(
    "--data-dir",
    type=Place(file_okay=False),
    expose_value=False,
    help="Taken, as by every command; this one needs no running `darkroom up`.",
)


def settings_for(data_dir: Path | None) -> "Settings":
    """The settings of this call.

    Raises:
        SettingsError: One is missing or wrong.
    """
    from service.settings import load_settings

    return load_settings(os.environ, data_dir=data_dir)


def with_connection(data_dir: Path | None, work: "Callable[[Connection], Awaitable[T]]") -> T:
    """Run `work` on one connection of its own.

    Raises:
        SchemaError: It failed at tables that aren't this version's.
    """
    import asyncio

    import asyncpg

    from service.connections import one_connection
    from service.database.migrations import check_schema

    async def run() -> T:
        async with one_connection(settings_for(data_dir)) as connection:
            try:
                return await work(connection)
            except asyncpg.SyntaxOrAccessError:
                await check_schema(connection)
                raise

    return asyncio.run(run())


def print_json(answer: Any) -> None:
    """An answer for programs and people, escaped where the terminal can't spell it.

    It may hold a key that is shown once: if it can't be written where it belongs, it is written to stderr.
    """
    import json

    import msgspec

    text = msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    try:
        click.echo(text)
    except OutputLostError:
        click.echo(text, err=True)
        raise
