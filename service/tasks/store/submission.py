"""A typed function per statement of `schema/queries/task_submission.sql`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, to_builtins

from schema.models.edits import Mode
from schema.models.tasks import LINE, Priority, TaskEnd, TaskRecord
from service.database import Connection
from service.database.statements import convert, load_queries

QUERIES = load_queries("task_submission")


class IdempotencyKey(Struct, frozen=True):
    """What makes a repeated request the same: the caller's key, the route, and a digest of the body."""

    route: str
    key: str
    fingerprint: bytes


class EarlierUse(Struct, frozen=True):
    """What an idempotency key was used for: a task, or a batch."""

    kept_id: str
    kept_fingerprint: bytes


class Submission(Struct, frozen=True, kw_only=True):
    """A task about to be written; `price` is what it costs, `available` whether any engine does its mode."""

    task_id: str
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
    deadline_seconds: int | None = None


class Order(Struct, frozen=True, kw_only=True):
    """What one request wants written: a task, or a batch of them, in the order of their ids."""

    user_id: str
    tasks: Sequence[Submission]
    idempotency: IdempotencyKey | None = None
    batch_id: str | None = None
    batch_webhook_url: str | None = None

    @property
    def made_id(self) -> str:
        """What is made: the batch, or the only task."""
        return self.batch_id or self.tasks[0].task_id

    @property
    def price(self) -> int:
        return sum(task.price for task in self.tasks)

    @property
    def inputs(self) -> set[str]:
        """Ids of files."""
        images = (image for task in self.tasks for image in (task.source_image, task.reference_image))
        return {image for image in images if image is not None}


class SubmitAnswer(Struct, frozen=True):
    """What the one statement tells: the tasks if they were written, and otherwise what it saw."""

    tasks: Sequence[TaskRecord]
    credits_left: int | None
    kept: EarlierUse | None
    found_files: frozenset[str]


async def submit_tasks(
    connection: Connection, order: Order, *, max_pending: int, now: datetime | None = None
) -> SubmitAnswer:
    """Charge and write the tasks, if everything allows it.

    Raises:
        asyncpg.UniqueViolationError: A request with the same idempotency key was faster, or its key has expired.
    """
    idempotency = order.idempotency
    records = await QUERIES["submit_tasks"].records(
        connection,
        user_id=order.user_id,
        tasks=[to_builtins(task) | {"line": LINE[task.priority]} for task in order.tasks],
        number=len(order.tasks),
        inputs=sorted(order.inputs),
        price=order.price,
        available=all(task.available for task in order.tasks),
        batch_id=order.batch_id,
        batch_webhook_url=order.batch_webhook_url,
        route=idempotency and idempotency.route,
        idempotency_key=idempotency and idempotency.key,
        fingerprint=idempotency and idempotency.fingerprint,
        made_id=order.made_id,
        max_pending=max_pending,
        now=now,
    )
    first = records[0]
    written = first["task_id"] is not None
    return SubmitAnswer(
        tasks=[convert(record, TaskRecord) for record in records] if written else [],
        credits_left=first["credits_left"],
        kept=None if first["kept_id"] is None else convert(first, EarlierUse),
        found_files=frozenset(first["found_files"] or ()),
    )


class SubmitRefusal(Struct, frozen=True):
    """What stood in the way of a submit."""

    current_credits: int
    too_many_pending: bool


async def refusal_of_submit(connection: Connection, order: Order, max_pending: int) -> SubmitRefusal | None:
    return await QUERIES["refusal_of_submit"].row(
        connection, SubmitRefusal, user_id=order.user_id, number=len(order.tasks), max_pending=max_pending
    )


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
