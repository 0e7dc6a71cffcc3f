"""A typed function per statement of `schema/queries/task_reading.sql`."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import TypeVar

from schema.identifiers import is_id
from schema.models.edits import Mode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("task_reading")

T = TypeVar("T", bound=StrEnum)


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
    asked = {
        "user_id": user_id,
        "after_created_at": after and after[0],
        "after_task_id": after and after[1],
        "limit": limit,
        "offset": offset,
    }
    if status is None and mode is None:
        return await QUERIES["get_tasks_by_user"].rows(connection, TaskRecord, **asked)
    pairs = list(product(_all_or_one(TaskStatus, status), _all_or_one(Mode, mode)))
    return await QUERIES["get_filtered_tasks_by_user"].rows(
        connection, TaskRecord, **asked, statuses=[one for one, _ in pairs], modes=[one for _, one in pairs]
    )


async def get_named_tasks(
    connection: Connection,
    user_id: str,
    *,
    task_ids: Sequence[str] | None = None,
    batch_id: str | None = None,
    statuses: Sequence[TaskStatus] | None = None,
    mode: Mode | None = None,
) -> list[TaskRecord]:
    """Those of this user's tasks with these ids, or of this batch, newest first. One of the two must be given.

    As clients send them: what can't be an id is no task's, and nothing that PostgreSQL could always read.
    """
    if task_ids is None and batch_id is None:
        raise ValueError("names no tasks")
    if batch_id is not None and not is_id(batch_id):
        return []
    task_ids = None if task_ids is None else [task_id for task_id in task_ids if is_id(task_id)]
    return await QUERIES["get_named_tasks"].rows(
        connection,
        TaskRecord,
        user_id=user_id,
        task_ids=task_ids,
        batch_id=batch_id,
        statuses=statuses,
        mode=mode,
    )


async def made_by(connection: Connection, user_id: str, made_id: str) -> list[TaskRecord]:
    """The task of this id, or the tasks of the batch of this id, in the order in which they were asked for."""
    return await QUERIES["made_by"].rows(connection, TaskRecord, user_id=user_id, made_id=made_id)


async def unfinished_ids(
    connection: Connection,
    user_id: str,
    *,
    status: TaskStatus,
    mode: Mode | None,
    created_before: datetime | None,
) -> list[str]:
    """Ids of a user's tasks that wait, or of those that run, in their order."""
    return await QUERIES["unfinished_ids"].column(
        connection, user_id=user_id, status=status, modes=_all_or_one(Mode, mode), created_before=created_before
    )


async def count_tasks_by_user(
    connection: Connection, user_id: str, *, status: TaskStatus | None = None, mode: Mode | None = None, up_to: int
) -> int:
    statuses = None if status is None else [status]
    modes = None if status is None and mode is None else _all_or_one(Mode, mode)
    return await QUERIES["count_tasks_by_user"].value(
        connection, user_id=user_id, statuses=statuses, modes=modes, up_to=up_to
    )


async def count_tasks_by_status(
    connection: Connection, user_id: str, *, only: Sequence[TaskStatus] | None = None
) -> dict[TaskStatus, int]:
    """How many of a user's tasks are in each status, or in each of those named."""
    counted = await QUERIES["count_tasks_by_status"].rows(
        connection, tuple[TaskStatus, int], user_id=user_id, only=only, modes=list(Mode)
    )
    return dict(counted)


def _all_or_one(kind: type[T], one: T | None) -> list[T]:
    return list(kind) if one is None else [one]


async def ended_tasks(connection: Connection, task_ids: Sequence[str]) -> list[str]:
    return await QUERIES["ended_tasks"].column(connection, task_ids=task_ids)
