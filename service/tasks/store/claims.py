"""A typed function per statement of `schema/queries/task_claims.sql`."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from asyncpg import Record
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import RequeueReason, TaskRecord
from service.database import Connection
from service.statements import convert, load_queries

QUERIES = load_queries("task_claims")


class Claim(Struct, frozen=True):
    """A task that a worker holds: whoever has a higher token holds it now. `photos`: ids of files, and their blobs."""

    task: TaskRecord
    photos: Mapping[str, str] = {}

    @property
    def task_id(self) -> str:
        return self.task.task_id

    @property
    def lease_token(self) -> int:
        return self.task.lease_token


async def claim_task(
    connection: Connection, *, worker_id: str, modes: Iterable[Mode], lease: timedelta, now: datetime | None = None
) -> Claim | None:
    """The fairest waiting task, now processing. One claim at a time, whoever else claims.

    None when nothing waits for these modes; or when what was claimed was cancelled within the moment.
    """
    claimed = await QUERIES["claim_task"].record(
        connection, worker_id=worker_id, modes=list(modes), lease=lease, now=now
    )
    return await _claimed(connection, claimed)


async def unanswered_claim(
    connection: Connection, *, worker_id: str, lease: timedelta, now: datetime | None = None
) -> Claim | None:
    """What this worker's slot, which has nothing to do, holds nevertheless; its lease is renewed."""
    claimed = await QUERIES["unanswered_claim"].record(connection, worker_id=worker_id, lease=lease, now=now)
    return await _claimed(connection, claimed)


async def _claimed(connection: Connection, claimed: Record | None) -> Claim | None:
    record = None if claimed is None else await QUERIES["claimed_task"].record(connection, **claimed)
    return None if record is None else Claim(convert(record, TaskRecord), record["photos"] or {})


async def update_progress(
    connection: Connection, task_id: str, lease_token: int, progress: int, step: str, *, now: datetime | None = None
) -> bool:
    return (
        await QUERIES["update_progress"].value(
            connection, task_id=task_id, lease_token=lease_token, progress=progress, current_step=step, now=now
        )
        is not None
    )


async def renew_lease(
    connection: Connection, task_id: str, lease_token: int, *, lease: timedelta, now: datetime | None = None
) -> bool:
    return (
        await QUERIES["renew_lease"].value(connection, task_id=task_id, lease_token=lease_token, lease=lease, now=now)
        is not None
    )


async def holds_claim(connection: Connection, task_id: str, lease_token: int) -> bool:
    return await QUERIES["holds_claim"].value(connection, task_id=task_id, lease_token=lease_token)


async def requeue_task(
    connection: Connection,
    task_id: str,
    lease_token: int,
    *,
    delay: timedelta,
    to_the_head: bool,
    attempts_returned: int,
    reason: RequeueReason,
    unrenewed_since: datetime | None = None,
    now: datetime | None = None,
) -> TaskRecord | None:
    return await QUERIES["requeue_task"].row(
        connection,
        TaskRecord,
        task_id=task_id,
        lease_token=lease_token,
        delay=delay,
        to_the_head=to_the_head,
        attempts_returned=attempts_returned,
        reason=reason,
        unrenewed_since=unrenewed_since,
        now=now,
    )


class LostLease(Struct, frozen=True):
    """A task whose worker has not renewed its lease, and where the next page begins."""

    task_id: str
    lease_token: int
    attempts: int
    lease_expires_at: datetime


async def lost_leases(
    connection: Connection,
    *,
    lease: timedelta,
    limit: int,
    after: LostLease | None = None,
    now: datetime | None = None,
) -> list[LostLease]:
    return await QUERIES["lost_leases"].rows(
        connection,
        LostLease,
        lease=lease,
        limit=limit,
        after_expires_at=after and after.lease_expires_at,
        after_task_id=after and after.task_id,
        now=now,
    )
