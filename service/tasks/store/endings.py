"""A typed function per statement of `schema/queries/task_endings.sql`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct, to_builtins

from schema.models.tasks import StoredResult, TaskFailure, TaskRecord
from service.database import Connection
from service.files.store import NewFile
from service.statements import load_queries

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


async def cancel_task(
    connection: Connection, user_id: str, task_id: str, *, now: datetime | None = None
) -> TaskRecord | None:
    return await QUERIES["cancel_task"].row(connection, TaskRecord, user_id=user_id, task_id=task_id, now=now)


async def delete_task(connection: Connection, user_id: str, task_id: str) -> bool:
    return await QUERIES["delete_task"].value(connection, user_id=user_id, task_id=task_id) is not None


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
