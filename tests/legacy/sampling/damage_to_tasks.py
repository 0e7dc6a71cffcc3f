"""How to break a task, kind by kind."""

import json
from collections.abc import Callable
from typing import Any

from tests.legacy.sampling.breakage import Breakage, Fate
from tests.legacy.sampling.drafts import Damage, TaskDraft

Break = Callable[[TaskDraft], None]

HUGE_SOURCE_BYTES = 200_000
HUGE_CONFIG_ELEMENTS = 100_000
IMPORTED, QUARANTINED, JUDGED, REPORTED = Fate.IMPORTED, Fate.QUARANTINED, Fate.JUDGED, Fate.REPORTED


def json_of(value: Any) -> bytes:
    """As the old system writes it."""
    return json.dumps(value, ensure_ascii=False).encode()


def _data_of(draft: TaskDraft) -> dict[str, Any]:
    return json.loads(draft.fields[b"data"])


def _field(name: bytes, *values: bytes) -> Break:
    """The hash's field has one of these values."""

    def change(draft: TaskDraft) -> None:
        draft.fields[name] = values[draft.index % len(values)]

    return change


def _lacking(*names: bytes) -> Break:
    def change(draft: TaskDraft) -> None:
        for name in names:
            draft.fields.pop(name, None)

    return change


def _having_only(name: bytes) -> Break:
    def change(draft: TaskDraft) -> None:
        draft.fields = {name: draft.fields[name]}

    return change


def _data(name: str, *values: Any) -> Break:
    """An entry of `data` has one of these values."""

    def change(draft: TaskDraft) -> None:
        data = _data_of(draft)
        data[name] = values[draft.index % len(values)]
        draft.fields[b"data"] = json_of(data)

    return change


def _data_lacking(name: str) -> Break:
    def change(draft: TaskDraft) -> None:
        data = _data_of(draft)
        del data[name]
        draft.fields[b"data"] = json_of(data)

    return change


def _config_text(raw: bytes) -> Break:
    """`config` has a `note` of exactly these bytes inside its quotes."""

    def change(draft: TaskDraft) -> None:
        data = _data_of(draft)
        data["config"]["note"] = "(here)"
        draft.fields[b"data"] = json_of(data).replace(b"(here)", raw)

    return change


def _break_off(draft: TaskDraft) -> None:
    data = draft.fields[b"data"]
    draft.fields[b"data"] = (data[: len(data) // 2], b"", b"undefined", data.replace(b'"', b"'"))[draft.index % 4]


def _lack_a_source(draft: TaskDraft) -> None:
    (_data_lacking("source_image"), _data("source_image", None), _data("source_image", ""))[draft.index % 3](draft)


def _wrap_config(draft: TaskDraft) -> None:
    data = _data_of(draft)
    data["config"] = json.dumps(data["config"], ensure_ascii=False)
    draft.fields[b"data"] = json_of(data)


def _write_config_numbers_as_text(draft: TaskDraft) -> None:
    data = _data_of(draft)
    data["config"] |= {"blend_strength": "0.8", "edge_blur": "3", "smoothness": "0.5"}
    draft.fields[b"data"] = json_of(data)


def _lack_a_user(draft: TaskDraft) -> None:
    draft.user_id = None
    _data_lacking("user_id")(draft)


def _have_an_unknown_user(draft: TaskDraft) -> None:
    draft.user_id = f"usr_gone_{draft.index}"
    _data("user_id", draft.user_id)(draft)


def _have_a_malformed_user(draft: TaskDraft) -> None:
    draft.user_id = f"usr_torn_{draft.index}"
    _data("user_id", draft.user_id)(draft)
    draft.extra = {f"user:id:{draft.user_id}".encode(): f'{{"user_id": "{draft.user_id}", "ema'.encode()}


def _hold_a_string(draft: TaskDraft) -> None:
    draft.string_instead = draft.fields[b"data"]


def _vanish(draft: TaskDraft) -> None:
    draft.fields = {}


def _leave_the_queue(draft: TaskDraft) -> None:
    draft.in_queue = 0


def _queue_again(draft: TaskDraft) -> None:
    draft.in_queue += 1


def _leave_the_set(draft: TaskDraft) -> None:
    draft.in_processing = False


def _leave_as_it_is(draft: TaskDraft) -> None:
    """Being old is all that is wrong with it."""


def _have_expired_in_the_set(draft: TaskDraft) -> None:
    _vanish(draft)
    draft.in_processing = True


def _have_expired_in_the_queue(draft: TaskDraft) -> None:
    _vanish(draft)
    draft.in_queue = 1


_MALFORMED_TIMES = (b"yesterday", b"2025-13-45T99:00:00", b"", b"None", "2025年11月17日 14:23".encode())
_ZONED_TIMES = (b"2025-11-17T14:23:05.120000+08:00", b"2025-11-17T06:23:05Z", b"2025-11-17T06:23:05.120000+00:00")

DAMAGE_TO_TASKS: dict[Breakage, Damage[TaskDraft]] = {
    Breakage.CONFIG_HUGE: Damage(JUDGED, _data("config", {"list": list(range(HUGE_CONFIG_ELEMENTS))}), at_most=1),
    Breakage.SOURCE_HUGE: Damage(
        JUDGED, _data("source_image", "data:image/jpeg;base64," + "A" * HUGE_SOURCE_BYTES), at_most=10
    ),
    Breakage.SOURCE_TRAVERSAL: Damage(JUDGED, _data("source_image", "../../etc/passwd", "uploads/../../secret.jpg")),
    Breakage.DATA_NOT_JSON: Damage(QUARANTINED, _break_off),
    Breakage.DATA_NOT_AN_OBJECT: Damage(QUARANTINED, _field(b"data", b'["HEAD_SWAP"]', b'"HEAD_SWAP"', b"7", b"null")),
    Breakage.DATA_NOT_UTF8: Damage(JUDGED, _config_text("换一个背景".encode("gbk"))),
    Breakage.ONLY_STATUS: Damage(QUARANTINED, _having_only(b"status")),
    Breakage.ONLY_DATA: Damage(QUARANTINED, _having_only(b"data")),
    Breakage.STATUS_MISSING: Damage(QUARANTINED, _lacking(b"status")),
    Breakage.STATUS_UNKNOWN: Damage(QUARANTINED, _field(b"status", b"archived", b"DONE ", b"completed", b"")),
    Breakage.MODE_UNKNOWN: Damage(QUARANTINED, _data("mode", "ENLARGE", "head_swap ", "", 7)),
    Breakage.MODE_MISSING: Damage(QUARANTINED, _data_lacking("mode")),
    Breakage.SOURCE_MISSING: Damage(QUARANTINED, _lack_a_source),
    Breakage.KEY_OF_WRONG_TYPE: Damage(QUARANTINED, _hold_a_string),
    Breakage.TASK_ID_DIFFERS: Damage(JUDGED, _field(b"task_id", b"task_1700000000_other1")),
    Breakage.CONFIG_STRING: Damage(JUDGED, _wrap_config),
    Breakage.CONFIG_LIST: Damage(JUDGED, _data("config", [], ["quality", "high"])),
    Breakage.CONFIG_NUMBERS_AS_TEXT: Damage(IMPORTED, _write_config_numbers_as_text),
    Breakage.CONFIG_NUL: Damage(JUDGED, _config_text(rb"before\u0000after")),
    Breakage.CONFIG_LONE_SURROGATE: Damage(JUDGED, _config_text(rb"half an emoji: \ud83d")),
    Breakage.USER_MISSING: Damage(IMPORTED, _lack_a_user),
    Breakage.USER_UNKNOWN: Damage(IMPORTED, _have_an_unknown_user),
    Breakage.USER_MALFORMED: Damage(IMPORTED, _have_a_malformed_user),
    Breakage.CREDITS_MISSING: Damage(IMPORTED, _data_lacking("credits_consumed")),
    Breakage.CREDITS_NULL: Damage(IMPORTED, _data("credits_consumed", None)),
    Breakage.CREDITS_TEXT: Damage(IMPORTED, _data("credits_consumed", "40", " 30 ", "50.0")),
    Breakage.CREDITS_NOT_A_NUMBER: Damage(JUDGED, _data("credits_consumed", "forty", "", "NaN", [40])),
    Breakage.CREDITS_NEGATIVE: Damage(JUDGED, _data("credits_consumed", -40)),
    Breakage.CREDITS_HUGE: Damage(JUDGED, _data("credits_consumed", 10**10, 10**30, 1e300)),
    Breakage.CREATED_MISSING: Damage(IMPORTED, _lacking(b"created_at")),
    Breakage.CREATED_MALFORMED: Damage(IMPORTED, _field(b"created_at", *_MALFORMED_TIMES)),
    Breakage.CREATED_ZONED: Damage(IMPORTED, _field(b"created_at", *_ZONED_TIMES)),
    Breakage.PROGRESS_NOT_A_NUMBER: Damage(IMPORTED, _field(b"progress", b"half", b"", b"nan", "五十".encode())),
    Breakage.PROGRESS_TOO_HIGH: Damage(IMPORTED, _field(b"progress", b"250", b"-1", b"1e9")),
    Breakage.RESULT_NOT_JSON: Damage(IMPORTED, _field(b"result", b"{'output_image': None}", b'{"output', b""), "done"),
    Breakage.RESULT_NOT_AN_OBJECT: Damage(
        IMPORTED, _field(b"result", b'"/results/output.jpg"', b"[]", b"null"), "done"
    ),
    Breakage.ERROR_NOT_JSON: Damage(IMPORTED, _field(b"error", b"KeyError: 'face'", b"{'code': 1}", b""), "failed"),
    Breakage.ERROR_STRING: Damage(IMPORTED, _field(b"error", '"未检测到人脸"'.encode(), b'"timeout"'), "failed"),
    Breakage.DONE_WITHOUT_COMPLETED_AT: Damage(IMPORTED, _lacking(b"completed_at"), "done"),
    Breakage.FAILED_WITHOUT_FAILED_AT: Damage(IMPORTED, _lacking(b"failed_at"), "failed"),
    Breakage.PROCESSING_DEAD: Damage(IMPORTED, _leave_as_it_is, "processing"),
    Breakage.PROCESSING_FORGOTTEN: Damage(IMPORTED, _leave_the_set, "processing"),
    Breakage.PROCESSING_WITHOUT_HASH: Damage(REPORTED, _have_expired_in_the_set, "done"),
    Breakage.QUEUED_WITHOUT_HASH: Damage(REPORTED, _have_expired_in_the_queue, "done"),
    Breakage.PENDING_NOT_QUEUED: Damage(IMPORTED, _leave_the_queue, "pending"),
    Breakage.QUEUED_TWICE: Damage(IMPORTED, _queue_again, "pending"),
    Breakage.QUEUED_BUT_DONE: Damage(IMPORTED, _queue_again, "done"),
}
