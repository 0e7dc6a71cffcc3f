"""Rows of the old system's tables, and what `migrate --adopt` is to make of each."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from schema.models.edits import REFERENCE_FIELDS
from schema.models.tasks import LegacyPictures, StoredResult, TaskFailure
from service.legacy.records.salvage import DEEPEST

ADA: Final = UUID("5b0c2f1e-0000-4000-8000-00000000000a")
BOB: Final = UUID("5b0c2f1e-0000-4000-8000-00000000000b")
EVE: Final = UUID("5b0c2f1e-0000-4000-8000-00000000000e")
CAT: Final = UUID("5b0c2f1e-0000-4000-8000-00000000000c")
FOREVER: Final = datetime.max  # noqa: DTZ901 - which asyncpg writes as infinity
SINCE_EVER: Final = datetime.min  # noqa: DTZ901
NOON: Final = datetime(2025, 11, 17, 12)  # noqa: DTZ001 - the old columns have no zone


def after(seconds: float) -> datetime:
    """A time as it is to be read afterwards."""
    return NOON.replace(tzinfo=UTC) + timedelta(seconds=seconds)


def result(metadata: dict[str, Any], output_image: str | None = None) -> StoredResult:
    return StoredResult(None, None, None, metadata, LegacyPictures(output_image, None, None))


class Case(Struct, frozen=True, kw_only=True):
    """A row of `tasks`, and what it is to be. What a case doesn't name is sound: done in two minutes, of nobody.

    Numbers in the columns of times are seconds after noon, when it was created. `remarks` are the columns remarked on,
    with the old values' text; `unfit` is why it can't be a task.
    """

    given: dict[str, Any]
    kept: dict[str, Any] = {}
    remarks: dict[str, str] = {}
    unfit: str | None = None


STATUS: Final = "its status is missing or unknown"
MODE: Final = "its mode is missing or unknown"
SOURCE: Final = "its source image is missing or not the id of a file"
NO_ID: Final = "its id is missing, too long or not one"
FAILED: Final = "PROCESSING_FAILED"
DEEP: Final = '{"a": ' + "[" * DEEPEST + "]" * DEEPEST + "}"

CASES: Final = {
    "sound": Case(
        given={
            "user_id": ADA,
            "current_step": "生成中 🎨",
            "reference_image": "img_20251117_abc123",
            "config": {"quality": "high", "theirs": [1, {"a": "é"}]},
            "result": {"output_image": "/r/1.jpg", "metadata": {"width": 640}, "seed": 7},
            "credits_consumed": 60,
            "completed_at": 90,
            "processing_time": 30.5,
        },
        kept={
            "user_id": str(ADA),
            "status": "done",
            "mode": "HEAD_SWAP",
            "progress": 100,
            "current_step": "生成中 🎨",
            "source_image": "file_1764915114_a1b2c3",
            "reference_image": "img_20251117_abc123",
            "config": {"quality": "high", "theirs": [1, {"a": "é"}]},
            "result": result({"width": 640, "seed": 7}, "/r/1.jpg"),
            "error": None,
            "credits_consumed": 60,
            "credits_refunded": 0,
            "created_at": after(0),
            "queued_at": after(0),
            "updated_at": after(120),
            "started_at": after(59.5),
            "completed_at": after(90),
            "processing_time": 30.5,
            "legacy_fingerprint": b"",
            "elsewhere": False,
            "priority": "normal",
        },
    ),
    "waiting": Case(given={"status": "pending"}, kept={"elsewhere": True, "started_at": None, "processing_time": None}),
    "running": Case(
        given={"status": "processing", "progress": 40},
        kept={"elsewhere": True, "progress": 40, "lease_expires_at": None, "lease_token": 0, "started_at": None},
    ),
    "cancelled": Case(
        given={"status": "cancelled", "credits_consumed": 40},
        kept={"cancelled_at": after(120), "credits_refunded": 40, "started_at": after(0)},
    ),
    "of a user whom nothing else names": Case(given={"user_id": EVE}, kept={"user_id": str(EVE)}),
    "of a user spelt in capitals": Case(given={"user_id": BOB}, kept={"user_id": str(BOB).upper()}),
    "of a user spelt without dashes": Case(given={"user_id": CAT}, kept={"user_id": CAT.hex}),
    "config in a string": Case(given={"config": '{"quality": "high"}'}, kept={"config": {"quality": "high"}}),
    "config in two": Case(given={"config": '"{\\"quality\\": \\"high\\"}"'}, kept={"config": {"quality": "high"}}),
    "config missing": Case(given={"config": None}, kept={"config": {}}),
    "config empty": Case(given={"config": ""}, kept={"config": {}}),
    "config in words": Case(given={"config": "words"}, kept={"config": {}}, remarks={"config": "words"}),
    "config with NUL": Case(
        given={"config": '{"a": "\\u0000"}'}, kept={"config": {}}, remarks={"config": '{"a": "\\u0000"}'}
    ),
    "config too deep": Case(given={"config": "[" * 99_999}, kept={"config": {}}, remarks={"config": "[" * 99_999}),
    "config deeper than is answered with": Case(given={"config": DEEP}, kept={"config": {}}, remarks={"config": DEEP}),
    "config a list": Case(given={"config": ["a"]}, kept={"config": {}}, remarks={"config": '["a"]'}),
    "config a number": Case(given={"config": 17}, kept={"config": {}}, remarks={"config": "17"}),
    "result in a string": Case(
        given={"result": '{"output_image": "/r.jpg", "metadata": "{\\"width\\": 5}"}'},
        kept={"result": result({"width": 5}, "/r.jpg")},
    ),
    "result with a number for a picture": Case(
        given={"result": {"output_image": 17, "metadata": None}}, kept={"result": result({"output_image": 17})}
    ),
    "result with words for metadata": Case(
        given={"result": {"metadata": "words"}}, kept={"result": result({"metadata": "words"})}
    ),
    "result deeper than is answered with": Case(
        given={"result": DEEP}, kept={"result": None}, remarks={"result": DEEP}
    ),
    "result empty": Case(given={"result": {}}, kept={"result": result({})}),
    "result a path": Case(given={"result": "/r.jpg"}, kept={"result": None}, remarks={"result": "/r.jpg"}),
    "result a list": Case(given={"result": ["a"]}, kept={"result": None}, remarks={"result": '["a"]'}),
    "error": Case(
        given={"status": "failed", "error": {"code": "OLD", "message": "没有人", "details": {"n": 0}}, "failed_at": 30},
        kept={"error": TaskFailure("OLD", "没有人", {"n": 0}), "failed_at": after(30)},
    ),
    "error in a string": Case(
        given={"error": '{"code": "OLD", "message": "none"}'}, kept={"error": TaskFailure("OLD", "none", None)}
    ),
    "error without a code": Case(
        given={"error": {"message": "none", "at": "step 2"}},
        kept={"error": TaskFailure(FAILED, "none", {"at": "step 2"})},
    ),
    "error without a message": Case(
        given={"error": {"code": 500, "details": "words"}},
        kept={"error": TaskFailure(FAILED, "The edit failed.", {"code": 500, "details": "words"})},
    ),
    "error in words": Case(given={"error": "no memory"}, kept={"error": TaskFailure(FAILED, "no memory", None)}),
    "error a number": Case(given={"error": 404}, kept={"error": TaskFailure(FAILED, "404", None)}),
    "error a list": Case(given={"error": ["a"]}, kept={"error": None}, remarks={"error": '["a"]'}),
    "done without an end": Case(given={"completed_at": None}, kept={"completed_at": after(120)}),
    "done without end and update": Case(
        given={"completed_at": None, "updated_at": None}, kept={"completed_at": after(0), "updated_at": after(0)}
    ),
    "status in capitals": Case(given={"status": " Done "}, kept={"status": "done", "progress": 100}),
    "failed but completed": Case(
        given={"status": "FAILED", "completed_at": 30},
        kept={"completed_at": None, "failed_at": after(30)},
        remarks={"completed_at": "2025-11-17T12:00:30+00:00"},
    ),
    "waiting but ended": Case(
        given={"status": "pending", "completed_at": 30, "failed_at": 40},
        kept={"completed_at": None, "failed_at": None},
        remarks={"completed_at": "2025-11-17T12:00:30+00:00", "failed_at": "2025-11-17T12:00:40+00:00"},
    ),
    "ended before it began": Case(given={"completed_at": -60}, kept={"started_at": after(-60), "processing_time": 0.0}),
    "never made": Case(
        given={"created_at": None},
        kept={"created_at": after(120), "queued_at": after(120)},
        remarks={"created_at": "null"},
    ),
    "made before time began": Case(
        given={"created_at": SINCE_EVER}, kept={"created_at": after(120)}, remarks={"created_at": "-infinity"}
    ),
    "ended when time ends": Case(
        given={"completed_at": FOREVER}, kept={"completed_at": after(120)}, remarks={"completed_at": "infinity"}
    ),
    "too much progress": Case(
        given={"status": "processing", "progress": 250}, kept={"progress": 100}, remarks={"progress": "250"}
    ),
    "less than no progress": Case(
        given={"status": "pending", "progress": -1}, kept={"progress": 0}, remarks={"progress": "-1"}
    ),
    "no progress": Case(given={"status": "cancelled", "progress": None}, kept={"progress": 0}),
    "done but at 40": Case(given={"progress": 40}, kept={"progress": 100}),
    "without a price": Case(given={"credits_consumed": None}, kept={"credits_consumed": 0}),
    "with a price below zero": Case(
        given={"credits_consumed": -30}, kept={"credits_consumed": 0}, remarks={"credits_consumed": "-30"}
    ),
    "mode in small letters": Case(given={"mode": "head_swap "}, kept={"mode": "HEAD_SWAP"}),
    "took for ever": Case(
        given={"processing_time": 1e300},
        kept={"started_at": after(0), "processing_time": 120.0},
        remarks={"processing_time": f"1{'0' * 300}"},
    ),
    "took no number": Case(
        given={"processing_time": float("nan")}, kept={"processing_time": 120.0}, remarks={"processing_time": "NaN"}
    ),
    "reference empty": Case(given={"reference_image": ""}, kept={"reference_image": None}),
    "reference elsewhere": Case(
        given={"reference_image": "../x", "config": {"cloth_image": "file_2"}},
        kept={"reference_image": "file_2"},
        remarks={"reference_image": "../x"},
    ),
    "unknown status": Case(given={"status": "queued"}, unfit=STATUS),
    "no mode": Case(given={"mode": None}, unfit=MODE),
    "unknown mode": Case(given={"mode": "FACE_SWAP"}, unfit=MODE),
    "no source": Case(given={"source_image": None}, unfit=SOURCE),
    "empty source": Case(given={"source_image": ""}, unfit=SOURCE),
    "source elsewhere": Case(given={"source_image": "../../etc/passwd"}, unfit=SOURCE),
    "endless source": Case(given={"source_image": "x" * 200_000}, unfit=SOURCE),
    "an id that isn't one": Case(given={"task_id": "an id?"}, unfit=NO_ID),
    "nothing right": Case(given={"status": "?", "mode": "?"}, unfit=f"{STATUS}; {MODE}"),
    **{
        f"{mode} with {name}": Case(
            given={"mode": mode, "reference_image": "", "config": {name: "file_9"}}, kept={"reference_image": "file_9"}
        )
        for mode, names in REFERENCE_FIELDS.items()
        for name in names
    },
}

USERS: Final[list[dict[str, Any]]] = [
    {"user_id": str(ADA), "email": "Ada@Example.com", "current_credits": 70, "last_login": NOON, "locale": "zh-CN"},
    {"user_id": str(BOB).upper(), "email": "ada@example.com", "last_login": NOON + timedelta(days=1)},
    {"user_id": CAT.hex, "current_credits": -40, "total_credits_used": None, "password_hash": "$2b$12$x"},
    {
        "user_id": "usr_unsaid",
        "email": "",
        "current_credits": None,
        "is_active": None,
        "has_password": None,
        "signup_bonus_granted": None,
        "created_at": None,
        "plan_renew_at": FOREVER,
    },
    {"user_id": " usr padded ", "email": "padded@example.com"},
]
