"""A typed function per statement of `schema/queries/legacy.sql`. They take a connection and open no transaction."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from schema.models.tasks import StoredResult, TaskFailure
from service.database import Connection
from service.legacy.comparing import TaskHere, UserHere
from service.legacy.planning import Kept, KnownTask, KnownUser, Remark
from service.legacy.records import Unreadable, User, whole
from service.legacy.rows import COLUMNS, Row, TaskRow, line_of
from service.statements import load_queries

QUERIES = load_queries("legacy")

LINES = 500
"""Rows that are sent to a COPY at a time."""

_RESULT = msgspec.json.Decoder(StoredResult | None)
_ERROR = msgspec.json.Decoder(TaskFailure | None)


class Import(Struct, frozen=True):
    """An import that was begun."""

    import_id: int
    prefix: str
    timezone: str
    take_over: bool
    started_at: datetime
    finished_at: datetime | None


async def begin_import(
    connection: Connection, *, prefix: str, timezone: str, take_over: bool, source: Sequence[str]
) -> int:
    return await QUERIES["begin_import"].value(
        connection, prefix=prefix, timezone=timezone, take_over=take_over, source=source
    )


async def finish_import(connection: Connection, import_id: int, summary: Any) -> None:
    await QUERIES["finish_import"].run(connection, import_id=import_id, summary=msgspec.to_builtins(summary))


async def last_import(connection: Connection) -> Import | None:
    return await QUERIES["last_import"].row(connection, Import)


async def balances_live_here(connection: Connection) -> bool:
    """Whether tasks have been taken over: from then on no import changes a balance."""
    return await QUERIES["balances_live_here"].value(connection)


async def begin_take_over(connection: Connection, import_id: int) -> None:
    await QUERIES["begin_take_over"].run(connection, import_id=import_id)


async def known_tasks(connection: Connection, task_ids: Sequence[str]) -> dict[str, KnownTask]:
    records = await QUERIES["known_tasks"].records(connection, record_ids=task_ids)
    return {record["record_id"]: KnownTask(*record) for record in records}


async def known_users(connection: Connection, user_ids: Sequence[str]) -> dict[str, KnownUser]:
    rows = await QUERIES["known_users"].rows(connection, KnownUser, record_ids=user_ids)
    return {known.record_id: known for known in rows}


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


async def kept_verdicts(connection: Connection, kind: str, record_ids: Sequence[str]) -> list[Kept]:
    return await QUERIES["kept_verdicts"].rows(connection, Kept, kind=kind, record_ids=record_ids)


async def unknown_users(connection: Connection, user_ids: Sequence[str]) -> dict[str, bool]:
    """Those without an account, and whether they were erased here."""
    return dict(await QUERIES["unknown_users"].rows(connection, tuple[str, bool], user_ids=user_ids))


async def hold_users(connection: Connection, user_ids: Sequence[str]) -> None:
    """Nobody changes these balances until the transaction ends."""
    await QUERIES["hold_users"].run(connection, user_ids=user_ids)


async def holders_of_emails(connection: Connection, users: Sequence[User]) -> list[tuple[str, str, str | None]]:
    """By user with an email: the email as it is compared, and who else has it here."""
    named = [(user.user_id, user.email) for user in users if user.email is not None]
    asked = {"user_ids": [one[0] for one in named], "emails": [one[1] for one in named]}
    return await QUERIES["holders_of_emails"].rows(connection, tuple[str, str, str | None], **asked)


async def release_emails(connection: Connection, user_ids: Sequence[str]) -> None:
    """These accounts get other emails in this transaction."""
    await QUERIES["release_emails"].run(connection, user_ids=user_ids)


async def place_users(connection: Connection, user_ids: Sequence[str]) -> None:
    await QUERIES["place_users"].run(connection, user_ids=user_ids)


async def put_users(connection: Connection, users: Sequence[User]) -> None:
    """Write accounts and their opening entries; balances stay the sums of their ledgers."""
    columns = {name: [_text(getattr(user, name)) for user in users] for name in _USER_COLUMNS}
    columns["legacy_fingerprint"] = [user.fingerprint.hex() for user in users]
    written = set(await QUERIES["put_users"].column(connection, **columns))
    credits_ = {user.user_id: str(user.current_credits) for user in users if user.user_id in written}
    await QUERIES["put_openings"].run(connection, user_ids=list(credits_), credits=list(credits_.values()))


async def add_tasks(connection: Connection, rows: Sequence[Row]) -> None:
    """Write new tasks with COPY.

    Raises:
        asyncpg.UniqueViolationError: Somebody else wrote one of them a moment ago.
    """

    async def lines() -> AsyncGenerator[bytes]:
        for start in range(0, len(rows), LINES):
            yield "".join(map(line_of, rows[start : start + LINES])).encode()

    if rows:
        # As text: binary wants to know the columns' types first, for which asyncpg prepares a named statement.
        await connection.copy_to_table("tasks", source=lines(), columns=COLUMNS, format="text", null="")


async def update_tasks(connection: Connection, rows: Sequence[Row]) -> None:
    """Write what has changed in the old system."""
    if rows:
        columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
        await QUERIES["update_tasks"].run(connection, **columns)


async def put_in_quarantine(connection: Connection, kind: str, records: Sequence[Unreadable]) -> None:
    await QUERIES["put_in_quarantine"].run(
        connection,
        kind=kind,
        record_ids=[record.record_id for record in records],
        reasons=[record.reason for record in records],
        fields=[_json(whole(record.fields)) for record in records],
        fingerprints=[record.fingerprint.hex() for record in records],
    )


async def release_from_quarantine(connection: Connection, kind: str, record_ids: Sequence[str]) -> None:
    await QUERIES["release_from_quarantine"].run(connection, kind=kind, record_ids=record_ids)


async def put_remarks(connection: Connection, kind: str, remarks: Sequence[Remark]) -> None:
    await QUERIES["put_remarks"].run(
        connection,
        kind=kind,
        record_ids=[remark.record_id for remark in remarks],
        reasons=["\n".join(remark.reasons) for remark in remarks],
        conflicts=[_text(remark.conflict) for remark in remarks],
        fields=[None if remark.original is None else _json(whole(remark.original)) for remark in remarks],
        fingerprints=[remark.fingerprint.hex() for remark in remarks],
    )


async def drop_remarks(connection: Connection, kind: str, record_ids: Sequence[str]) -> None:
    await QUERIES["drop_remarks"].run(connection, kind=kind, record_ids=record_ids)


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


async def take_time(connection: Connection) -> None:
    """No statement of this transaction is ended for taking long."""
    await QUERIES["take_time"].run(connection)


async def begin_batch(connection: Connection) -> None:
    """Wait for other imports' batches. The commit won't wait for the disk: what a crash takes, the next run imports."""
    await take_time(connection)
    await QUERIES["begin_batch"].run(connection)


async def settle(connection: Connection) -> None:
    """This transaction's commit waits for the disk, and so for all before it."""
    await QUERIES["settle"].run(connection)


_USER_COLUMNS = (
    "user_id",
    "email",
    "username",
    "avatar",
    "password_hash",
    "has_password",
    "is_active",
    "signup_bonus_granted",
    "current_plan_id",
    "plan_renew_at",
    "current_credits",
    "total_credits_used",
    "created_at",
    "last_login",
)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _text(value: Any) -> str | None:
    """A column's value as PostgreSQL reads it. Arrays of text are all that asyncpg encodes without a look-up."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, int) else _json(value)
