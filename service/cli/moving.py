"""What `darkroom legacy` does: an import or a comparison with a bar and a report, connected to either side."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import click
from msgspec import structs
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from service.away import how_unreachable
from service.cli.progress import Bar
from service.connections import one_connection
from service.database import Connection
from service.destinations import Destination
from service.files.mark import open_storage, settle
from service.legacy.files import Bringing
from service.legacy.moving import Wishes, import_everything, verify_everything
from service.legacy.report import ReportFile
from service.legacy.source import LegacyRedis, WrongPrefix
from service.legacy.telling import Everybody, Told
from service.migrations import check_schema
from service.settings import Settings

COLLECT_EVERY = 1_000_000
"""Objects. A batch has some hundred thousand, none of them in a cycle: looking for some only takes time."""

Work: TypeAlias = Callable[[Connection, LegacyRedis, Told], Awaitable[dict[str, Any]]]


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

    return _run(settings, redis_url, wishes.prefix, report, work)


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

    return _run(settings, redis_url, prefix, report, work)


def _run(settings: Settings, redis_url: str | None, prefix: str, report: Path | None, work: Work) -> dict[str, Any]:
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
        file = None
        if report is not None:
            file = ReportFile(stack.enter_context(Destination(report).writing(keep=".partial")))
        bar = stack.enter_context(Bar())
        try:
            summary = asyncio.run(run(Everybody(bar, file) if file else bar))
        except AuthenticationError:
            raise click.ClickException("The old Redis refuses the user or password.") from None
        except WrongPrefix as error:
            raise click.ClickException(f"{error} Name it with --prefix, or set LEGACY_PREFIX.") from None
        except NoPermissionError:
            raise click.ClickException("The old Redis can't be read: this user may not.") from None
        except RedisError as error:
            raise click.ClickException(
                f"The old Redis can't be read: {how_unreachable(error)}. What was imported stays; run it again."
            ) from None
        if file is not None:
            file.finish(summary)
    return summary
