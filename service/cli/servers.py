"""`darkroom api`, `darkroom worker`, `darkroom migrate`: one process kind each."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.interrupting import ending_at_once
from service.cli.kinds import WholeNumber
from service.cli.models import use_models
from service.cli.options import MOST_API_PROCESSES, data_dir_option, settings_for

if TYPE_CHECKING:
    import socket

    from service.settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=WholeNumber(0, 65_535), help="0 picks a free one.  [default: PORT, or 8000]")
@click.option("--fd", type=WholeNumber(0), help="Listen on this inherited socket instead.", hidden=True)
@click.option(
    "--processes",
    type=WholeNumber(1, MOST_API_PROCESSES),
    default=1,
    show_default=True,
    help="Processes that share the port; each has DATABASE_POOL_SIZE connections to PostgreSQL.",
)
@data_dir_option
def api(host: str, port: int | None, fd: int | None, processes: int, data_dir: Path | None) -> None:
    """Serve the HTTP API against DATABASE_URL and REDIS_URL."""
    with ending_at_once():
        from service.http.server import serve
        from service.processes.open_files import raise_open_files_limit
        from service.telling.logs import set_up_logs

    settings = settings_for(data_dir)
    settings.require_secret()
    set_up_logs(settings.log_format)
    with _listener(host, settings.port if port is None else port, fd) as listener:
        if processes > 1:
            _serve_several(listener, processes, data_dir)
            return
        _tell_where_files_are(settings)
        serve(settings, listener, open_files=raise_open_files_limit())


def _serve_several(listener: "socket.socket", processes: int, data_dir: Path | None) -> None:
    import asyncio

    from service.up.several import serve_several

    code = asyncio.run(serve_several(listener, processes, data_dir))
    if code:
        # Whoever refused to start has said why.
        raise SystemExit(code)


def _listener(host: str, port: int, fd: int | None) -> "socket.socket":
    import socket

    from service.embedded.errors import EmbeddedError
    from service.up.listener import listen

    try:
        return listen(host, port) if fd is None else socket.socket(fileno=fd)
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"--fd {fd} is no socket: {error.strerror}") from None


@click.command()
@data_dir_option
def worker(data_dir: Path | None) -> None:
    """Take tasks from the queue and make the edits, WORKER_SLOTS at a time."""
    with ending_at_once():
        from actors.worker import run_worker
        from service.processes.open_files import raise_open_files_limit
        from service.telling.logs import set_up_logs

    settings = settings_for(data_dir)
    settings.require_secret()
    set_up_logs(settings.log_format)
    _tell_where_files_are(settings)
    use_models(settings)
    raise_open_files_limit()
    run_worker(settings)


def _tell_where_files_are(settings: "Settings") -> None:
    """Nobody said where: it may be a disk that is gone with this container, or one that others don't have."""
    import structlog

    from service.settings import default_files

    if settings.storage_url == (files := default_files()).as_uri():
        structlog.get_logger(__name__).warning("STORAGE_URL is not set; files are kept here", directory=str(files))


@click.command()
@click.option(
    "--adopt",
    is_flag=True,
    help="Take over the existing system's `users` and `tasks` tables, in place and with their rows. Back up first.",
)
@data_dir_option
def migrate(data_dir: Path | None, adopt: bool) -> None:
    """Bring the database's schema up to date. Safe to run twice, and from two machines at once."""
    import asyncio

    from service.database.migrations import migrate as run
    from service.legacy.adopting.adoption import adopt as take_over

    settings = settings_for(data_dir)
    for line in asyncio.run(take_over(settings)) if adopt else []:
        click.echo(line)
    for name in asyncio.run(run(settings)):
        click.echo(f"applied {name}")
    click.echo("The schema is up to date.")
