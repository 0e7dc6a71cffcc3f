"""Words for what doesn't fit: a person's, never another library's."""

import re
from typing import Any

import msgspec
import pytest

from schema.models.batches import Cancellation
from schema.models.edits import CONFIG_TYPES, Mode
from schema.models.tasks import NewTask
from service.telling.wording import explain_malformed, explain_validation

SURROGATE = "half of a surrogate pair"
INCOMPLETE = "its end is missing"


def malformed(body: bytes) -> str:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(body)
    return explain_malformed(str(caught.value), body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (rb'"\ud800"', SURROGATE),
        (rb'{"a": "x\uDBFF y"}', SURROGATE),
        (rb'"\ud83d\n"', SURROGATE),
        (rb'"\ud83d\u0041"', SURROGATE),
        (rb'"\ud83d\ud83d"', SURROGATE),
        (rb'"\udc00"', SURROGATE),
        (rb'"\ud83d', INCOMPLETE),
        (rb'"\ud83d\ude', INCOMPLETE),
        (rb'"\ud83d\ude00', INCOMPLETE),
        (rb'"\\ud800 and more', INCOMPLETE),
        (b'{"a": "b', INCOMPLETE),
        (b"[1, 2", INCOMPLETE),
        (b"", "is required"),
        (b" \n", "is required"),
        (b"{'a': 1}", "at byte 1: object keys must be strings"),
        (b'{"a" 1}', "at byte 5: expected ':'"),
        (b'{"a": 1,}', "trailing comma in object"),
        (b"{} x", "at byte 4: trailing characters"),
        (b"[NaN]", "at byte 1: invalid character"),
        (b"\xef\xbb\xbf{}", "at byte 0"),
    ],
)
def test_what_is_no_json_is_told_apart(body: bytes, words: str) -> None:
    assert words in malformed(body)


def refused(value: Any, kind: Any) -> tuple[str, str]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, kind)
    return explain_validation(str(caught.value), kind)


TASK = {"mode": "HEAD_SWAP", "source_image": "file_1"}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"priority": "urgent"}, "priority", "doesn't know 'urgent'; it takes low, normal, high"),
        ({"mode": "head_swap"}, "mode", "it takes HEAD_SWAP, BACKGROUND_CHANGE, POSE_CHANGE"),
        ({"priority": 5}, "priority", "takes text, not a whole number"),
        ({"deadline_seconds": 60.5}, "deadline_seconds", "takes a whole number, not a fraction"),
        ({"source_image": "a b"}, "source_image", "letters, digits"),
        ({"nope": 1}, "nope", "there is no such field"),
        ({"webhook_url": "x" * 2001}, "webhook_url", "at most 2000 characters"),
    ],
)
def test_a_field_is_told_what_it_takes(changes: dict[str, Any], path: str, words: str) -> None:
    at, said = refused({**TASK, **changes}, NewTask)
    assert at == path
    assert words in said


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (5, "takes a time, not a whole number"),
        ("yesterday", "takes a time like 2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00", "takes a time with its offset, such as Z"),
    ],
)
def test_a_time_is_told_as_one(moment: Any, words: str) -> None:
    assert refused({"status": "pending", "created_before": moment}, Cancellation) == ("created_before", words)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([""], ("ids[0]", "may not be empty")),
        (["x" * 65], ("ids[0]", "takes at most 64 characters")),
        ([], ("ids", "takes at least 1")),
    ],
)
def test_a_length_is_told_as_people_say_it(ids: list[str], told: tuple[str, str]) -> None:
    assert refused({"ids": ids}, Cancellation) == told


@pytest.mark.parametrize(
    ("mode", "field", "value"),
    [(mode, field, "nope") for mode in Mode for field in ("quality", "size")]
    + [(Mode.BACKGROUND_CHANGE, "background_type", "blue")],
)
def test_every_choice_of_a_config_is_told(mode: Mode, field: str, value: str) -> None:
    at, said = refused({field: value}, CONFIG_TYPES[mode])
    assert at == field
    assert re.fullmatch(rf"doesn't know '{value}'; it takes \w+(, \w+)+", said)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"config": {"a": 1e999}}', ""),
        (b'{"config": {"a": {"b": 1e999}}}', ""),
        (b"[1e999]", "[0]"),
    ],
)
def test_places_without_a_name_are_left_out(body: bytes, path: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body)
    at, said = explain_validation(str(caught.value))
    assert "..." not in at
    assert (at, said) == (path, "holds a number that is out of range")


def test_words_that_nobody_knows_are_not_passed_on() -> None:
    assert explain_validation("Decoder[abc] exploded - at `$.config`") == ("config", "isn't valid here")
    assert explain_malformed("some internal state", b"{}") == "JSON is malformed"
