"""What `darkroom legacy` does: a move or a comparison with a bar and a report, connected to either side."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from msgspec import structs
from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError, ReadOnlyError, RedisError

from service.cli.progress import Bar
from service.connections import one_connection
from service.database import Connection
from service.database.migrations import check_schema
from service.files.mark import open_storage, settle
from service.files.service import blob_key_of
from service.files.storage import Storage
from service.files.urls import FILES_PATH, FileUrls
from service.legacy.exporting.exporter import QueueInUse
from service.legacy.exporting.target import LegacyTarget
from service.legacy.exporting.writing import AddressOf
from service.legacy.importing.files import Bringing
from service.legacy.moving import Wishes, import_everything, verify_everything
from service.legacy.report import ReportFile
from service.legacy.source import LegacyRedis, WrongPrefix, WrongType
from service.legacy.source.reading import COLLECT_EVERY, ReaderLost
from service.legacy.telling import Everybody, Told
from service.legacy.wayback import Return, SameRedis, export_everything
from service.queue.errors import how_away, is_full_of_clients
from service.settings import Settings
from service.telling.destinations import Destination

HOURS: Final = 166
"""How long the addresses of exported pictures lead somewhere, and an hour more: buckets sign for seven days at most."""

R = TypeVar("R", bound=LegacyRedis)


def run_import(
    settings: Settings, redis_url: str | None, wishes: Wishes, files: Path | None, report: Path | None
) -> dict[str, Any]:
    """Import, with the old system's folder of files if one is named, and answer the summary."""

    async def work(connection: Connection, source: LegacyRedis, told: Told) -> dict[str, Any]:
        if files is None:
            return await import_everything(connection, source, wishes, told)
        storage = None
        if not wishes.dry_run:
            storage = await open_storage(connection, settings.storage_url, settings.storage_options)
            await settle(connection, storage, may_move=False)
        bringing = Bringing(files, storage, settings.max_image_pixels)
        return await import_everything(connection, source, structs.replace(wishes, files=bringing), told)

    return _run(settings, LegacyRedis(_old(settings, redis_url), wishes.prefix), report, work)


def run_comparison(
    settings: Settings,
    redis_url: str | None,
    prefix: str,
    timezone: str | None,
    accept: str | None,
    report: Path | None,
) -> dict[str, Any]:
    """Compare, and answer the summary."""

    async def work(connection: Connection, source: LegacyRedis, told: Told) -> dict[str, Any]:
        return await verify_everything(connection, source, timezone, told, accept=accept)

    return _run(settings, LegacyRedis(_old(settings, redis_url), prefix), report, work)


def run_export(
    settings: Settings,
    redis_url: str,
    prefix: str,
    report: Path | None,
    *,
    timezone: str | None,
    force: bool,
    remove_deleted: bool,
) -> dict[str, Any]:
    """Export to another Redis than the old one, and answer the summary."""
    wishes = Return(
        address_of=_addresses(settings),
        sources=_marks(settings),
        timezone=timezone,
        force=force,
        remove_deleted=remove_deleted,
    )

    async def work(connection: Connection, target: LegacyTarget, told: Told) -> dict[str, Any]:
        return await export_everything(connection, target, wishes, told)

    try:
        return _run(settings, LegacyTarget(redis_url, prefix), report, work, doing="written to", done="written")
    except SameRedis as error:
        raise click.ClickException(f"{error} Name another one, or say --force to write to it.") from None
    except QueueInUse:
        raise click.ClickException("The old queue changes all the time: stop the old API and its workers.") from None
    except WrongType as error:
        raise click.ClickException(f"The Redis can't be written to: {error}.") from None


def _old(settings: Settings, redis_url: str | None) -> str:
    """The URL of the old system's Redis."""
    url = redis_url or settings.legacy_redis_url
    if url is None:
        raise click.UsageError("name the old system's Redis with --redis-url, or set LEGACY_REDIS_URL")
    return url


def _marks(settings: Settings) -> list[str]:
    """What the Redis of the settings can be known by."""
    if settings.legacy_redis_url is None:
        return []
    old = LegacyRedis(settings.legacy_redis_url, settings.legacy_prefix)
    try:
        return old.marks()
    finally:
        old.close()


def _addresses(settings: Settings) -> AddressOf:
    """Signed URLs for a week; without a secret those that open for their owners' tokens alone."""
    start = (settings.public_url or "").rstrip("/") + FILES_PATH
    if not settings.secret_keys:
        return lambda file_id: start + file_id
    storage = Storage.made(settings.storage_url, settings.storage_options)
    urls = FileUrls(settings.secret_keys, settings.public_url, storage)
    return lambda file_id: urls.url(file_id, blob_key_of(file_id), now=datetime.now(UTC), hours=HOURS)


def _run(
    settings: Settings,
    source: R,
    report: Path | None,
    work: Callable[[Connection, R, Told], Awaitable[dict[str, Any]]],
    *,
    doing: str = "read",
    done: str = "imported",
) -> dict[str, Any]:
    async def run(told: Told) -> dict[str, Any]:
        try:
            async with one_connection(settings) as connection:
                await check_schema(connection)
                return await work(connection, source, told)
        finally:
            await asyncio.to_thread(source.close)

    gc.set_threshold(COLLECT_EVERY)
    with ExitStack() as stack:
        file = None
        if report is not None:
            file = ReportFile(stack.enter_context(Destination(report).writing(keep=".partial")))
        bar = stack.enter_context(Bar())
        try:
            summary = asyncio.run(run(Everybody(bar, file) if file else bar))
        except (RedisError, WrongPrefix, ReaderLost) as error:
            raise click.ClickException(_in_words(error, doing, f"What was {done} stays; run it again.")) from None
        if file is not None:
            file.finish(summary)
    return summary


def _in_words(error: Exception, doing: str, again: str) -> str:
    """Why there is no move; `doing` is what can't be done with the old Redis."""
    match error:
        case WrongPrefix():
            return f"{error} Name it with --prefix, or set LEGACY_PREFIX."
        case ReaderLost():
            return f"The process that reads the old Redis was ended. {again}"
        case AuthenticationError():
            return "The old Redis refuses the user or password."
        case NoPermissionError() | ReadOnlyError():
            why = "this user may not" if isinstance(error, NoPermissionError) else "it is a replica of another"
            return f"The old Redis can't be {doing}: {why}."
        case OutOfMemoryError():
            why = "its memory is full"
        case _ if is_full_of_clients(error):
            why = "it has no connection left for us; raise its maxclients, or its plan's limit"
        case _:
            why = how_away(error)
    return f"The old Redis can't be {doing}: {why}. {again}"
