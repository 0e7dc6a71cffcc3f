"""A typed function per statement of `schema/queries/task_events.sql`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from schema.models.events import EventRecord
from schema.models.tasks import TaskRecord
from service.database import Connection
from service.database.statements import convert, load_queries

QUERIES = load_queries("task_events")

PLACED_AT_ONCE: Final = 20_000
"""Events: so long all other streams wait."""


class Unfinished(Struct, frozen=True):
    """A task that hasn't ended, and the number and place of its latest event; the place is None until a stream asks."""

    task: TaskRecord
    seq: int
    place: int | None


async def place_events(
    connection: Connection, user_ids: Sequence[str], *, resumed: tuple[str, int] | None = None
) -> None:
    """Give these users' new events their places, and what came since the event that a stream is `resumed` from.

    Not within a transaction: others wait for its end.
    """
    task_id, seq = resumed or (None, None)
    seen = PLACED_AT_ONCE
    while seen >= PLACED_AT_ONCE:
        seen = await QUERIES["place_events"].value(
            connection, user_ids=user_ids, task_id=task_id, seq=seq, limit=PLACED_AT_ONCE
        )


async def newest_place(connection: Connection, user_id: str) -> int:
    return await QUERIES["newest_place"].value(connection, user_id=user_id)


async def place_of(connection: Connection, user_id: str, task_id: str, seq: int) -> int | None:
    return await QUERIES["place_of"].value(connection, user_id=user_id, task_id=task_id, seq=seq)


async def events_since(connection: Connection, places: Sequence[tuple[str, int]], *, limit: int) -> list[EventRecord]:
    """Events of several users in their order, each user's from behind a place."""
    return await QUERIES["events_since"].rows(
        connection,
        EventRecord,
        user_ids=[user_id for user_id, _ in places],
        places=[str(place) for _, place in places],
        limit=limit,
    )


async def events_of_task(connection: Connection, user_id: str, task_id: str, *, after: int = 0) -> list[EventRecord]:
    """Events of this user's task from behind a number, oldest first."""
    return await QUERIES["events_of_task"].rows(connection, EventRecord, user_id=user_id, task_id=task_id, after=after)


async def unfinished(connection: Connection, user_id: str) -> list[Unfinished]:
    return [
        Unfinished(convert(record, TaskRecord), record["latest_seq"] or 0, record["latest_place"])
        for record in await QUERIES["unfinished"].records(connection, user_id=user_id)
    ]


async def tasks_as_they_are(connection: Connection, task_ids: Sequence[str]) -> dict[str, TaskRecord]:
    """Those that are there, by id."""
    tasks = await QUERIES["tasks_as_they_are"].rows(connection, TaskRecord, task_ids=task_ids)
    return {task.task_id: task for task in tasks}


async def task_and_owner(connection: Connection, task_id: str) -> TaskRecord | None:
    return await QUERIES["task_and_owner"].row(connection, TaskRecord, task_id=task_id)


class GoneTask(Struct, frozen=True):
    """A task that was deleted, and when: where the next page begins."""

    task_id: str
    gone_at: datetime


async def histories_to_forget(
    connection: Connection, *, limit: int, after: GoneTask | None = None, now: datetime | None = None
) -> list[GoneTask]:
    return await QUERIES["histories_to_forget"].rows(
        connection,
        GoneTask,
        limit=limit,
        after_gone_at=after and after.gone_at,
        after_task_id=after and after.task_id,
        now=now,
    )


async def forget_histories(connection: Connection, task_ids: Sequence[str]) -> None:
    await QUERIES["forget_histories"].run(connection, task_ids=task_ids)
