"""A typed function per statement of `schema/queries/task_messages.sql`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from schema.messages import Announcement
from schema.models.edits import Mode
from service.database import Connection
from service.database.statements import convert, load_queries

QUERIES = load_queries("task_messages")


class Marked(Struct, frozen=True):
    """A waiting task that is to be dispatched again; `due` unless it waits for its time."""

    task_id: str
    message_no: int
    mode: Mode
    due: bool


class Named(Struct, frozen=True):
    """What a message named: whether it is a task, and if it still waits, as it is marked now."""

    is_a_task: bool
    marked: Marked | None


async def mark_undispatched(connection: Connection, task_id: str, *, now: datetime | None = None) -> Named:
    """The named task, if it still waits. Not to be called while rows of `tasks` are locked."""
    record = await QUERIES["mark_undispatched"].record(connection, task_id=task_id, now=now)
    if record is None:
        return Named(is_a_task=False, marked=None)
    return Named(is_a_task=True, marked=None if record["task_id"] is None else convert(record, Marked))


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


async def line_up(connection: Connection, announcements: Sequence[Announcement]) -> list[str]:
    """Give the users of these waiting tasks a turn where they have none; whose."""
    return await QUERIES["line_up"].column(connection, task_ids=[task_id for task_id, _ in announcements])


def _columns(announcements: Sequence[Announcement]) -> dict[str, list[str]]:
    """Numbers as text: other arrays asyncpg looks up first, which through a pooler leaves `jit` off in a session."""
    return {"task_ids": [one[0] for one in announcements], "message_nos": [str(one[1]) for one in announcements]}
