"""Old tasks as their system writes them when nothing goes wrong: nearly all, and read at half of what care costs."""

from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from schema.identifiers import is_id
from schema.models.edits import REFERENCE_FIELDS, Mode
from schema.models.tasks import LegacyPictures, StoredResult, TaskFailure, TaskStatus
from service.legacy.records import ENDS, MOST_CHARGED, STATUSES, Fields, RawTask, Task, is_user_id
from service.legacy.values import born_after, fingerprint, has_nul, text_of, time_of


class _Data(Struct, forbid_unknown_fields=True):
    mode: Mode
    source_image: str
    reference_image: str | None = None
    config: dict[str, Any] = {}
    user_id: str | None = None
    credits_consumed: Annotated[int, Meta(ge=0, le=MOST_CHARGED)] = 0


class _Result(Struct, forbid_unknown_fields=True):
    output_image: str | None = None
    thumbnail: str | None = None
    comparison_image: str | None = None
    metadata: dict[str, Any] = {}


class _Error(Struct, forbid_unknown_fields=True):
    code: str
    message: str
    details: dict[str, Any] | None = None


_DATA: Final = msgspec.json.Decoder(_Data)
_RESULT: Final = msgspec.json.Decoder(_Result)
_ERROR: Final = msgspec.json.Decoder(_Error)


class _Unsound(ValueError):  # noqa: N818 - a verdict
    """Something that is to be read with care."""


def sound_task(raw: RawTask, zone: str, clock: tzinfo) -> Task | None:
    """A task that has ended, if nothing about its hash is odd; None for whatever is to be read with care.

    It is what care would make of it (tests/service/legacy/test_reading_tasks.py).
    """
    status = STATUSES.get(raw.fields.get(b"status", b""))
    if status is None or not status.ended or raw.wrong_type is not None or raw.large:
        return None
    try:
        return _read(raw, status, zone, clock)
    except (KeyError, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _read(raw: RawTask, status: TaskStatus, zone: str, clock: tzinfo) -> Task:
    fields, task_id = raw.fields, raw.task_id
    data = _DATA.decode(_json(fields[b"data"]))
    user_id = data.user_id or None
    reference = data.reference_image
    for name in REFERENCE_FIELDS[data.mode]:
        reference = reference or data.config.get(name)
    known_ids = is_id(task_id) and is_id(data.source_image) and (user_id is None or is_user_id(user_id))
    if not known_ids or fields[b"task_id"] != task_id.encode() or (reference and not _is_reference(reference)):
        raise _Unsound
    created_at = _time(fields[b"created_at"], clock, born_after(task_id, clock))
    told = next(filter(None, map(fields.get, ENDS[status])), b"")
    ended_at = _time(told, clock, created_at)
    changed = fields[b"updated_at"]
    return Task(
        task_id=task_id,
        user_id=user_id,
        status=status,
        mode=data.mode,
        progress=_progress(fields.get(b"progress"), status),
        current_step=_step(fields.get(b"current_step")),
        source_image=data.source_image,
        reference_image=reference or None,
        config=data.config,
        result=_result(fields),
        error=_error(fields),
        credits_consumed=data.credits_consumed,
        created_at=created_at,
        updated_at=ended_at if changed == told else _time(changed, clock, created_at),
        ended_at=ended_at,
        fingerprint=fingerprint(fields, zone),
        remarks=(),
    )


def _json(text: bytes) -> bytes:
    if has_nul(text):
        raise _Unsound
    return text


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and is_id(value)


def _time(text: bytes, clock: tzinfo, not_before: datetime | None) -> datetime:
    moment = time_of(text.decode(), clock, not_before)
    if moment is None:
        raise _Unsound
    return moment


def _progress(text: bytes | None, status: TaskStatus) -> int:
    if text == b"100":
        return 100
    if not text:
        return 100 if status is TaskStatus.DONE else 0
    if not text.isdigit() or len(text) >= len(b"100"):
        raise _Unsound
    return int(text)


def _step(text: bytes | None) -> str | None:
    step = text_of(text)
    if text and step is None:
        raise _Unsound
    return step


def _result(fields: Fields) -> StoredResult | None:
    text = fields.get(b"result")
    if not text:
        return None
    result = _RESULT.decode(_json(text))
    pictures = LegacyPictures(result.output_image or None, result.thumbnail or None, result.comparison_image or None)
    return StoredResult(None, None, None, result.metadata, pictures)


def _error(fields: Fields) -> TaskFailure | None:
    text = fields.get(b"error")
    if not text:
        return None
    error = _ERROR.decode(_json(text))
    if not (error.code and error.message):
        raise _Unsound
    return TaskFailure(error.code, error.message, error.details or None)
