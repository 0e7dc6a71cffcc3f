"""Text of the old system into values. What can't be read is None, never a guess; the caller remarks on it."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from schema.credits import MOST_CREDITS
from service.legacy.records.salvage import is_deep, salvaged, shallow

AS_PYTHON_WRITES: Final = (len("2025-12-05T06:11:54"), len("2025-12-05T06:11:54.123456"))
"""Of naive times. With a zone appended, Python 3.11 reads some others that it doesn't read without."""
MOST_DIGITS: Final = 19
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""At most, between the time that an id tells and the one that is written beside it."""

_PACKER: Final = msgspec.msgpack.Encoder()
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?", re.ASCII)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_SECONDS = re.compile(r"[a-z]+_([0-9]{10})_", re.ASCII)
_DAY = re.compile(r"[a-z]+_([0-9]{8})_", re.ASCII)


class UnknownZone(Exception):  # noqa: N818 - an answer to who named it
    """There is no such time zone."""


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name such as `Asia/Shanghai`.

    Raises:
        UnknownZone: There is none of this name.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(f"there is no time zone {name!r}; it takes a name such as UTC or Asia/Shanghai") from error


def fingerprint(fields: Mapping[bytes, bytes], zone: str = "") -> bytes:
    """16 bytes that differ when a record, or the zone its times are read in, differs (BLAKE2b)."""
    return hashlib.blake2b(_PACKER.encode((zone, sorted(fields.items()))), digest_size=16).digest()


def text_of(value: bytes | None) -> str | None:
    """Text that PostgreSQL can hold; None for what isn't, and for empty text."""
    if not value:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def has_nul(value: bytes) -> bool:
    """Whether JSON has a NUL, in one of its escapes."""
    return b"\\u0000" in value and _NUL.search(value) is not None


def json_of(value: bytes, left_out: list[str] | None = None) -> Any:
    """JSON that PostgreSQL can hold, strings in it that are JSON objects themselves not looked into.

    What jsonb can't hold of it (Python writes NaN and halves of surrogate pairs) costs only itself: it is left out, and
    `left_out` gets a line about it. So does what is nested too deeply.

    Raises:
        ValueError: It isn't JSON, even read as Python reads it.
    """
    left_out = [] if left_out is None else left_out
    if is_deep(value):
        value = shallow(value, left_out)
    if not has_nul(value):
        try:
            return msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # to be read with more patience
    return salvaged(value, left_out)


def object_of(value: Any, left_out: list[str] | None = None) -> dict[str, Any] | None:
    """A JSON object, also one that was encoded twice (see `json_of`); None for anything else."""
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType] - JSON's
    if isinstance(value, str):
        try:
            value = json_of(value.encode(), left_out)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType] - JSON's


def integer_of(value: Any) -> int | None:
    """A whole number, also as text (`"12"`, `12.0`)."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < MOST_DIGITS:
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None


def credits_of(value: Any) -> tuple[int, str | None]:
    """A number of credits, from 0 to MOST_CREDITS, and what had to be done to make it one, in the words of a remark.

    Parts of credits are rounded up, and what is beyond the most is the most: nobody has less than before by it.
    """
    number = integer_of(value)
    if number is None:
        try:
            exact = Decimal(str(value).strip()) if isinstance(value, int | float | str) else Decimal("NaN")
        except InvalidOperation:
            exact = Decimal("NaN")
        if isinstance(value, bool) or not exact.is_finite() or exact.adjusted() > MOST_DIGITS:
            return _beyond(value, exact)
        number = int(exact.to_integral_value(ROUND_CEILING))
        if exact != number and number >= 0:
            return number, f"is no whole number of credits ({exact}); {number} stands for it"
    if number < 0:
        return 0, f"is negative ({number}); 0 stands for it"
    if number > MOST_CREDITS:
        return _beyond(value, Decimal(number))
    return number, None


def _beyond(value: Any, exact: Decimal) -> tuple[int, str]:
    """What stands for something that is hardly a number."""
    if isinstance(value, bool) or exact.is_nan():
        return 0, "is not a number of credits; 0 stands for it"
    if exact < 0:
        return 0, "is negative beyond measure; 0 stands for it"
    return MOST_CREDITS, f"is more than an account can hold; {MOST_CREDITS} stands for it"


def truth_of(value: Any) -> bool | None:
    """True or false, also as 0, 1 or text."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def time_of(text: str, zone: tzinfo, not_before: datetime | None = None) -> datetime | None:
    """An ISO 8601 time in UTC; without a zone of its own it is one of `zone`.

    Of an hour that the clock showed twice it is the first, unless that would be before `not_before`.
    """
    if zone is UTC and len(text) in AS_PYTHON_WRITES and text[16] == ":":
        try:
            return datetime.fromisoformat(f"{text}+00:00")  # replace() takes five times as long
        except ValueError:
            pass  # it has a zone, or isn't a time
    try:
        shown = datetime.fromisoformat(text)
        if shown.tzinfo is not None:
            return shown.astimezone(UTC)
        first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError):
        return None
    return second if not_before is not None and first < not_before <= second else first


def time_in_id(record_id: str, zone: tzinfo) -> datetime | None:
    """When an id was made: `task_1764915114_a1b2c3` tells the second, `task_20251117_xyz789` the day."""
    try:
        if match := _SECONDS.match(record_id):
            return datetime.fromtimestamp(int(match[1]), UTC)
        if match := _DAY.match(record_id):
            return datetime.combine(date.fromisoformat(match[1]), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def born_after(record_id: str, zone: tzinfo) -> datetime | None:
    """Before when a record can't be, by its id; where clocks show no hour twice, nobody has to know."""
    made_at = None if zone is UTC else time_in_id(record_id, zone)
    try:
        return made_at and made_at - CLOCKS_DIFFER
    except OverflowError:  # before the first day that there is
        return None
