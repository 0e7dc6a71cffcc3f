"""A typed function per statement of `schema/queries/task_reading.sql`."""

from collections.abc import Sequence
from datetime import datetime

from schema.models.edits import Mode
from schema.models.tasks import TaskRecord, TaskStatus
from service.database import Connection
from service.statements import load_queries

QUERIES = load_queries("task_reading")


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
