"""A typed function per statement of `schema/queries/tasks.sql`. They take a connection and open no transaction."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, to_builtins

from schema.models.edits import Mode
from schema.models.tasks import LINE, Priority, StoredResult, TaskFailure, TaskRecord, TaskStatus
from service.database import Connection, convert, load_queries
from service.files.store import NewFile

QUERIES = load_queries("tasks")

Announcement = tuple[str, int]
"""A task's id and the number of the message that announces it."""


class IdempotencyKey(Struct, frozen=True):
    """What makes a repeated request the same: the caller's key, the route, and a digest of the body."""

    route: str
    key: str
    fingerprint: bytes


class Kept(Struct, frozen=True):
    """What an idempotency key was used for."""

    kept_task_id: str
    kept_fingerprint: bytes


class Submission(Struct, frozen=True, kw_only=True):
    """A task about to be written; `price` is what it costs, `available` whether any engine does its mode."""

    task_id: str
    user_id: str
    mode: Mode
    priority: Priority
    source_image: str
    reference_image: str | None
    config: dict[str, Any]
    webhook_url: str | None
    price: int
    available: bool
    retry_of: str | None = None
    idempotency: IdempotencyKey | None = None


class SubmitAnswer(Struct, frozen=True):
    """What the one statement tells: the task if it was written, and otherwise what it saw."""

    task: TaskRecord | None
    credits_left: int | None
    kept: Kept | None
    found_files: frozenset[str]


async def submit_task(
    connection: Connection, submission: Submission, *, max_pending: int, now: datetime | None = None
) -> SubmitAnswer:
    """Charge and write the task, if everything allows it.

    Raises:
        asyncpg.UniqueViolationError: A request with the same idempotency key was faster, or its key has expired.
    """
    idempotency = submission.idempotency
    record = await QUERIES["submit_task"].record(
        connection,
        task_id=submission.task_id,
        user_id=submission.user_id,
        mode=submission.mode,
        priority=submission.priority,
        line=LINE[submission.priority],
        source_image=submission.source_image,
        reference_image=submission.reference_image,
        config=submission.config,
        webhook_url=submission.webhook_url,
        price=submission.price,
        retry_of=submission.retry_of,
        route=idempotency and idempotency.route,
        idempotency_key=idempotency and idempotency.key,
        fingerprint=idempotency and idempotency.fingerprint,
        max_pending=max_pending,
        available=submission.available,
        now=now,
    )
    assert record is not None  # noqa: S101 - the statement always answers one row
    return SubmitAnswer(
        task=None if record["task_id"] is None else convert(record, TaskRecord),
        credits_left=record["credits_left"],
        kept=None if record["kept_task_id"] is None else convert(record, Kept),
        found_files=frozenset(record["found_files"]),
    )


class SubmitRefusal(Struct, frozen=True):
    """What stood in the way of a submit."""

    current_credits: int
    too_many_pending: bool


async def refusal_of_submit(connection: Connection, user_id: str, max_pending: int) -> SubmitRefusal | None:
    return await QUERIES["refusal_of_submit"].row(connection, SubmitRefusal, user_id=user_id, max_pending=max_pending)


async def kept_key(
    connection: Connection, user_id: str, idempotency: IdempotencyKey, *, now: datetime | None = None
) -> Kept | None:
    return await QUERIES["kept_key"].row(
        connection, Kept, user_id=user_id, route=idempotency.route, idempotency_key=idempotency.key, now=now
    )


async def forget_expired_key(
    connection: Connection, user_id: str, idempotency: IdempotencyKey, *, now: datetime | None = None
) -> None:
    await QUERIES["forget_expired_key"].run(
        connection, user_id=user_id, route=idempotency.route, idempotency_key=idempotency.key, now=now
    )


async def get_task_by_id(connection: Connection, user_id: str, task_id: str) -> TaskRecord | None:
    """The task, if it is this user's."""
    return await QUERIES["get_task_by_id"].row(connection, TaskRecord, user_id=user_id, task_id=task_id)


async def get_tasks_by_user(
    connection: Connection,
    user_id: str,
    *,
    status: TaskStatus | None = None,
    mode: Mode | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 20,
    offset: int = 0,
) -> list[TaskRecord]:
    """A user's tasks, newest first, from behind `after` (a row's created_at and task_id)."""
    return await QUERIES["get_tasks_by_user"].rows(
        connection,
        TaskRecord,
        user_id=user_id,
        status=status,
        mode=mode,
        after_created_at=after and after[0],
        after_task_id=after and after[1],
        limit=limit,
        offset=offset,
    )


async def count_tasks_by_user(
    connection: Connection, user_id: str, *, status: TaskStatus | None = None, mode: Mode | None = None, up_to: int
) -> int:
    return await QUERIES["count_tasks_by_user"].value(
        connection, user_id=user_id, status=status, mode=mode, up_to=up_to
    )


async def count_tasks_by_status(connection: Connection, user_id: str) -> dict[TaskStatus, int]:
    return dict(await QUERIES["count_tasks_by_status"].rows(connection, tuple[TaskStatus, int], user_id=user_id))


async def ended_tasks(connection: Connection, task_ids: Sequence[str]) -> list[str]:
    return await QUERIES["ended_tasks"].column(connection, task_ids=task_ids)


async def claim_task(
    connection: Connection, *, worker_id: str, modes: Iterable[Mode], lease: timedelta, now: datetime | None = None
) -> TaskRecord | None:
    """The fairest waiting task, now processing. One claim at a time, whoever else claims."""
    return await QUERIES["claim_task"].row(
        connection, TaskRecord, worker_id=worker_id, modes=list(modes), lease=lease, now=now
    )


class Marked(Struct, frozen=True):
    """A waiting task that is to be dispatched again; `due` unless it waits for its time."""

    task_id: str
    message_no: int
    mode: Mode
    due: bool


async def mark_undispatched(connection: Connection, task_id: str, *, now: datetime | None = None) -> Marked | None:
    """The named task, if it still waits. Not to be called while rows of `tasks` are locked."""
    return await QUERIES["mark_undispatched"].row(connection, Marked, task_id=task_id, now=now)


async def mark_dispatched(
    connection: Connection, announcements: Sequence[Announcement], *, now: datetime | None = None
) -> frozenset[str]:
    """Strike off the marks of those that still wait, and tell which they are."""
    return frozenset(await QUERIES["mark_dispatched"].column(connection, now=now, **_columns(announcements)))


class Undispatched(Struct, frozen=True):
    """A waiting task that nobody has announced, and where the next page begins."""

    task_id: str
    message_no: int
    created_at: datetime


async def undispatched_tasks(
    connection: Connection,
    *,
    grace: timedelta,
    limit: int,
    after: Undispatched | None = None,
    now: datetime | None = None,
) -> list[Undispatched]:
    return await QUERIES["undispatched_tasks"].rows(
        connection,
        Undispatched,
        grace=grace,
        limit=limit,
        after_created_at=after and after.created_at,
        after_task_id=after and after.task_id,
        now=now,
    )


async def dispatched_tasks(
    connection: Connection, *, after: str, age: timedelta, limit: int, now: datetime | None = None
) -> list[Announcement]:
    return await QUERIES["dispatched_tasks"].rows(connection, Announcement, after=after, age=age, limit=limit, now=now)


async def mark_lost_messages(connection: Connection, announcements: Sequence[Announcement]) -> list[str]:
    return await QUERIES["mark_lost_messages"].column(connection, **_columns(announcements))


def _columns(announcements: Sequence[Announcement]) -> dict[str, list[str]]:
    """Numbers as text: other arrays asyncpg looks up first, which through a pooler leaves `jit` off in a session."""
    return {"task_ids": [one[0] for one in announcements], "message_nos": [str(one[1]) for one in announcements]}


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


async def complete_task(
    connection: Connection,
    task_id: str,
    lease_token: int,
    result: StoredResult,
    made: Sequence[NewFile],
    *,
    now: datetime | None = None,
) -> TaskRecord | None:
    return await QUERIES["complete_task"].row(
        connection,
        TaskRecord,
        task_id=task_id,
        lease_token=lease_token,
        result=to_builtins(result),
        made=to_builtins(made),
        now=now,
    )


async def fail_task(
    connection: Connection, task_id: str, lease_token: int, failure: TaskFailure, *, now: datetime | None = None
) -> TaskRecord | None:
    return await QUERIES["fail_task"].row(
        connection, TaskRecord, task_id=task_id, lease_token=lease_token, error=to_builtins(failure), now=now
    )


async def cancel_task(
    connection: Connection, user_id: str, task_id: str, *, now: datetime | None = None
) -> TaskRecord | None:
    return await QUERIES["cancel_task"].row(connection, TaskRecord, user_id=user_id, task_id=task_id, now=now)


async def requeue_task(
    connection: Connection,
    task_id: str,
    lease_token: int,
    *,
    delay: timedelta,
    to_the_head: bool,
    attempts_returned: int,
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
        now=now,
    )


class LostLease(Struct, frozen=True):
    """A task whose worker has not renewed its lease."""

    task_id: str
    lease_token: int
    attempts: int


async def lost_leases(
    connection: Connection, *, lease: timedelta, limit: int, now: datetime | None = None
) -> list[LostLease]:
    return await QUERIES["lost_leases"].rows(connection, LostLease, lease=lease, limit=limit, now=now)


async def delete_task(connection: Connection, user_id: str, task_id: str) -> bool:
    return await QUERIES["delete_task"].value(connection, user_id=user_id, task_id=task_id) is not None


class OwnedTask(Struct, frozen=True):
    """A task and whose it is."""

    task_id: str
    user_id: str


async def expired_tasks(
    connection: Connection, *, retention: timedelta, limit: int, now: datetime | None = None
) -> list[OwnedTask]:
    return await QUERIES["expired_tasks"].rows(connection, OwnedTask, retention=retention, limit=limit, now=now)


async def forget_expired_keys(connection: Connection, *, now: datetime | None = None) -> None:
    await QUERIES["forget_expired_keys"].run(connection, now=now)
