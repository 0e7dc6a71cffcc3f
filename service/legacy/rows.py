"""A task from the old system as a row of `tasks`, each column as the text that PostgreSQL reads."""

import re
from binascii import hexlify
from datetime import datetime
from typing import Final

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
_ESCAPES: Final = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\t", b"\\t"))
_MEANT: Final = {escape.decode(): character.decode() for character, escape in _ESCAPES}
_ESCAPED: Final = re.compile(r"\\[\\nrt]")


def task_row(task: Task, original: Fields, expires_at: datetime | None, *, now: datetime) -> TaskRow:
    """A task with its row. `now` stands where its record tells no time; at `expires_at` the old Redis forgets it."""
    return TaskRow(
        task.task_id,
        task.user_id,
        task.status,
        task.credits_consumed,
        task.fingerprint,
        task.ended_at if task.status.ended else task.updated_at,
        task.remarks,
        _PACKER.encode(original),
        _line_of(_values_of(task, expires_at, now=now), task.fingerprint),
    )


def _values_of(task: Task, expires_at: datetime | None, *, now: datetime) -> list[bytes]:
    """A task's row but for its fingerprint, as bytes: one emoji would make a text of all of it four times as wide.

    The old system doesn't record when a worker took a task: `started_at` of an ended one is its `created_at`, so that
    its `processing_time` is what its user waited. Nor does it record refunds: failed and cancelled count as refunded.
    """
    status = task.status
    created, ended = task.created_at or now, None
    if status.ended:
        ended = task.ended_at or created
    created_at = _time(created)
    ended_at = b"" if ended is None else _time(ended)
    charged = b"%d" % task.credits_consumed
    refunded = status is TaskStatus.FAILED or status is TaskStatus.CANCELLED
    return [
        task.task_id.encode(),
        (task.user_id or "").encode(),
        status.encode(),
        task.mode.encode(),
        b"%d" % task.progress,
        (task.current_step or "").encode(),
        task.source_image.encode(),
        (task.reference_image or "").encode(),
        _ENCODER.encode(task.config),
        b"" if task.result is None else _ENCODER.encode(task.result),
        b"" if task.error is None else _ENCODER.encode(task.error),
        charged,
        charged if refunded else b"0",
        created_at,
        created_at if task.updated_at is None else _time(task.updated_at),
        created_at,
        ended_at if ended is None or ended < created else created_at,
        ended_at if status is TaskStatus.DONE else b"",
        ended_at if status is TaskStatus.FAILED else b"",
        ended_at if status is TaskStatus.CANCELLED else b"",
        b"false" if ended_at else b"true",
        b"" if expires_at is None else _time(expires_at),
    ]


def _line_of(values: list[bytes], fingerprint: bytes) -> bytes:
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
    return _ENCODER.encode(moment)[1:-1]
