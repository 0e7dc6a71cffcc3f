"""A typed function per statement of `schema/queries/legacy_tasks.sql`."""

from collections.abc import AsyncGenerator, Sequence

from msgspec import Struct

from service.database import Connection
from service.database.statements import load_queries
from service.legacy.records.planning import KnownTask
from service.legacy.records.rows import COLUMNS, Row, TaskRow

QUERIES = load_queries("legacy_tasks")

LINES = 500
"""Rows that are sent to a COPY at a time."""


async def known_tasks(connection: Connection, task_ids: Sequence[str]) -> dict[str, KnownTask]:
    records = await QUERIES["known_tasks"].records(connection, record_ids=task_ids)
    return {record["record_id"]: KnownTask(*record) for record in records}


async def losing_rows(connection: Connection, tasks: Sequence[TaskRow]) -> list[tuple[str, str]]:
    """By task: its adopted row, as JSON, where these are other news of it."""
    rows = [dict(zip(COLUMNS, task.row, strict=True)) for task in tasks]
    return await QUERIES["losing_rows"].rows(
        connection,
        tuple[str, str],
        task_ids=[row["task_id"] for row in rows],
        statuses=[row["status"] for row in rows],
        results=[row["result"] for row in rows],
        errors=[row["error"] for row in rows],
    )


async def add_tasks(connection: Connection, tasks: Sequence[TaskRow]) -> None:
    """Write new tasks with COPY.

    Raises:
        asyncpg.UniqueViolationError: Somebody else wrote one of them a moment ago.
    """

    async def lines() -> AsyncGenerator[bytes]:
        for start in range(0, len(tasks), LINES):
            yield b"".join([task.line for task in tasks[start : start + LINES]])

    if tasks:
        # As text: binary wants to know the columns' types first, for which asyncpg prepares a named statement.
        await connection.copy_to_table("tasks", source=lines(), columns=COLUMNS, format="text", null="")


async def update_tasks(connection: Connection, rows: Sequence[Row]) -> None:
    """Write what has changed in the old system."""
    if rows:
        columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
        await QUERIES["update_tasks"].run(connection, **columns)


class Standing(Struct, frozen=True):
    """How a task of the old system that isn't in the table stands here."""

    gone: bool
    timezone: str


async def legacy_standing(connection: Connection, task_id: str) -> Standing:
    standing = await QUERIES["legacy_standing"].row(connection, Standing, task_id=task_id)
    assert standing is not None  # noqa: S101 - the statement always answers one row
    return standing


async def bury_task(connection: Connection, task_id: str) -> None:
    """No import will bring this task, and nobody reads it any more."""
    await QUERIES["bury_task"].run(connection, task_id=task_id)
