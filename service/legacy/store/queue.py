"""A typed function per statement of `schema/queries/legacy_queue.sql`."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("legacy_queue")


async def order_queue(connection: Connection, queued: Sequence[tuple[int, str]]) -> None:
    await QUERIES["order_queue"].run(
        connection,
        task_ids=[task_id for _, task_id in queued],
        places=[str(place) for place, _ in queued],
    )


async def put_first(connection: Connection, task_ids: Sequence[str]) -> None:
    await QUERIES["put_first"].run(connection, task_ids=task_ids)


async def queued_without_data(connection: Connection, task_ids: Iterable[str]) -> list[str]:
    return await QUERIES["queued_without_data"].column(connection, task_ids=list(task_ids))


async def take_over(connection: Connection, limit: int) -> list[str]:
    """The tasks that live here from now on, of those that the old system's workers had."""
    return await QUERIES["take_over"].column(connection, limit=limit)


class OpenTasks(Struct, frozen=True):
    """How many unfinished tasks the old system's workers have."""

    owned: int
    nobodys: int


async def open_tasks(connection: Connection) -> OpenTasks:
    counted = await QUERIES["open_tasks"].row(connection, OpenTasks)
    assert counted is not None  # noqa: S101 - counting answers a row
    return counted


async def waiting_without_photo(connection: Connection) -> int:
    return await QUERIES["waiting_without_photo"].value(connection)
