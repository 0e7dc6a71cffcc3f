"""A task's hash becomes a task, or the reason why it can't; whatever becomes a task fits into the table."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.models.edits import Mode
from schema.models.tasks import LegacyPictures, StoredResult, TaskFailure, TaskStatus
from service.database import Connection
from service.legacy import store
from service.legacy.records import RawTask, Task, Unreadable, whole
from service.legacy.records.comparing import compare_task
from service.legacy.records.rows import task_row
from service.legacy.records.salvage import DEEPEST
from service.legacy.records.sound import sound_task
from service.legacy.records.tasks import Zone, read_task, read_with_care
from service.legacy.records.values import zone_of
from service.tasks.submission import stored_config
from tests.service.legacy.moves import CREATED, SOURCE, UPDATED, as_json, task_hash

UTC_ZONE = Zone("UTC", UTC)
SHANGHAI = Zone("Asia/Shanghai", zone_of("Asia/Shanghai"))
ID = "task_1764915114_a1b2c3"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_ID = "x" * 64


def raw(task_id: str = ID, status: str = "done", *, data: Any = None, **fields: Any) -> RawTask:
    """A sound task's hash, but for what is named; None among `fields` takes one away."""
    hash_ = task_hash(task_id, "usr_1", status, data=data, **fields)
    return RawTask(task_id, {name.encode(): as_bytes(value) for name, value in hash_.items()})


def as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def read(record: RawTask, zone: Zone = UTC_ZONE) -> Task:
    task = read_task(record, zone)
    assert isinstance(task, Task), task
    return task


def test_a_whole_task_is_read_as_it_stands_there() -> None:
    config = {
        "quality": "high",
        "说明": "换一个背景 😀",
        "blend_strength": "0.8",
        "nested": {"list": [1, 2.5, None, True]},
    }
    data = {"mode": "HEAD_SWAP", "reference_image": "img_20251117_abc123", "config": config, "credits_consumed": 72}
    task = read(raw(data=data, current_step="合成 🎨"))
    assert task == Task(
        task_id=ID,
        user_id="usr_1",
        status=TaskStatus.DONE,
        mode=Mode.HEAD_SWAP,
        progress=100,
        current_step="合成 🎨",
        source_image=SOURCE,
        reference_image="img_20251117_abc123",
        config=config,
        result=StoredResult(
            None, None, None, {"width": 8, "说明": "好"}, LegacyPictures("/results/o.jpg", "/results/t.jpg", None)
        ),
        error=None,
        credits_consumed=72,
        created_at=datetime.fromisoformat(CREATED).replace(tzinfo=UTC),
        updated_at=datetime.fromisoformat(UPDATED).replace(tzinfo=UTC),
        ended_at=datetime.fromisoformat(UPDATED).replace(tzinfo=UTC),
        fingerprint=task.fingerprint,
        remarks=(),
    )


SURROGATE = b'{"mode": "HEAD_SWAP", "source_image": "file_1", "config": {"note": "\\ud83d"}}'
UNFIT: dict[str, tuple[RawTask, str]] = {
    "an id with a colon": (raw("task_1:extra"), "its id"),
    "an id of 65 characters": (raw(LONG_ID + "x"), "its id"),
    "an empty id": (raw(""), "its id"),
    "nothing at all": (RawTask(ID, {}), "its status"),
    "no status": (RawTask(ID, {b"data": b"{}"}), "its status"),
    "an unknown status": (raw(status="archived"), "its status"),
    "a status in capitals": (raw(status="DONE"), "its status"),
    "a status with a space": (raw(status="done "), "its status"),
    "an empty status": (raw(status=""), "its status"),
    "no data": (RawTask(ID, {b"status": b"done"}), "it has no data"),
    "empty data": (RawTask(ID, {b"status": b"done", b"data": b""}), "isn't valid JSON"),
    "torn data": (RawTask(ID, {b"status": b"done", b"data": b'{"mode": "HEAD'}), "isn't valid JSON"),
    "data in another code": (
        RawTask(ID, {b"status": b"done", b"data": '{"a": "换"}'.encode("gbk")}),
        "its mode",
    ),
    "data too deep": (RawTask(ID, {b"status": b"done", b"data": b"[" * 100_000}), "isn't valid JSON"),
    "a list for data": (RawTask(ID, {b"status": b"done", b"data": b"[1]"}), "not an object"),
    "NaN for data": (RawTask(ID, {b"status": b"done", b"data": b"NaN"}), "not an object"),
    "a NUL in its mode": (raw(data={"mode": "HEAD_SWAP\0"}), "its mode"),
    "a NUL in its source": (raw(data={"source_image": "file_1\0"}), "its source image"),
    "no mode": (raw(data={"mode": None}), "its mode"),
    "an unknown mode": (raw(data={"mode": "ENLARGE"}), "its mode"),
    "a mode with a space": (raw(data={"mode": "HEAD_SWAP "}), "its mode"),
    "a list for a mode": (raw(data={"mode": ["HEAD_SWAP"]}), "its mode"),
    "no source": (raw(data={"source_image": None}), "its source image"),
    "an image for a source": (
        raw(data={"source_image": "data:image/jpeg;base64," + "A" * 200_000}),
        "its source image",
    ),
    "a source that climbs": (raw(data={"source_image": "../../etc/passwd"}), "its source image"),
    "a number for a source": (raw(data={"source_image": 7}), "its source image"),
    "a number for a user": (raw(data={"user_id": 7}), "its user's id"),
    "a user's id of 51 characters": (raw(data={"user_id": "u" * 51}), "its user's id"),
    "a user's id with a line break": (raw(data={"user_id": "usr\n1"}), "its user's id"),
}


@pytest.mark.parametrize(("record", "reason"), UNFIT.values(), ids=UNFIT.keys())
def test_what_cannot_be_a_task_is_kept_whole_with_its_reason(record: RawTask, reason: str) -> None:
    unfit = read_task(record, UTC_ZONE)
    assert isinstance(unfit, Unreadable)
    assert reason in unfit.reason
    assert unfit.fields == record.fields


def test_something_else_under_a_tasks_key_is_kept_as_it_was_dumped() -> None:
    unfit = read_task(RawTask(ID, {b"dump": b"\x00\x03abc"}, None, "string"), UTC_ZONE)
    assert isinstance(unfit, Unreadable)
    assert unfit.reason == "under its key lies a string, not a hash"


LENIENT: dict[str, tuple[RawTask, dict[str, Any], str | None]] = {
    "data that was encoded twice": (
        RawTask(
            ID, {b"status": b"pending", b"data": as_json(as_json({"mode": "HEAD_SWAP", "source_image": "f"})).encode()}
        ),
        {"mode": Mode.HEAD_SWAP, "source_image": "f", "config": {}, "user_id": None, "credits_consumed": 0},
        None,
    ),
    "config as text": (raw(data={"config": '{"a": "键"}'}), {"config": {"a": "键"}}, None),
    "a list for a config": (raw(data={"config": ["quality", "high"]}), {"config": {}}, "its config"),
    "text for a config": (raw(data={"config": "high"}), {"config": {}}, "its config"),
    "no config": (raw(data={"config": None}), {"config": {}}, None),
    "an empty list for a config": (raw(data={"config": []}), {"config": {}}, None),
    "no user": (raw(data={"user_id": None}), {"user_id": None}, None),
    "an empty user": (raw(data={"user_id": ""}), {"user_id": None}, None),
    "a user of 50 characters": (raw(data={"user_id": "用" * 50}), {"user_id": "用" * 50}, None),
    "no credits": (raw(data={"credits_consumed": None}), {"credits_consumed": 0}, None),
    "credits as text": (raw(data={"credits_consumed": " 30 "}), {"credits_consumed": 30}, None),
    "credits as decimals": (raw(data={"credits_consumed": "50.0"}), {"credits_consumed": 50}, None),
    "credits as a float": (raw(data={"credits_consumed": 72.0}), {"credits_consumed": 72}, None),
    "credits in words": (raw(data={"credits_consumed": "forty"}), {"credits_consumed": 0}, "credits_consumed"),
    "half a credit": (raw(data={"credits_consumed": 0.5}), {"credits_consumed": 1}, "credits_consumed"),
    "half a credit as text": (raw(data={"credits_consumed": "12.5"}), {"credits_consumed": 13}, "credits_consumed"),
    "credits below zero": (raw(data={"credits_consumed": -40}), {"credits_consumed": 0}, "credits_consumed"),
    "credits beyond measure": (raw(data={"credits_consumed": 1e300}), {"credits_consumed": 0}, "credits_consumed"),
    "credits beyond an integer": (raw(data={"credits_consumed": 2**31}), {"credits_consumed": 0}, "credits_consumed"),
    "true for credits": (raw(data={"credits_consumed": True}), {"credits_consumed": 0}, "credits_consumed"),
    "no progress of a done one": (raw(progress=None), {"progress": 100}, None),
    "no progress of a waiting one": (raw(status="pending"), {"progress": 0}, None),
    "progress in words": (raw(progress="五十"), {"progress": 0}, "progress"),
    "too much progress": (raw(progress="250"), {"progress": 100}, "progress"),
    "progress below zero": (raw(progress="-1"), {"progress": 0}, "progress"),
    "progress that isn't text": (raw(progress=b"\xff"), {"progress": 0}, "progress"),
    "a step that isn't text": (raw(current_step=b"\xff"), {"current_step": None}, "current_step"),
    "a step with a NUL": (raw(current_step="a\0b"), {"current_step": None}, "current_step"),
    "a result that isn't JSON": (raw(result="{'output_image': None}"), {"result": None}, "result"),
    "a list for a result": (raw(result="[]"), {"result": None}, "result"),
    "null for a result": (raw(result="null"), {"result": None}, None),
    "an empty result": (raw(result=""), {"result": None}, None),
    "a result with a NUL": (
        raw(result='{"output_image": "/o.jpg", "metadata": {"a": "\\u0000", "b": 1}}'),
        {"result": StoredResult(None, None, None, {"b": 1}, LegacyPictures("/o.jpg", None, None))},
        "result: metadata.a has a NUL",
    ),
    "a result with NaN": (
        raw(result='{"thumbnail": "/t.jpg", "metadata": {"score": NaN, "all": [1, -Infinity]}, "at": Infinity}'),
        {"result": StoredResult(None, None, None, {"all": [1, None]}, LegacyPictures(None, "/t.jpg", None))},
        "result: ",
    ),
    "an error with half a surrogate pair": (
        raw(
            status="failed",
            error='{"code": "FACE_NOT_FOUND", "message": "a", "details": {"x\\ud83d": 1, "y": "\\udc00"}}',
        ),
        {"error": TaskFailure("FACE_NOT_FOUND", "a", None)},
        "error: details.",
    ),
    "half a surrogate pair in config": (
        RawTask(ID, {b"status": b"done", b"data": SURROGATE}),
        {"mode": Mode.HEAD_SWAP, "source_image": "file_1", "config": {}},
        "data: config.note has half a character",
    ),
    "a NUL in config": (
        raw(data={"config": {"a": "before\0after", "b": 2}}),
        {"config": {"b": 2}, "user_id": "usr_1"},
        "data: config.a has a NUL",
    ),
    "a NUL in a name in config": (
        raw(data={"config": {"a\0": 1, "b": 2}}),
        {"config": {"b": 2}},
        r"data: config.a\0 has a name",
    ),
    "a NUL in config as text": (
        raw(data={"config": '{"a": "\\u0000", "b": 2}'}),
        {"config": {"b": 2}},
        "config: a has",
    ),
    "bytes that are no text": (
        RawTask(ID, raw().fields | {b"result": b'{"output_image": "/o.jpg", "by": "\xff"}'}),
        {"result": StoredResult(None, None, None, {}, LegacyPictures("/o.jpg", None, None))},
        "result: by has half a character",
    ),
    "a result that was encoded twice": (
        raw(result=as_json(as_json({"output_image": "/o.jpg"}))),
        {"result": StoredResult(None, None, None, {}, LegacyPictures("/o.jpg", None, None))},
        None,
    ),
    "a result with more than is known": (
        raw(result=as_json({"output_image": 5, "thumbnail": "", "seed": 7, "metadata": "none"})),
        {
            "result": StoredResult(
                None, None, None, {"output_image": 5, "seed": 7, "metadata": "none"}, LegacyPictures(None, None, None)
            )
        },
        None,
    ),
    "an error as text": (
        raw(status="failed", error="KeyError: 'face'"),
        {"error": TaskFailure("PROCESSING_FAILED", "KeyError: 'face'")},
        "error",
    ),
    "an error as JSON text": (
        raw(status="failed", error='"超时"'),
        {"error": TaskFailure("PROCESSING_FAILED", "超时")},
        "error",
    ),
    "an error with odd parts": (
        raw(status="failed", error=as_json({"code": 7, "message": None, "details": ["a"], "trace": "b"})),
        {"error": TaskFailure("PROCESSING_FAILED", "The edit failed.", {"trace": "b", "details": ["a"]})},
        None,
    ),
    "a failure without an error": (raw(status="failed", error=None), {"error": None}, None),
    "a reference that climbs": (raw(data={"reference_image": "../x"}), {"reference_image": None}, "reference image"),
    "a number for a reference": (raw(data={"reference_image": 7}), {"reference_image": None}, "reference image"),
    "another id in the hash": (
        RawTask(ID, raw().fields | {b"task_id": b"task_1700000000_other1"}),
        {"task_id": ID},
        "another id",
    ),
}


@pytest.mark.parametrize("depth", [DEEPEST - 2, DEEPEST - 1, 400, 975, 1500, 50_000])
@pytest.mark.parametrize("inner", ['"[[{\\"]"', "[[1], {}]"])
def test_what_is_nested_too_deeply_costs_only_itself(depth: int, inner: str) -> None:
    """Python's versions differ in how deeply nested JSON they read, hand on and compare."""
    nested = {"nested": [1, "(here)", [2]], "next": "}"}
    sound = raw(data={"config": nested}, result=as_json({"output_image": "/o.jpg", "metadata": {"a": "(here)"}}))
    value = ("[" * depth + inner + "]" * depth).encode()
    task = read(RawTask(ID, {name: text.replace(b'"(here)"', value) for name, text in sound.fields.items()}))
    assert (task.source_image, task.config["next"]) == (SOURCE, "}")
    assert (task.config["nested"][0], task.config["nested"][2]) == (1, [2])
    assert task.result is not None
    assert task.result.legacy == LegacyPictures("/o.jpg", None, None)
    kept = depth + 3 <= DEEPEST and inner.startswith('"')  # in data, in config, in a list
    assert [remark for remark in task.remarks if remark.startswith("data: ")] == (
        [] if kept else [f"data: what is nested more deeply than {DEEPEST} levels was left out; null stands for it"]
    )
    innermost = task.config["nested"][1]
    while isinstance(innermost, list) and innermost:
        innermost = innermost[0]  # pyright: ignore[reportUnknownVariableType] - JSON's
    assert innermost == (json.loads(inner) if kept else None)


@pytest.mark.parametrize(("record", "expected", "remark"), LENIENT.values(), ids=LENIENT.keys())
def test_what_is_odd_is_read_and_remarked_on(record: RawTask, expected: dict[str, Any], remark: str | None) -> None:
    task = read(record)
    assert {name: getattr(task, name) for name in expected} == expected
    assert all(remark is not None and remark in words for words in task.remarks)
    assert bool(task.remarks) is (remark is not None)
    assert task.original == (record.fields if remark is not None else None)


@pytest.mark.parametrize("zone", [UTC_ZONE, SHANGHAI], ids=["UTC", "Shanghai"])
def test_what_is_read_quickly_is_what_care_makes_of_it(zone: Zone) -> None:
    ordinary = [raw(), raw(status="failed", error=ERROR, result=None), raw(status="cancelled", progress="37")]
    odd = [record for record, *_ in [*LENIENT.values(), *UNFIT.values()]]
    read_ = [(sound_task(record, zone.name, zone.info), read_with_care(record, zone)) for record in [*ordinary, *odd]]
    assert [quick for quick, _ in read_[: len(ordinary)]] == [careful for _, careful in read_[: len(ordinary)]]
    for quick, careful in read_:
        assert quick is None or msgspec.to_builtins(quick) == msgspec.to_builtins(careful)
        assert quick is None or not (isinstance(careful, Unreadable) or careful.remarks)


REFERENCES = [
    ("HEAD_SWAP", "target_face_image"),
    ("HEAD_SWAP", "cloth_image"),
    ("BACKGROUND_CHANGE", "background_image"),
    ("BACKGROUND_CHANGE", "bg_image"),
    ("POSE_CHANGE", "pose_reference"),
    ("POSE_CHANGE", "pose_image"),
    ("POSE_CHANGE", "reference_image"),
]


@pytest.mark.parametrize(("mode", "name"), REFERENCES)
def test_the_reference_image_is_found_under_each_of_its_names_in_config(mode: str, name: str) -> None:
    task = read(raw(data={"mode": mode, "reference_image": None, "config": {name: "img_20251117_abc123"}}))
    assert task.reference_image == "img_20251117_abc123"
    assert task.config == {name: "img_20251117_abc123"}, "the config stays as it is"


TIMES: dict[str, tuple[str, Zone, datetime | None]] = {
    "naive": ("2025-11-17T14:23:05.120000", UTC_ZONE, datetime(2025, 11, 17, 14, 23, 5, 120_000, UTC)),
    "naive in Shanghai": ("2025-11-17T14:23:05.120000", SHANGHAI, datetime(2025, 11, 17, 6, 23, 5, 120_000, UTC)),
    "with a zone": ("2025-11-17T14:23:05+08:00", UTC_ZONE, datetime(2025, 11, 17, 6, 23, 5, tzinfo=UTC)),
    "with a zone in Shanghai": ("2025-11-17T06:23:05Z", SHANGHAI, datetime(2025, 11, 17, 6, 23, 5, tzinfo=UTC)),
    "too early for UTC": ("0001-01-01T00:00:00", SHANGHAI, None),
    "too late for UTC": ("9999-12-31T23:59:59-08:00", UTC_ZONE, None),
    "no time": ("yesterday", UTC_ZONE, None),
    "a T too many": ("2025-11-17T14:23:05T", UTC_ZONE, None),
    "a digit too many": ("2025-11-17T14:23:059", UTC_ZONE, None),
    "half a second's digit": ("20251117T14230", UTC_ZONE, None),
    "half a minute, half a second": ("2025-11-17T14:2:3.120000", UTC_ZONE, None),
    "to the minute": ("2025-11-17 14:23", UTC_ZONE, datetime(2025, 11, 17, 14, 23, tzinfo=UTC)),
    "a day": ("2025-11-17", UTC_ZONE, datetime(2025, 11, 17, tzinfo=UTC)),
    "no such day": ("2025-13-45T99:00:00", UTC_ZONE, None),
}


@pytest.mark.parametrize(("text", "zone", "expected"), TIMES.values(), ids=TIMES.keys())
def test_times(text: str, zone: Zone, expected: datetime | None) -> None:
    task = read(raw("task_other", created_at=text, updated_at=None, completed_at=text), zone)
    assert task.created_at == expected
    assert task.ended_at == expected
    assert ("created_at is not a time and was left out" in task.remarks) is (expected is None)


NEW_YORK = Zone("America/New_York", zone_of("America/New_York"))
TWICE = datetime(2025, 11, 2, 5, tzinfo=UTC)
"""One o'clock in New York, for the first time of two."""


@pytest.mark.parametrize(
    ("task_id", "created", "ended", "hours"),
    {
        "ends in the second hour": ("task_other", "01:50:00", "01:10:00", (50 / 60, 70 / 60)),
        "ends in the first": ("task_other", "01:10:00", "01:50:00", (10 / 60, 50 / 60)),
        "ends long before": ("task_other", "01:50:00", "00:10:00", (50 / 60, -50 / 60)),
        "made in the second, says its id": (
            f"task_{TWICE.timestamp() + 4200:.0f}_aaaaaa",
            "01:10:00",
            "01:20:00",
            (70 / 60, 80 / 60),
        ),
    }.values(),
)
def test_a_repeated_hour_ends_no_task_before_it_began(
    task_id: str, created: str, ended: str, hours: tuple[float, float]
) -> None:
    day = "2025-11-02T"
    task = read(raw(task_id, created_at=day + created, updated_at=None, completed_at=day + ended), NEW_YORK)
    assert (task.created_at, task.ended_at) == tuple(TWICE + timedelta(hours=one) for one in hours)


CONFIGS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "beyond the most": ("BACKGROUND_CHANGE", {"edge_blur": 25, "theirs": 1}, {"edge_blur": 10, "theirs": 1}),
    "below the least, as text": ("HEAD_SWAP", {"blend_strength": "-3"}, {"blend_strength": 0}),
    "without measure": ("POSE_CHANGE", {"smoothness": 1e300}, {"smoothness": 1}),
    "words": ("POSE_CHANGE", {"smoothness": "very", "quality": "best"}, {"smoothness": None, "quality": None}),
    "no id": ("HEAD_SWAP", {"cloth_image": "../x"}, {"cloth_image": None}),
}


@pytest.mark.parametrize(("mode", "config", "fits"), CONFIGS.values(), ids=CONFIGS.keys())
def test_a_waiting_tasks_config_is_brought_into_what_can_be_run_here(
    mode: str, config: dict[str, Any], fits: dict[str, Any]
) -> None:
    asked = {"mode": mode, "config": config}
    done, waiting = (read(raw(status=status, data=asked)) for status in ("done", "pending"))
    assert (waiting.config, len(waiting.remarks) > 0) == (fits, True)
    assert stored_config(done.mode, done.config) == stored_config(waiting.mode, waiting.config)
    assert done.config.keys() == config.keys()
    assert not [words for words in done.remarks if words.startswith("config.")]


def test_the_time_of_birth_is_in_the_id_when_it_is_nowhere_else() -> None:
    nowhere: dict[str, Any] = {"created_at": None, "updated_at": None, "completed_at": None}
    assert read(raw(**nowhere)).created_at == datetime.fromtimestamp(1_764_915_114, UTC)
    assert read(raw("task_20251117_xyz789", **nowhere)).created_at == datetime(2025, 11, 17, tzinfo=UTC)
    shanghai = read(raw("task_20251117_xyz789", **nowhere), SHANGHAI)
    assert shanghai.created_at == datetime(2025, 11, 16, 16, tzinfo=UTC)
    nothing = read(raw("task_20251399_xyz789", **nowhere))
    assert nothing.created_at is None
    assert nothing.remarks == ("nothing tells when it was created; the import's time stands for it",)


ENDS = [
    ("done", "completed_at"),
    ("done", "updated_at"),
    ("failed", "failed_at"),
    ("failed", "completed_at"),
    ("failed", "updated_at"),
    ("cancelled", "cancelled_at"),
    ("cancelled", "updated_at"),
    ("cancelled", "created_at"),
]


@pytest.mark.parametrize(("status", "name"), ENDS)
def test_an_end_is_told_by_the_best_of_its_fields(status: str, name: str) -> None:
    times: dict[str, Any] = dict.fromkeys(("updated_at", "completed_at", "failed_at", "cancelled_at"))
    task = read(raw(status=status, **(times | {name: "2025-12-06T00:00:00"})))
    assert task.ended_at == datetime(2025, 12, 6, tzinfo=UTC)
    assert task.remarks == ()


def test_a_time_that_is_looked_at_twice_is_remarked_on_once() -> None:
    task = read(raw(status="cancelled", updated_at="soon"))
    assert task.remarks == ("updated_at is not a time and was left out",)


def late(**fields: Any) -> Task:
    """What the old system's late write makes of a task that has ended: only the status and the progress change."""
    return read(raw(status="processing", progress="60", **fields))


RESULT = as_json({"output_image": "/o.jpg"})
ERROR = as_json({"code": "FACE_NOT_FOUND", "message": "none"})
SOONER = "2025-12-05T06:12:00"


def test_a_late_write_takes_no_result_away() -> None:
    task = late(completed_at=UPDATED, result=RESULT)
    assert (task.status, task.progress) == (TaskStatus.DONE, 100)
    assert task.ended_at == datetime.fromisoformat(UPDATED).replace(tzinfo=UTC)
    assert task.result is not None
    assert [words.startswith("it says processing, by a late write: it was done at") for words in task.remarks] == [True]
    assert task.original is not None


def test_a_late_write_takes_no_failure_away() -> None:
    task = late(failed_at=UPDATED, error=ERROR)
    assert (task.status, task.progress) == (TaskStatus.FAILED, 0)
    assert task.error == TaskFailure("FACE_NOT_FOUND", "none")


@pytest.mark.parametrize(
    ("completed_at", "failed_at", "status"),
    [(UPDATED, SOONER, TaskStatus.DONE), (SOONER, UPDATED, TaskStatus.FAILED)],
)
def test_of_two_ends_the_later_one_counts(completed_at: str, failed_at: str, status: TaskStatus) -> None:
    task = late(completed_at=completed_at, result=RESULT, failed_at=failed_at, error=ERROR)
    assert task.status is status
    assert task.ended_at == datetime.fromisoformat(UPDATED).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "fields",
    [
        {"completed_at": UPDATED, "failed_at": UPDATED},
        {"completed_at": UPDATED, "error": ERROR},
        {"completed_at": "soon", "result": RESULT},
        {"completed_at": UPDATED, "result": "{}"},
        {"result": RESULT, "error": ERROR},
    ],
)
def test_an_end_without_its_outcome_is_none(fields: dict[str, str]) -> None:
    task = late(**fields)
    assert task.status is TaskStatus.PROCESSING
    assert task.ended_at is None


def test_a_waiting_task_runs_again_whatever_ends_it_had() -> None:
    task = read(raw(status="pending", completed_at=UPDATED, result=RESULT))
    assert task.status is TaskStatus.PENDING
    assert task.remarks == ("it is pending and has completed_at, left out here",)


def test_every_field_and_the_zone_count_for_the_fingerprint() -> None:
    marks = {read(raw()).fingerprint, read(raw(), SHANGHAI).fingerprint, read(raw(further="x")).fingerprint}
    assert len(marks | {read(raw(progress=None)).fingerprint, read(raw(progress="")).fingerprint}) == 5
    assert read(raw()).fingerprint == read(RawTask(ID, dict(reversed(raw().fields.items())))).fingerprint


NAMES = st.sampled_from(
    [
        b"task_id",
        b"status",
        b"data",
        b"created_at",
        b"updated_at",
        b"progress",
        b"current_step",
        b"result",
        b"error",
        b"completed_at",
        b"failed_at",
        b"cancelled_at",
    ]
)
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.integers(-(10**30), 10**30) | st.just(1e300)
ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""With NUL, and with halves of surrogate pairs."""
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT | st.sampled_from([math.nan, -math.inf]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
STAMPS = st.datetimes().map(datetime.isoformat) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
TEXTS = st.text() | STAMPS | st.integers().map(str) | VALUES.map(json.dumps)
BYTES = st.binary() | TEXTS.map(lambda text: text.encode(errors="surrogatepass"))
DATA = st.fixed_dictionaries(
    {"mode": st.sampled_from(Mode), "source_image": st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)},
    optional={
        "config": st.dictionaries(st.text(), VALUES, max_size=4) | VALUES,
        "user_id": st.text(max_size=60) | VALUES,
        "credits_consumed": VALUES | st.integers(0, 100),
        "reference_image": VALUES | st.just(SOURCE),
    },
)
"""Data that may well become a task."""
TASK_IDS = st.sampled_from([ID, "task_20251117_xyz789", "task_00010101_first1", "task_other", LONG_ID])
LIKELY = st.fixed_dictionaries(
    {b"status": st.sampled_from(TaskStatus).map(str.encode), b"data": DATA.map(json.dumps).map(str.encode)},
    optional={
        b"task_id": TASK_IDS.map(str.encode),
        b"created_at": STAMPS.map(str.encode),
        b"updated_at": STAMPS.map(str.encode),
        b"completed_at": STAMPS.map(str.encode),
        b"progress": st.integers(-10, 200).map(str).map(str.encode),
        b"current_step": BYTES,
        b"result": st.dictionaries(st.sampled_from(["output_image", "thumbnail", "metadata", "x"]), VALUES).map(
            lambda value: json.dumps(value).encode()
        ),
        b"error": st.dictionaries(st.sampled_from(["code", "message", "details", "x"]), VALUES).map(
            lambda value: json.dumps(value).encode()
        ),
    },
)
ANY_HASH = LIKELY | st.dictionaries(NAMES | st.binary(max_size=8), BYTES, max_size=8)
ZONES = st.sampled_from([UTC_ZONE, SHANGHAI, *(Zone(name, zone_of(name)) for name in ("America/New_York", "Etc/UTC"))])


@given(ANY_HASH, TASK_IDS | st.text(max_size=300), ZONES)
def test_any_hash_is_a_task_or_kept_whole(fields: dict[bytes, bytes], task_id: str, zone: Zone) -> None:
    record = RawTask(task_id, fields)
    read_ = read_with_care(record, zone)
    assert sound_task(record, zone.name, zone.info) in (None, read_)
    if isinstance(read_, Unreadable):
        assert read_.fields == fields
        assert read_.reason
        assert 0 <= len(read_.record_id) <= 250
        assert len(whole(fields)) == len(fields), "no field's name hides another's"
    else:
        assert read_.task_id == task_id
        assert len(read_.remarks) == len(set(read_.remarks))


async def written(connection: Connection, task: Task) -> list[str]:
    """What differs once the task was written, and once it was written over itself; then it is gone again."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        if task.user_id is not None:
            await store.place_users(connection, [task.user_id])
        row = task_row(task, {}, NOW + timedelta(days=1), now=NOW)
        await store.add_tasks(connection, [row])
        here = await store.imported_tasks(connection, [task.task_id])
        await store.update_tasks(connection, [row.row])
        assert await store.imported_tasks(connection, [task.task_id]) == here
        return list(compare_task(task, here[0]))
    finally:
        await transaction.rollback()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(fields=LIKELY, task_id=TASK_IDS, zone=ZONES)
async def test_whatever_becomes_a_task_can_be_written_and_is_read_back_as_it_is(
    connection: Connection, fields: dict[bytes, bytes], task_id: str, zone: Zone
) -> None:
    task = read_task(RawTask(task_id, fields), zone)
    if isinstance(task, Task):
        assert await written(connection, task) == []
