"""A typed function per statement of `schema/queries/legacy_comparison.sql`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from schema.models.tasks import StoredResult, TaskFailure
from service.database import Connection
from service.database.statements import load_queries
from service.legacy.records.comparing import TaskHere, UserHere

QUERIES = load_queries("legacy_comparison")

_RESULT = msgspec.json.Decoder(StoredResult | None)
_ERROR = msgspec.json.Decoder(TaskFailure | None)


async def imported_tasks(connection: Connection, task_ids: Sequence[str]) -> list[TaskHere]:
    records = await QUERIES["imported_tasks"].records(connection, task_ids=task_ids)
    rows = ([*columns, _RESULT.decode(result), _ERROR.decode(error)] for *columns, result, error in records)
    return [TaskHere(*row) for row in rows]


async def imported_users(connection: Connection, user_ids: Sequence[str]) -> list[UserHere]:
    return await QUERIES["imported_users"].rows(connection, UserHere, user_ids=user_ids)


class Found(Protocol):
    """A difference, for the list of those that were accepted."""

    @property
    def record_id(self) -> str: ...

    @property
    def mark(self) -> bytes: ...


async def accepted(connection: Connection, kind: str, found: Sequence[Found]) -> dict[str, str]:
    """Why those of these differences are all right that somebody has accepted, by record."""
    rows = QUERIES["accepted"].rows
    return dict(await rows(connection, tuple[str, str], kind=kind, **_marked(found)))


async def accept(connection: Connection, kind: str, found: Sequence[Found], reason: str) -> None:
    await QUERIES["accept"].run(connection, kind=kind, reason=reason, **_marked(found))


def _marked(found: Sequence[Found]) -> dict[str, list[str]]:
    return {"record_ids": [one.record_id for one in found], "marks": [one.mark.hex() for one in found]}


async def erased(connection: Connection, kind: str, record_ids: Sequence[str]) -> frozenset[str]:
    """Those of these records that were deleted here."""
    return frozenset(await QUERIES["erased"].column(connection, kind=kind, record_ids=record_ids))


async def brought_tasks(connection: Connection, after: str, limit: int) -> list[str]:
    """Imported tasks that the old Redis wasn't to forget yet, by id."""
    return await QUERIES["brought_tasks"].column(connection, after=after, limit=limit)


async def brought_users(connection: Connection, after: str, limit: int) -> list[tuple[str, str | None]]:
    """Imported accounts and their emails, by id."""
    return await QUERIES["brought_users"].rows(connection, tuple[str, str | None], after=after, limit=limit)


class Brought(Struct, frozen=True):
    """Imported tasks with one status, and what they cost together."""

    status: str
    tasks: int
    credits: int


async def brought_by_status(connection: Connection) -> list[Brought]:
    return await QUERIES["brought_by_status"].rows(connection, Brought)


async def brought_credits(connection: Connection) -> int:
    """The sum of the balances that accounts were brought along with."""
    return await QUERIES["brought_credits"].value(connection)
