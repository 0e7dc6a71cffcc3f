"""A typed function per statement of `schema/queries/task_claims.sql`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from asyncpg import Record
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import RequeueReason, TaskRecord
from service.database import Connection
from service.database.statements import convert, load_queries

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


Seen = Mapping[str, Any]
"""What a claim has seen of who waits and what runs, for the next one with the same modes: nobody else's to read."""


class Claimed(Struct, frozen=True):
    """What several slots were given, each by its name; and what was seen, if anything was to be had."""

    by_slot: Mapping[str, Claim]
    seen: Seen | None


async def claim_tasks(
    connection: Connection,
    *,
    slots: Sequence[str],
    modes: Iterable[Mode],
    lease: timedelta,
    seen: Seen | None = None,
    now: datetime | None = None,
) -> Claimed:
    """The fairest waiting tasks, now processing: one a slot, in order, as single claims would have taken them.

    One claim at a time, whoever else claims. Slots are left out for which nothing waits; or when what was claimed for
    them was cancelled within the moment.
    """
    records = await QUERIES["claim_tasks"].records(
        connection, slots=slots, modes=list(modes), lease=lease, seen=seen, now=now
    )
    claims = await _claimed(connection, records)
    return Claimed(
        {record["slot"]: claims[record["task_id"]] for record in records if record["task_id"] in claims},
        records[-1]["seen"] if records else None,
    )


async def claim_task(
    connection: Connection, *, worker_id: str, modes: Iterable[Mode], lease: timedelta, now: datetime | None = None
) -> Claim | None:
    """The same for one slot."""
    claimed = await claim_tasks(connection, slots=[worker_id], modes=modes, lease=lease, now=now)
    return claimed.by_slot.get(worker_id)


async def unanswered_claim(
    connection: Connection, *, worker_id: str, lease: timedelta, now: datetime | None = None
) -> Claim | None:
    """What this worker's slot, which has nothing to do, holds nevertheless; its lease is renewed."""
    records = await QUERIES["unanswered_claim"].records(connection, worker_id=worker_id, lease=lease, now=now)
    return next(iter((await _claimed(connection, records)).values()), None)


async def _claimed(connection: Connection, claimed: Sequence[Record]) -> dict[str, Claim]:
    """By the tasks' ids."""
    if not claimed:
        return {}
    records = await QUERIES["claimed_tasks"].records(
        connection,
        task_ids=[record["task_id"] for record in claimed],
        # Numbers as text: see service/tasks/store/messages.py.
        lease_tokens=[str(record["lease_token"]) for record in claimed],
    )
    return {record["task_id"]: Claim(convert(record, TaskRecord), record["photos"] or {}) for record in records}


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
