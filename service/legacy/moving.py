"""`darkroom legacy import`, from its begin to its end."""

import asyncio
from typing import Any

from msgspec import Struct, structs

from service.database import Connection
from service.database.transactions import transactional
from service.legacy import store
from service.legacy.importing.files import Bringing, FilesImport
from service.legacy.importing.importer import Importer, Tally
from service.legacy.importing.takeover import look_at_queue, take_over
from service.legacy.records.tasks import Zone
from service.legacy.records.values import zone_of
from service.legacy.source import LegacyRedis
from service.legacy.telling import Told
from service.legacy.unhurried import unhurried
from service.legacy.verifier import Verifier

DEFAULT_ZONE = "UTC"


class Wishes(Struct, frozen=True, kw_only=True):
    """What was asked of an import."""

    prefix: str
    timezone: str | None = None
    take_over: bool = False
    users_only: bool = False
    dry_run: bool = False
    files: Bringing | None = None


async def zone_for(connection: Connection, name: str | None) -> Zone:
    """The zone of the old server's clock: as asked, as the last import took it, or UTC.

    Raises:
        UnknownZone: There is none of this name.
    """
    if name is None:
        last = await store.last_import(connection)
        name = DEFAULT_ZONE if last is None else last.timezone
    return Zone(name, zone_of(name))


async def import_everything(connection: Connection, source: LegacyRedis, wishes: Wishes, told: Told) -> dict[str, Any]:
    """Users, tasks, files and the queue; a summary of what was done, or of what would be with `dry_run`.

    Raises:
        UnknownZone: There is no such time zone.
        WrongPrefix: There are tasks, but none under this prefix. Users, who have none, were imported.
    """
    zone = await zone_for(connection, wishes.timezone)
    same_clock = not await store.mixed_clocks(connection, zone.name)
    import_id = None
    if not wishes.dry_run:
        import_id = await store.begin_import(
            connection,
            prefix=wishes.prefix,
            timezone=zone.name,
            take_over=wishes.take_over,
            source=await asyncio.to_thread(source.marks),
        )
    importer = Importer(connection, source, zone, told, same_clock=same_clock, dry_run=wishes.dry_run)
    await importer.import_users()
    summary: dict[str, Any] = {"dry_run": wishes.dry_run, "timezone": zone.name, "users": _told(importer.users)}
    if not wishes.users_only:
        summary |= await _all_but_users(connection, source, wishes, importer, told, import_id)
    summary["users"]["placeholders"] = importer.placeholders
    if import_id is not None:
        await _finish(connection, import_id, summary)
    return summary


@transactional
async def _finish(connection: Connection, import_id: int, summary: dict[str, Any]) -> None:
    await store.settle(connection)
    await store.finish_import(connection, import_id, summary)


async def _all_but_users(
    connection: Connection,
    source: LegacyRedis,
    wishes: Wishes,
    importer: Importer,
    told: Told,
    import_id: int | None,
) -> dict[str, Any]:
    await importer.import_tasks()
    if importer.tasks.seen == 0:
        await asyncio.to_thread(source.check_prefix)
    brought = None
    if wishes.files is not None:
        files = FilesImport(connection, wishes.files, told, dry_run=wishes.dry_run)
        await files.uploads()
        await files.results(importer.readable_tasks() if wishes.dry_run else None)
        brought = dict(files.outcomes)
    queue = await look_at_queue(connection, source, told, order=wishes.take_over, dry_run=wishes.dry_run)
    async with unhurried(connection):
        without_photo = None if wishes.dry_run else await store.waiting_without_photo(connection)
        left = await store.open_tasks(connection)
    if wishes.dry_run:
        left = store.OpenTasks(left.owned + importer.opened[True], left.nobodys + importer.opened[False])
    taken_over = 0
    if wishes.take_over:
        taken_over = left.owned
        if import_id is not None:
            await store.begin_take_over(connection, import_id)
            taken_over = await take_over(connection, told)
        left = structs.replace(left, owned=left.owned - taken_over)
    return {
        "tasks": _told(importer.tasks) | {"by_status": dict(importer.tasks.by_status)},
        "files": brought,
        "queue": queue,
        "waiting_without_photo": without_photo,
        "taken_over": taken_over,
        "left_with_the_old_system": left,
    }


async def verify_everything(
    connection: Connection, source: LegacyRedis, timezone: str | None, told: Told, *, accept: str | None = None
) -> dict[str, Any]:
    """Compare; see `Verifier.compare`.

    Raises:
        UnknownZone: There is no such time zone.
        WrongPrefix: There are tasks, but none under this prefix.
    """
    zone = await zone_for(connection, timezone)
    summary = await Verifier(connection, source, zone, told, accept=accept).compare()
    if summary["old_system"].get("tasks", 0) == 0:
        await asyncio.to_thread(source.check_prefix)
    return summary


def _told(tally: Tally) -> dict[str, Any]:
    return {
        "seen": tally.seen,
        **{outcome: tally.outcomes[outcome] for outcome in sorted(tally.outcomes)},
        "remarked": tally.remarked,
        "credits": tally.credits,
    }
