"""Old tasks as their system writes them when nothing goes wrong: nearly all, and read at half of what care costs."""

from datetime import tzinfo
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from schema.identifiers import is_id
from schema.models.edits import REFERENCE_FIELDS, Mode
from schema.models.tasks import LegacyPictures, StoredResult, TaskFailure, TaskStatus
from service.legacy.records import ENDS, MOST_CHARGED, RawTask, Task, is_user_id
from service.legacy.records.salvage import is_deep
from service.legacy.records.values import born_after, fingerprint, text_of, time_of


class _Data(Struct, forbid_unknown_fields=True, gc=False):
    mode: Mode
    source_image: str
    reference_image: str | None = None
    config: dict[str, Any] = {}
    user_id: str | None = None
    credits_consumed: Annotated[int, Meta(ge=0, le=MOST_CHARGED)] = 0


class _Result(Struct, forbid_unknown_fields=True, gc=False):
    output_image: str | None = None
    thumbnail: str | None = None
    comparison_image: str | None = None
    metadata: dict[str, Any] = {}


class _Error(Struct, forbid_unknown_fields=True, gc=False):
    code: str
    message: str
    details: dict[str, Any] | None = None


_DATA: Final = msgspec.json.Decoder(_Data)
_RESULT: Final = msgspec.json.Decoder(_Result)
_ERROR: Final = msgspec.json.Decoder(_Error)
_NUL: Final = rb"\u0000"
_ENDED: Final = {status.encode(): (status, ends) for status, ends in ENDS.items()}
"""By what a hash says its status is: the end, and where its time is told."""


class _Unsound(ValueError):  # noqa: N818 - a verdict
    """Something that is to be read with care."""


def sound_task(raw: RawTask, zone: str, clock: tzinfo) -> Task | None:
    """A task that has ended, if nothing about its hash is odd; None for whatever is to be read with care.

    It is what care would make of it (tests/service/legacy/test_reading_tasks.py).
    """
    end = _ENDED.get(raw.fields.get(b"status", b""))
    if end is None or raw.wrong_type is not None or raw.large:
        return None
    try:
        return _read(raw, *end, zone, clock)
    except (KeyError, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _read(raw: RawTask, status: TaskStatus, ends: tuple[bytes, ...], zone: str, clock: tzinfo) -> Task:
    fields, task_id = raw.fields, raw.task_id
    text = fields[b"data"]
    _expect_kept(text)
    data = _DATA.decode(text)
    user_id, source, config = data.user_id or None, data.source_image, data.config
    reference = data.reference_image or _reference_in(config, data.mode)
    known_ids = is_id(task_id) and is_id(source) and (user_id is None or is_user_id(user_id))
    if not known_ids or fields[b"task_id"] != task_id.encode() or (reference and not _is_reference(reference)):
        raise _Unsound
    created_at = time_of(fields[b"created_at"].decode(), clock, born_after(task_id, clock))
    told = fields.get(ends[0]) or next(filter(None, map(fields.get, ends)), b"")
    changed = fields[b"updated_at"]
    ended_at = time_of(told.decode(), clock, created_at)
    updated_at = ended_at if changed == told else time_of(changed.decode(), clock, created_at)
    if created_at is None or ended_at is None or updated_at is None:
        raise _Unsound
    result, error, step = fields.get(b"result"), fields.get(b"error"), fields.get(b"current_step")
    return Task(
        task_id,
        user_id,
        status,
        data.mode,
        _progress(fields.get(b"progress"), status),
        _step(step) if step else None,
        source,
        reference or None,
        config,
        _result(result) if result else None,
        _error(error) if error else None,
        data.credits_consumed,
        created_at,
        updated_at,
        ended_at,
        fingerprint(fields, zone),
        (),
    )


def _expect_kept(text: bytes) -> None:
    if _NUL in text or is_deep(text):
        raise _Unsound


def _reference_in(config: dict[str, Any], mode: Mode) -> Any:
    for name in REFERENCE_FIELDS[mode]:
        if reference := config.get(name):
            return reference
    return None


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and is_id(value)


def _progress(text: bytes | None, status: TaskStatus) -> int:
    if text == b"100":
        return 100
    if not text:
        return 100 if status is TaskStatus.DONE else 0
    if not text.isdigit() or len(text) >= len(b"100"):
        raise _Unsound
    return int(text)


def _step(text: bytes) -> str:
    step = text_of(text)
    if step is None:
        raise _Unsound
    return step


def _result(text: bytes) -> StoredResult:
    _expect_kept(text)
    result = _RESULT.decode(text)
    pictures = LegacyPictures(result.output_image or None, result.thumbnail or None, result.comparison_image or None)
    return StoredResult(None, None, None, result.metadata, pictures)


def _error(text: bytes) -> TaskFailure:
    _expect_kept(text)
    error = _ERROR.decode(text)
    if not (error.code and error.message):
        raise _Unsound
    return TaskFailure(error.code, error.message, error.details or None)
