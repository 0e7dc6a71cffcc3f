"""A task's hash in the old Redis becomes a task of ours: every field but its status may be missing or malformed."""

from datetime import datetime, tzinfo
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from schema.fitting import fitting
from schema.identifiers import is_id
from schema.models.edits import REFERENCE_FIELDS, Mode
from schema.models.problems import FailureCode
from schema.models.tasks import LegacyPictures, StoredResult, TaskFailure, TaskStatus
from service.legacy.records import ENDS, MOST_CHARGED, STATUSES, RawTask, Task, Unreadable, is_user_id, unreadable
from service.legacy.records.salvage import LISTED
from service.legacy.records.sound import sound_task
from service.legacy.records.values import (
    MOST_DIGITS,
    born_after,
    credits_of,
    fingerprint,
    integer_of,
    json_of,
    object_of,
    text_of,
    time_in_id,
    time_of,
)

MODES: Final = {mode.value: mode for mode in Mode}
PICTURES: Final = ("output_image", "thumbnail", "comparison_image")
OF_RESULTS: Final = frozenset({*PICTURES, "metadata"})

LONGEST_SHOWN: Final = 40

NO_MESSAGE: Final = "The edit failed."


class Zone(Struct, frozen=True):
    """The time zone of the old server's clock, and its name."""

    name: str
    info: tzinfo


class _Unfit(Exception):  # noqa: N818 - a verdict
    """Why a hash can't become a task."""


def read_task(raw: RawTask, zone: Zone) -> Task | Unreadable:
    """A task, with remarks on what was read otherwise than it stands there; or why it can't be one."""
    return sound_task(raw, zone.name, zone.info) or read_with_care(raw, zone)


def read_with_care(raw: RawTask, zone: Zone) -> Task | Unreadable:
    """The same, whatever the hash is like."""
    try:
        return _read(raw, zone)
    except _Unfit as reason:
        return unreadable(raw.task_id, str(reason), raw.fields)


def _read(raw: RawTask, zone: Zone) -> Task:
    _judge_record(raw)
    fields = raw.fields
    status = STATUSES.get(fields.get(b"status", b""))
    if status is None:
        raise _Unfit("its status is missing or unknown")
    reading = _Reading(raw, zone)
    for name, size in islice(raw.large.items(), LISTED):
        megabytes = f"{size / (1 << 20):.3g} MB"
        reading.remark(f"{name.decode(errors='replace')} has {megabytes}, more than can be kept, and was left out")
    if len(raw.large) > LISTED:
        reading.remark(f"{len(raw.large) - LISTED} more fields are more than can be kept, and were left out")
    data = reading.data()
    mode = MODES.get(str(data.get("mode")))
    if mode is None:
        raise _Unfit("its mode is missing or unknown")
    source = data.get("source_image")
    if not isinstance(source, str) or not is_id(source):
        raise _Unfit("its source image is missing or not the id of a file")
    user_id = _owner(data)
    config = reading.config(data)
    result, error = reading.result(), reading.error()
    status = reading.late(status, result, error)
    reference = reading.reference(mode, data, config)
    if not status.ended:
        config = reading.fitted(mode, config)
    updated_at = reading.time(b"updated_at")
    created_at = reading.created_at or time_in_id(raw.task_id, zone.info) or updated_at
    task = Task(
        task_id=raw.task_id,
        user_id=user_id,
        status=status,
        mode=mode,
        progress=reading.progress(status),
        current_step=reading.text(b"current_step"),
        source_image=source,
        reference_image=reference,
        config=config,
        result=result,
        error=error,
        credits_consumed=reading.credits(data.get("credits_consumed")),
        created_at=created_at,
        updated_at=updated_at or created_at,
        ended_at=reading.end(status) or (created_at if status.ended else None),
        fingerprint=fingerprint(raw.told_apart_by, zone.name),
        remarks=(),
    )
    if fields.get(b"task_id", task.task_id.encode()) != task.task_id.encode():
        reading.remark("its hash says another id than its key, which counts")
    if created_at is None:
        reading.remark("nothing tells when it was created; the import's time stands for it")
    if not reading.remarks:
        return task
    return msgspec.structs.replace(task, remarks=tuple(reading.remarks), original=fields)


def _judge_record(raw: RawTask) -> None:
    """Raises _Unfit for what no task can be read from."""
    if raw.wrong_type is not None:
        raise _Unfit(f"under its key lies a {raw.wrong_type}, not a hash")
    if not is_id(raw.task_id):
        raise _Unfit("its id is not one")
    if b"data" in raw.large:
        raise _Unfit(f"its data has {raw.large[b'data'] >> 20} MB, which is more than a task can have")


def _owner(data: dict[str, Any]) -> str | None:
    user_id = data.get("user_id")
    if user_id is None or user_id == "":
        return None
    if not isinstance(user_id, str) or not is_user_id(user_id):
        raise _Unfit("its user's id is not one")
    return user_id


def shortened(value: Any) -> str:
    """A value in the words of a remark."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def is_empty(result: StoredResult) -> bool:
    """Whether there is nothing in what should be the old system's result."""
    pictures = result.legacy or LegacyPictures(None, None, None)
    return not (result.metadata or pictures.output_image or pictures.thumbnail or pictures.comparison_image)


class _Reading:
    """Reads one hash's fields, and remarks on what it had to leave out."""

    def __init__(self, raw: RawTask, zone: Zone) -> None:
        self._fields = raw.fields
        self._zone = zone
        self.remarks: list[str] = []
        self.created_at: datetime | None = None
        self.created_at = self.time(b"created_at", born_after(raw.task_id, zone.info))

    def remark(self, words: str) -> None:
        if words not in self.remarks:  # an end looks at times that were looked at before
            self.remarks.append(words)

    def data(self) -> dict[str, Any]:
        """What was asked for. Raises _Unfit."""
        if b"data" not in self._fields:
            raise _Unfit("it has no data")
        try:
            data = self.object("data", self._parsed(b"data"))
        except ValueError as error:
            raise _Unfit(f"its data can't be read: {error}") from None
        if data is None:
            raise _Unfit("its data is not an object")
        return data

    def _parsed(self, name: bytes) -> Any:
        """A field's JSON, with remarks on what of it can't be kept. Raises ValueError."""
        left_out: list[str] = []
        value = json_of(self._fields[name], left_out)
        self._remark_on(name.decode(), left_out)
        return value

    def object(self, name: str, value: Any) -> dict[str, Any] | None:
        """A JSON object, also one that was encoded twice, with remarks on what of it can't be kept."""
        if isinstance(value, dict):
            return value  # pyright: ignore[reportUnknownVariableType] - JSON's
        left_out: list[str] = []
        found = object_of(value, left_out)
        self._remark_on(name, left_out)
        return found

    def _remark_on(self, name: str, left_out: list[str]) -> None:
        for words in left_out:
            self.remark(f"{name}: {words}")

    def text(self, name: bytes) -> str | None:
        value = self._fields.get(name)
        if not value:
            return None
        text = text_of(value)
        if text is None:
            self.remark(f"{name.decode()} is not text and was left out")
        return text

    def time(self, name: bytes, not_before: datetime | None = None) -> datetime | None:
        """A time; in an hour that the clock showed twice, not before the task was created."""
        value = self._fields.get(name)
        if not value:
            return None
        moment = time_of(value.decode(errors="replace"), self._zone.info, not_before or self.created_at)
        if moment is None:
            self.remark(f"{name.decode()} is not a time and was left out")
        return moment

    def late(self, status: TaskStatus, result: StoredResult | None, error: TaskFailure | None) -> TaskStatus:
        """What the status is without a late write: the old system's tells progress of tasks that have ended.

        Such a task keeps the time of its end and what came of it; where it has both ends, the later one counts.
        """
        if status is not TaskStatus.PROCESSING:
            return status
        ends = {
            TaskStatus.DONE: None if result is None or is_empty(result) else self.time(b"completed_at"),
            TaskStatus.FAILED: None if error is None else self.time(b"failed_at"),
        }
        times = {ended: moment for ended, moment in ends.items() if moment is not None}
        if not times:
            return status
        ended = max(times, key=lambda one: times[one])
        self.remark(f"it says processing, by a late write: it was {ended} at {times[ended].isoformat()}")
        return ended

    def end(self, status: TaskStatus) -> datetime | None:
        """When the task ended. Ends are left behind in tasks that the old system runs again."""
        if not status.ended:
            if left := [name.decode() for name in (b"completed_at", b"failed_at") if self._fields.get(name)]:
                self.remark(f"it is {status} and has {' and '.join(left)}, left out here")
            return None
        for name in ENDS[status]:
            if moment := self.time(name):
                return moment
        return None

    def progress(self, status: TaskStatus) -> int:
        value = self._fields.get(b"progress")
        if not value or self._fields[b"status"] != status.encode():
            return 100 if status is TaskStatus.DONE else 0
        number = int(value) if value.isdigit() and len(value) < MOST_DIGITS else integer_of(text_of(value))
        if number is None or not 0 <= number <= 100:  # noqa: PLR2004 - per cent
            self.remark("progress is not a number from 0 to 100")
        return min(max(number or 0, 0), 100)

    def credits(self, value: Any) -> int:
        """What was charged. What nobody can have been charged counts as nothing: it could be refunded."""
        if value is None:
            return 0
        number, remark = credits_of(value)
        if number > MOST_CHARGED:
            number, remark = 0, "is more than anybody can have been charged; 0 stands for it"
        if remark is not None:
            self.remark(f"credits_consumed {remark}")
        return number

    def config(self, data: dict[str, Any]) -> dict[str, Any]:
        config = self.object("config", data.get("config") or {})
        if config is None:
            self.remark("its config is not an object; an empty one stands for it")
        return config or {}

    def fitted(self, mode: Mode, config: dict[str, Any]) -> dict[str, Any]:
        """A configuration that a task can be run with here, though the old system took more."""
        fits = fitting(mode, config)
        for name, value in fits.items():
            stands = "it was left out" if value is None else f"{value} stands for it"
            self.remark(f"config.{name} is {shortened(config[name])}, which can't be here; {stands}")
        return {name: fits.get(name, value) for name, value in config.items()} if fits else config

    def reference(self, mode: Mode, data: dict[str, Any], config: dict[str, Any]) -> str | None:
        """The reference image, beside `config` or in it under any of its names."""
        value = data.get("reference_image")
        for name in REFERENCE_FIELDS[mode]:
            value = value or config.get(name)
        if not value:
            return None
        if isinstance(value, str) and is_id(value):
            return value
        self.remark("its reference image is not the id of a file and was left out")
        return None

    def json(self, name: bytes) -> Any:
        """A field's JSON; the text itself where it isn't JSON."""
        value = self._fields.get(name)
        if not value:
            return None
        try:
            return self._parsed(name)
        except ValueError:
            return self.text(name)

    def result(self) -> StoredResult | None:
        value = self.json(b"result")
        if value is None:
            return None
        result = self.object("result", value)
        if result is None:
            self.remark("result is not an object and was left out")
            return None
        metadata = self.object("result.metadata", result.get("metadata") or {})
        if metadata is None:
            metadata = {"metadata": result["metadata"]}
        pictures: list[str | None] = []
        for name in PICTURES:
            value = result.get(name) or None
            pictures.append(value if isinstance(value, str) else None)
            if value is not None and pictures[-1] is None:
                metadata = {name: value} | metadata
        if not result.keys() <= OF_RESULTS:
            metadata = {name: result[name] for name in result.keys() - OF_RESULTS} | metadata
        return StoredResult(None, None, None, metadata, LegacyPictures(*pictures))

    def error(self) -> TaskFailure | None:
        value = self.json(b"error")
        if value is None:
            return None
        error = self.object("error", value)
        if error is None:
            self.remark("error is not an object; it was kept as text")
            return TaskFailure(FailureCode.PROCESSING_FAILED, value if isinstance(value, str) else NO_MESSAGE)
        code, message, details = error.get("code"), error.get("message"), error.get("details")
        further = {name: error[name] for name in error if name not in {"code", "message", "details"}}
        if details is not None:
            further |= details if isinstance(details, dict) else {"details": details}
        return TaskFailure(
            code if isinstance(code, str) and code else FailureCode.PROCESSING_FAILED,
            message if isinstance(message, str) and message else NO_MESSAGE,
            further or None,
        )
