"""A typed function per statement of `schema/queries/legacy_export.sql`. They take a connection."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from schema.models.accounts import UserRecord
from schema.models.tasks import TaskRecord
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("legacy_export")


class Changed(Struct, frozen=True):
    """A record that the old system doesn't know as it is, how large it is, and what it was when it was imported."""

    record_id: str
    size: int
    imported: bytes | None


class Waiting(Struct, frozen=True):
    """A task that is to wait in the old queue, and its place."""

    task_id: str
    first: bool
    queued_at: datetime


async def changed(connection: Connection, kind: str, after: str, limit: int) -> list[Changed]:
    """Users or tasks that the old system doesn't know as they are here, by id."""
    return await QUERIES[f"changed_{kind}s"].rows(connection, Changed, after=after, limit=limit)


async def users_of(connection: Connection, user_ids: Sequence[str]) -> list[UserRecord]:
    return await QUERIES["users_of"].rows(connection, UserRecord, record_ids=user_ids)


async def tasks_of(connection: Connection, task_ids: Sequence[str]) -> list[TaskRecord]:
    return await QUERIES["tasks_of"].rows(connection, TaskRecord, record_ids=task_ids)


async def exported(connection: Connection, kind: str, record_ids: Sequence[str]) -> dict[str, set[bytes]]:
    """What exports have written of these records, or found where they wrote it: whatever looks so came from here."""
    found: defaultdict[str, set[bytes]] = defaultdict(set)
    row = tuple[str, bytes, bytes | None]
    rows = await QUERIES["exported"].rows(connection, row, kind=kind, record_ids=record_ids)
    for record_id, fingerprint, before in rows:
        found[record_id] |= {fingerprint} if before is None else {fingerprint, before}
    return found


async def put_exported(connection: Connection, kind: str, marks: Sequence[tuple[str, bytes, bytes | None]]) -> None:
    """By record: what is about to be written of it, and what of ours stands there."""
    await QUERIES["put_exported"].run(
        connection,
        kind=kind,
        record_ids=[record_id for record_id, _, _ in marks],
        fingerprints=[fingerprint.hex() for _, fingerprint, _ in marks],
        befores=[None if before is None else before.hex() for _, _, before in marks],
    )


async def leave_exported(connection: Connection, kind: str, record_ids: Sequence[str]) -> None:
    await QUERIES["leave_exported"].run(connection, kind=kind, record_ids=record_ids)


async def waiting_exported(connection: Connection, after: Waiting | None, limit: int) -> list[Waiting]:
    """Exported tasks that are to wait there, in their order."""
    return await QUERIES["waiting_exported"].rows(
        connection,
        Waiting,
        first=True if after is None else after.first,
        queued_at=None if after is None else after.queued_at,
        after="" if after is None else after.task_id,
        limit=limit,
    )


async def exported_among(connection: Connection, task_ids: Sequence[str]) -> set[str]:
    return set(await QUERIES["exported_among"].column(connection, record_ids=task_ids))


async def deleted_here(connection: Connection, kind: str, after: str, limit: int) -> list[str]:
    """Users or tasks that the old system may still have, by id."""
    return await QUERIES["deleted_here"].column(connection, kind=kind, after=after, limit=limit)


async def sources(connection: Connection) -> list[list[str] | None]:
    """Where imports read from; None: where one did that didn't note it."""
    return await QUERIES["sources"].column(connection)
