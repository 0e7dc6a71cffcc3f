"""A task from the old system as a row of `tasks`, each column as the text that PostgreSQL reads."""

import re
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from schema.models.tasks import TaskStatus
from service.legacy.records import Fields, Task

COLUMNS: Final = (
    "task_id",
    "user_id",
    "status",
    "mode",
    "progress",
    "current_step",
    "source_image",
    "reference_image",
    "config",
    "result",
    "error",
    "credits_consumed",
    "credits_refunded",
    "created_at",
    "updated_at",
    "queued_at",
    "started_at",
    "completed_at",
    "failed_at",
    "cancelled_at",
    "elsewhere",
    "legacy_expires_at",
    "legacy_fingerprint",
)

Row = tuple[str | None, ...]
"""In the order of COLUMNS."""


class TaskRow(Struct, frozen=True, gc=False, tag=True):
    """A task as an import has it at hand, with thousands of others: its row, and what is decided by."""

    task_id: str
    user_id: str | None
    status: TaskStatus
    credits_consumed: int
    fingerprint: bytes
    moment: datetime | None
    """When it ended; of an unfinished one, when it last changed; as far as its record tells."""
    remarks: tuple[str, ...]
    packed: bytes
    """The record as it stands there, as msgpack: few are ever looked at."""
    line: bytes
    """The row, as COPY takes it."""

    @property
    def row(self) -> Row:
        """What the line says."""
        return _row_in(self.line.decode())

    @property
    def original(self) -> Fields:
        """The record as it stands there."""
        return _UNPACKER.decode(self.packed)


_ENCODER: Final = msgspec.json.Encoder()
_PACKER: Final = msgspec.msgpack.Encoder()
_UNPACKER: Final = msgspec.msgpack.Decoder(Fields)
_ESCAPES: Final = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_MEANT: Final = {escape: character for character, escape in _ESCAPES}
_ESCAPED: Final = re.compile(r"\\[\\nrt]")


def task_row(task: Task, original: Fields, expires_at: datetime | None, *, now: datetime) -> TaskRow:
    """A task with its row; see `row_of`."""
    return TaskRow(
        task.task_id,
        task.user_id,
        task.status,
        task.credits_consumed,
        task.fingerprint,
        task.ended_at if task.status.ended else task.updated_at,
        task.remarks,
        _PACKER.encode(original),
        line_of(row_of(task, expires_at, now=now)).encode(),
    )


def row_of(task: Task, expires_at: datetime | None, *, now: datetime) -> Row:
    """A task's row. `now` stands where the record tells no time; `expires_at` is when the old Redis forgets it.

    The old system doesn't record when a worker took a task: `started_at` of an ended one is its `created_at`, so that
    its `processing_time` is what its user waited. Nor does it record refunds: failed and cancelled count as refunded.
    """
    status = task.status
    created, ended = task.created_at or now, None
    if status.ended:
        ended = task.ended_at or created
    created_at = _time(created)
    ended_at = None if ended is None else _time(ended)
    refunded = status is TaskStatus.FAILED or status is TaskStatus.CANCELLED
    return (
        task.task_id,
        task.user_id,
        status,
        task.mode,
        str(task.progress),
        task.current_step,
        task.source_image,
        task.reference_image,
        _json(task.config),
        None if task.result is None else _json(task.result),
        None if task.error is None else _json(task.error),
        str(task.credits_consumed),
        str(task.credits_consumed) if refunded else "0",
        created_at,
        created_at if task.updated_at is None else _time(task.updated_at),
        created_at,
        ended_at if ended is None or ended < created else created_at,
        ended_at if status is TaskStatus.DONE else None,
        ended_at if status is TaskStatus.FAILED else None,
        ended_at if status is TaskStatus.CANCELLED else None,
        "true" if ended_at is None else "false",
        None if expires_at is None else _time(expires_at),
        f"\\x{task.fingerprint.hex()}",
    )


def line_of(row: Row) -> str:
    """A row as a line of COPY's text format, in which nothing stands for null: no column of ours is ever empty text."""
    values, fingerprint = row[:-1], row[-1]
    line = "\t".join([value or "" for value in values])
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(values):
        line = "\t".join([_escaped(value or "") for value in values])
    return f"{line}\t\\{fingerprint}\n"


def _row_in(line: str) -> Row:
    values = line[:-1].split("\t")
    if "\\" in line:
        values = [_ESCAPED.sub(lambda escape: _MEANT[escape[0]], value) for value in values]
    return tuple(value or None for value in values)


def _escaped(value: str) -> str:
    for character, escape in _ESCAPES:
        value = value.replace(character, escape)
    return value


def _json(value: Any) -> str:
    return _ENCODER.encode(value).decode()


def _time(moment: datetime) -> str:
    """As RFC 3339; msgspec takes a tenth of what isoformat() takes."""
    return _ENCODER.encode(moment)[1:-1].decode()
