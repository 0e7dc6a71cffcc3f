"""A typed function per statement of `schema/queries/task_submission.sql`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import LINE, Priority, TaskEnd, TaskRecord
from service.database import Connection
from service.statements import convert, load_queries

QUERIES = load_queries("task_submission")


class IdempotencyKey(Struct, frozen=True):
    """What makes a repeated request the same: the caller's key, the route, and a digest of the body."""

    route: str
    key: str
    fingerprint: bytes


class EarlierUse(Struct, frozen=True):
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
    webhook_events: list[TaskEnd] | None
    price: int
    available: bool
    retry_of: str | None = None
    idempotency: IdempotencyKey | None = None


class SubmitAnswer(Struct, frozen=True):
    """What the one statement tells: the task if it was written, and otherwise what it saw."""

    task: TaskRecord | None
    credits_left: int | None
    kept: EarlierUse | None
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
        webhook_events=submission.webhook_events,
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
        kept=None if record["kept_task_id"] is None else convert(record, EarlierUse),
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
) -> EarlierUse | None:
    return await QUERIES["kept_key"].row(
        connection, EarlierUse, user_id=user_id, route=idempotency.route, idempotency_key=idempotency.key, now=now
    )


async def forget_expired_key(
    connection: Connection, user_id: str, idempotency: IdempotencyKey, *, now: datetime | None = None
) -> None:
    await QUERIES["forget_expired_key"].run(
        connection, user_id=user_id, route=idempotency.route, idempotency_key=idempotency.key, now=now
    )


class UsedKey(Struct, frozen=True):
    """An idempotency key that was used, and where the next page begins."""

    user_id: str
    route: str
    key: str
    created_at: datetime


async def expired_keys(
    connection: Connection, *, limit: int, after: UsedKey | None = None, now: datetime | None = None
) -> list[UsedKey]:
    return await QUERIES["expired_keys"].rows(
        connection,
        UsedKey,
        limit=limit,
        after_created_at=after and after.created_at,
        after_user_id=after and after.user_id,
        after_route=after and after.route,
        after_key=after and after.key,
        now=now,
    )


async def forget_keys(connection: Connection, used: Sequence[UsedKey]) -> None:
    await QUERIES["forget_keys"].run(
        connection,
        user_ids=[one.user_id for one in used],
        routes=[one.route for one in used],
        keys=[one.key for one in used],
    )
