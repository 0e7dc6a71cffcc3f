"""A typed function per statement of `schema/queries/task_endings.sql`."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, json, to_builtins

from schema.models.tasks import UNFINISHED, StoredResult, TaskFailure, TaskRecord, TaskStatus
from service.database import Connection
from service.database.statements import load_queries
from service.files.store import NewFile

QUERIES = load_queries("task_endings")


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


class Made(Struct, frozen=True):
    """What a claim achieved: its result and its files, whose blobs are stored."""

    task_id: str
    lease_token: int
    result: StoredResult
    files: Sequence[NewFile]


async def complete_tasks(
    connection: Connection, several: Sequence[Made], *, now: datetime | None = None
) -> list[TaskRecord]:
    """Those that could be completed without waiting for anybody. The others `complete_task` decides, one by one."""
    return await QUERIES["complete_tasks"].rows(
        connection,
        TaskRecord,
        task_ids=[one.task_id for one in several],
        # Numbers and JSON as text: see service/tasks/store/messages.py.
        lease_tokens=[str(one.lease_token) for one in several],
        results=[json.encode(one.result).decode() for one in several],
        made=[
            {**to_builtins(new), "task_id": one.task_id, "lease_token": one.lease_token}
            for one in several
            for new in one.files
        ],
        now=now,
    )


async def fail_task(
    connection: Connection,
    task_id: str,
    lease_token: int,
    failure: TaskFailure,
    *,
    unrenewed_since: datetime | None = None,
    now: datetime | None = None,
) -> TaskRecord | None:
    return await QUERIES["fail_task"].row(
        connection,
        TaskRecord,
        task_id=task_id,
        lease_token=lease_token,
        error=to_builtins(failure),
        unrenewed_since=unrenewed_since,
        now=now,
    )


async def outcome_of(connection: Connection, task_id: str, lease_token: int) -> TaskRecord | None:
    """The task as this claim was ended or given back, if nobody has claimed it since."""
    return await QUERIES["outcome_of"].row(connection, TaskRecord, task_id=task_id, lease_token=lease_token)


async def cancel_tasks(
    connection: Connection,
    user_id: str,
    task_ids: Sequence[str],
    *,
    statuses: Iterable[TaskStatus] = UNFINISHED,
    now: datetime | None = None,
) -> list[TaskRecord]:
    """Cancel those of a user's tasks that wait or run, and have one of these statuses."""
    return await QUERIES["cancel_tasks"].rows(
        connection, TaskRecord, user_id=user_id, task_ids=task_ids, statuses=list(statuses), now=now
    )


async def cancel_task(
    connection: Connection, user_id: str, task_id: str, *, now: datetime | None = None
) -> TaskRecord | None:
    """The one, if it is this user's and hasn't ended."""
    cancelled = await cancel_tasks(connection, user_id, [task_id], now=now)
    return cancelled[0] if cancelled else None


class OverdueTask(Struct, frozen=True):
    """A task whose deadline is past, and where the next page begins."""

    task_id: str
    user_id: str
    deadline_at: datetime


async def overdue_tasks(
    connection: Connection,
    *,
    limit: int,
    user_id: str | None = None,
    after: OverdueTask | None = None,
    now: datetime | None = None,
) -> list[OverdueTask]:
    return await QUERIES["overdue_tasks"].rows(
        connection,
        OverdueTask,
        user_id=user_id,
        limit=limit,
        after_deadline_at=after and after.deadline_at,
        after_task_id=after and after.task_id,
        now=now,
    )


async def users_with_deadlines(connection: Connection, *, limit: int) -> list[str]:
    """Those with an unfinished task that has a deadline, whenever that is."""
    return await QUERIES["users_with_deadlines"].column(connection, limit=limit)


async def next_deadline(connection: Connection, user_id: str) -> float | None:
    """In how many seconds the next of a user's deadlines is past, negative once it is; None where there is none."""
    return await QUERIES["next_deadline"].value(connection, user_id=user_id)


async def fail_overdue(
    connection: Connection,
    user_id: str,
    task_ids: Sequence[str],
    failure: TaskFailure,
    *,
    now: datetime | None = None,
) -> list[TaskRecord]:
    return await QUERIES["fail_overdue"].rows(
        connection, TaskRecord, user_id=user_id, task_ids=task_ids, error=to_builtins(failure), now=now
    )


class DeletedTask(Struct, frozen=True):
    """A task that was deleted, the batch that it was one of, and the files that it was to be made of."""

    task_id: str
    batch_id: str | None
    inputs: list[str]


async def delete_task(connection: Connection, user_id: str, task_id: str) -> DeletedTask | None:
    return await QUERIES["delete_task"].row(connection, DeletedTask, user_id=user_id, task_id=task_id)


class EndedTask(Struct, frozen=True):
    """A task, whose it is, and when it ended: where the next page begins."""

    task_id: str
    user_id: str
    ended_at: datetime


async def expired_tasks(
    connection: Connection,
    *,
    retention: timedelta,
    limit: int,
    after: EndedTask | None = None,
    now: datetime | None = None,
) -> list[EndedTask]:
    return await QUERIES["expired_tasks"].rows(
        connection,
        EndedTask,
        retention=retention,
        limit=limit,
        after_ended_at=after and after.ended_at,
        after_task_id=after and after.task_id,
        now=now,
    )
