"""`darkroom up`: the whole stack in the foreground."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from service.cli.interrupting import ending_at_once
from service.cli.kinds import Place, WholeNumber
from service.cli.options import MOST_API_PROCESSES
from service.cli.streams import OutputLostError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the API listens on.")
@click.option(
    "--port",
    type=WholeNumber(0, 65_535),
    default=8000,
    show_default=True,
    help="Port the API listens on; 0 picks a free one.",
)
@click.option(
    "--data-dir",
    type=Place(file_okay=False),
    default=Path(".darkroom"),
    show_default=True,
    help="Where databases, files, keys and logs are kept.",
)
@click.option(
    "--workers", type=WholeNumber(1, 256), default=1, show_default=True, help="Processes that make the edits."
)
@click.option(
    "--api-processes",
    type=WholeNumber(1, MOST_API_PROCESSES),
    default=1,
    show_default=True,
    help="Processes that share the API's port.",
)
@click.option("--demo-user", is_flag=True, help="Make a user with 10,000 credits and keep its key in DATA_DIR.")
def up(host: str, port: int, data_dir: Path, workers: int, api_processes: int, demo_user: bool) -> None:
    """Serve the whole stack: PostgreSQL, Redis (Valkey), the schema, the API and the workers.

    With DATABASE_URL or REDIS_URL set, that server is used instead. DATA_DIR/ready.json is there while everything
    answers and tells the addresses and pids. Ctrl-C or SIGTERM stops it.
    """
    if sys.platform == "win32":
        raise click.ClickException(
            "`darkroom up` runs on Linux and macOS. Here, run `darkroom migrate`, `darkroom api` and `darkroom worker` "
            "with DATABASE_URL and REDIS_URL set"
        )
    # Not needed for --help, nor by the other commands.
    with ending_at_once():
        import asyncio

        from service.embedded.errors import EmbeddedError
        from service.processes.open_files import raise_open_files_limit
        from service.settings.sources import SettingsError
        from service.up.first_process import FIRST, stand_aside
        from service.up.stack import Plan
        from service.up.supervisor import serve

    raise_open_files_limit()
    if os.getpid() == FIRST:
        stand_aside()
    plan = Plan(
        directory=data_dir, host=host, port=port, workers=workers, api_processes=api_processes, demo_user=demo_user
    )
    try:
        asyncio.run(serve(plan, os.environ, _say))
    except (EmbeddedError, SettingsError, OSError) as error:
        told = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            told = f"{os.fsdecode(error.filename)} can't be used: {error.strerror}"
        raise click.ClickException(" ".join(told.split())) from None


def _say(line: str) -> None:
    with suppress(OSError, OutputLostError):  # nobody reads it any more; that is no reason to stop serving
        print(line, flush=True)
