"""`darkroom legacy export`, from its begin to its end."""

import asyncio
from collections.abc import Collection
from typing import Any

from msgspec import Struct

from service.database import Connection
from service.legacy.exporting.exporter import Exporter, Tally
from service.legacy.exporting.target import LegacyTarget
from service.legacy.exporting.writing import AddressOf
from service.legacy.moving import zone_for
from service.legacy.store import exports
from service.legacy.telling import Told


class SameRedis(Exception):  # noqa: N818 - an answer to who named it
    """It is the one that was imported from, or can't be told from it."""


class Return(Struct, frozen=True, kw_only=True):
    """What was asked of an export."""

    address_of: AddressOf
    sources: Collection[str] = ()
    """Marks of the Redis that the settings name as the old system's."""
    timezone: str | None = None
    force: bool = False
    remove_deleted: bool = False


async def export_everything(connection: Connection, target: LegacyTarget, wishes: Return, told: Told) -> dict[str, Any]:
    """Accounts, tasks and the queue; a summary of what was written.

    Raises:
        UnknownZone: There is no such time zone.
        SameRedis: It is the one that was imported from, and `force` wasn't said.
        QueueInUse: Somebody changes the queue all the time.
        WrongType: Under the key of the queue, or of those being worked on, lies something else.
    """
    zone = await zone_for(connection, wishes.timezone)
    if not wishes.force:
        await _demand_another(connection, target, wishes.sources)
    exporter = Exporter(connection, target, zone, told, wishes.address_of)
    await exporter.export_users()
    await exporter.export_tasks()
    await exporter.look_for_deleted(remove=wishes.remove_deleted)
    queue = await exporter.export_queue()
    return {
        "timezone": zone.name,
        "users": _told(exporter.users),
        "tasks": _told(exporter.tasks) | {"by_status": dict(exporter.tasks.by_status)},
        "queue": queue,
        "deleted_here_were_removed": wishes.remove_deleted,
    }


async def _demand_another(connection: Connection, target: LegacyTarget, known: Collection[str]) -> None:
    """Raises SameRedis."""
    there = set(await asyncio.to_thread(target.marks))
    sources = await exports.sources(connection)
    if not there.isdisjoint(known) or any(not there.isdisjoint(source or ()) for source in sources):
        raise SameRedis("This is the Redis that was imported from.")
    if None in sources and not known:
        raise SameRedis("An earlier version's import didn't note where it read from, which may be this Redis.")


def _told(tally: Tally) -> dict[str, Any]:
    return {
        "written": tally.written,
        "unchanged": tally.unchanged,
        "conflict": tally.conflict,
        "deleted_here": tally.deleted_here,
        "credits": tally.credits,
    }
