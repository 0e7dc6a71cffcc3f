"""`darkroom legacy`: the data of the system before this one moves over."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from msgspec import structs
from redis.exceptions import AuthenticationError, RedisError

from service.cli.options import data_dir_option, print_json, settings_for
from service.cli.progress import Bar
from service.connections import one_connection
from service.database import Connection
from service.files.mark import open_storage, settle
from service.legacy.files import Bringing
from service.legacy.moving import Wishes, import_everything, verify_everything
from service.legacy.report import ReportFile
from service.legacy.source import LegacyRedis, WrongPrefix
from service.legacy.telling import Everybody, Told
from service.legacy.values import UnknownZone, zone_of
from service.migrations import check_schema
from service.settings import REDIS_URL_TAKES, Settings
from service.urls.parameters import WrongParameter
from service.urls.redis import read_redis_url
from service.urls.splitting import NotAUrl

COLLECT_EVERY = 1_000_000
"""Objects. A batch has some hundred thousand, none of them in a cycle: looking for some only takes time."""

Work = Callable[[Connection, LegacyRedis, Told], Awaitable[dict[str, Any]]]


def _zone(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    try:
        return name if name is None else (zone_of(name), name)[1]
    except UnknownZone as error:
        raise click.BadParameter(str(error)) from None


def _reason(_: click.Context, __: click.Parameter, reason: str | None) -> str | None:
    if reason is not None and not (reason := reason.strip()):
        raise click.BadParameter("takes the reason, in some words")
    return reason


def _redis_url(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    try:
        return None if url is None else read_redis_url(url)
    except NotAUrl:
        raise click.BadParameter(f"takes {REDIS_URL_TAKES}") from None
    except WrongParameter as error:
        raise click.BadParameter(f"takes {error}") from None


redis_url_option = click.option(
    "--redis-url", callback=_redis_url, help="The old system's Redis.  [default: LEGACY_REDIS_URL]"
)
prefix_option = click.option("--prefix", help="What its keys begin with.  [default: LEGACY_PREFIX, or formy:]")
timezone_option = click.option(
    "--timezone",
    callback=_zone,
    help="The zone of the old server's clock, such as Asia/Shanghai.  [default: the last import's, or UTC]",
)
report_option = click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write everything that was found to this JSON file.",
)


@click.group()
def legacy() -> None:
    """Move the data of the system before this one over: import it, as often as you like, and compare."""


@legacy.command("import")
@redis_url_option
@prefix_option
@timezone_option
@click.option("--users-only", is_flag=True, help="Only accounts, such as new ones of the old sign-in: quickly.")
@click.option("--dry-run", is_flag=True, help="Tell what would happen, and change nothing.")
@click.option(
    "--take-over", is_flag=True, help="The old workers are stopped: waiting and interrupted tasks are run here."
)
@click.option(
    "--files",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The old system's folder of uploads and results: bring them along.",
)
@report_option
@data_dir_option
def import_(
    redis_url: str | None,
    prefix: str | None,
    timezone: str | None,
    users_only: bool,
    dry_run: bool,
    take_over: bool,
    files: Path | None,
    report: Path | None,
    data_dir: Path | None,
) -> None:
    """Bring users and tasks from the old Redis into PostgreSQL.

    Nothing is written to the old Redis. It may be interrupted and repeated: a second run changes nothing but what has
    changed there. Unfinished tasks are only read here until --take-over.
    """
    if users_only and (take_over or files):
        raise click.UsageError("--users-only goes neither with --take-over nor with --files")
    settings = settings_for(data_dir)
    old_prefix = prefix or settings.legacy_prefix
    wishes = Wishes(
        prefix=old_prefix,
        timezone=timezone,
        take_over=take_over,
        users_only=users_only,
        dry_run=dry_run,
    )

    async def work(connection: Connection, source: LegacyRedis, told: Told) -> dict[str, Any]:
        if files is None:
            return await import_everything(connection, source, wishes, told)
        storage = None
        if not dry_run:
            storage = await open_storage(connection, settings.storage_url, settings.storage_options)
            await settle(connection, storage, may_move=False)
        bringing = Bringing(files, storage, settings.max_image_pixels)
        return await import_everything(connection, source, structs.replace(wishes, files=bringing), told)

    print_json(_run(settings, redis_url, old_prefix, report, work))


@legacy.command()
@redis_url_option
@prefix_option
@timezone_option
@click.option(
    "--accept",
    metavar="REASON",
    callback=_reason,
    help="You have looked at every difference that is found, and it is all right: until it changes again.",
)
@report_option
@data_dir_option
def verify(
    redis_url: str | None,
    prefix: str | None,
    timezone: str | None,
    accept: str | None,
    report: Path | None,
    data_dir: Path | None,
) -> None:
    """Compare the old Redis and PostgreSQL, record by record, in both directions. Exit 1 if anything differs.

    What was done here since the import is no difference, nor are records in quarantine that are as they were, nor what
    was accepted.
    """
    settings = settings_for(data_dir)

    async def work(connection: Connection, source: LegacyRedis, told: Told) -> dict[str, Any]:
        return await verify_everything(connection, source, timezone, told, accept=accept)

    summary = _run(settings, redis_url, prefix or settings.legacy_prefix, report, work)
    print_json(summary)
    if not summary["equal"]:
        raise click.ClickException(f"{summary['differences']} differences; the first are listed above")


def _run(settings: Settings, redis_url: str | None, prefix: str, report: Path | None, work: Work) -> dict[str, Any]:
    """Do the work with a bar and a report, on a connection of its own to either side."""
    url = redis_url or settings.legacy_redis_url
    if url is None:
        raise click.UsageError("name the old system's Redis with --redis-url, or set LEGACY_REDIS_URL")

    async def run(told: Told) -> dict[str, Any]:
        source = LegacyRedis(url, prefix)
        try:
            async with one_connection(settings) as connection:
                await check_schema(connection)
                return await work(connection, source, told)
        finally:
            await asyncio.to_thread(source.close)

    gc.set_threshold(COLLECT_EVERY)
    with ExitStack() as stack:
        bar = stack.enter_context(Bar())
        try:
            file = stack.enter_context(ReportFile(report)) if report else None
        except OSError as error:
            raise click.ClickException(f"{report} can't be written: {error.strerror}") from None
        try:
            summary = asyncio.run(run(Everybody(bar, file) if file else bar))
        except AuthenticationError:
            raise click.ClickException("The old Redis refuses the user or password.") from None
        except WrongPrefix as error:
            raise click.ClickException(f"{error} Name it with --prefix, or set LEGACY_PREFIX.") from None
        except RedisError as error:
            raise click.ClickException(
                f"The old Redis can't be read: {type(error).__name__}. What was imported stays; run it again."
            ) from None
        if file is not None:
            file.finish(summary)
    return summary
