"""A task from the old system as a row of `tasks`, each column as the text that PostgreSQL reads."""

import re
from binascii import hexlify
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from schema.models.tasks import TaskStatus
from service.legacy.records import ENDS, Fields, Task

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


_encode: Final = msgspec.json.Encoder().encode
_PACKER: Final = msgspec.msgpack.Encoder()
_DONE, _FAILED, _CANCELLED = TaskStatus.DONE, TaskStatus.FAILED, TaskStatus.CANCELLED
_UNPACKER: Final = msgspec.msgpack.Decoder(Fields)
_ESCAPES: Final = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"))
_MEANT: Final = {escape.decode(): character.decode() for character, escape in _ESCAPES}
_ESCAPED: Final = re.compile(r"\\[\\nrt]")


def task_row(task: Task, original: Fields, expires_at: datetime | None, *, now: datetime) -> TaskRow:
    """A task with its row. `now` stands where its record tells no time; at `expires_at` the old Redis forgets it."""
    status = task.status
    return TaskRow(
        task.task_id,
        task.user_id,
        status,
        task.credits_consumed,
        task.fingerprint,
        task.ended_at if status in ENDS else task.updated_at,
        task.remarks,
        _PACKER.encode(original),
        _line_of(_values_of(task, status, expires_at, now), task.fingerprint),
    )


def _values_of(task: Task, status: TaskStatus, expires_at: datetime | None, now: datetime) -> tuple[bytes, ...]:
    """A task's row but for its fingerprint, as bytes: one emoji would make a text of all of it four times as wide.

    The old system doesn't record when a worker took a task: `started_at` of an ended one is its `created_at`, so that
    its `processing_time` is what its user waited. Nor does it record refunds: failed and cancelled count as refunded.
    """
    created, updated, ended = task.created_at or now, task.updated_at, None
    created_at = _time(created)
    started_at = ended_at = b""
    if status in ENDS:
        ended = task.ended_at or created
        ended_at = created_at if ended is created else _time(ended)
        started_at = ended_at if ended < created else created_at
    updated_at = created_at if updated is None else ended_at if updated is ended else _time(updated)
    charged = b"%d" % task.credits_consumed
    done = status is _DONE
    result, error = task.result, task.error
    return (
        task.task_id.encode(),
        (task.user_id or "").encode(),
        status.encode(),
        task.mode.encode(),
        b"%d" % task.progress,
        (task.current_step or "").encode(),
        task.source_image.encode(),
        (task.reference_image or "").encode(),
        _encode(task.config),
        b"" if result is None else _encode(result),
        b"" if error is None else _encode(error),
        charged,
        b"0" if done or ended is None else charged,
        created_at,
        updated_at,
        created_at,
        started_at,
        ended_at if done else b"",
        ended_at if status is _FAILED else b"",
        ended_at if status is _CANCELLED else b"",
        b"true" if ended is None else b"false",
        b"" if expires_at is None else _time(expires_at),
    )


def _line_of(values: Sequence[bytes], fingerprint: bytes) -> bytes:
    """A row as a line of COPY's text format, in which nothing stands for null: no column of ours is ever empty text."""
    line = b"\t".join(values)
    if b"\\" in line or b"\n" in line or b"\r" in line or line.count(b"\t") >= len(values):
        line = b"\t".join(map(_escaped, values))
    return b"%b\t\\\\x%b\n" % (line, hexlify(fingerprint))


def _row_in(line: str) -> Row:
    values = line[:-1].split("\t")
    if "\\" in line:
        values = [_ESCAPED.sub(lambda escape: _MEANT[escape[0]], value) for value in values]
    return tuple(value or None for value in values)


def _escaped(value: bytes) -> bytes:
    for character, escape in _ESCAPES:
        value = value.replace(character, escape)
    return value


def _time(moment: datetime) -> bytes:
    """As RFC 3339; msgspec takes a tenth of what isoformat() takes."""
    return _encode(moment)[1:-1]
