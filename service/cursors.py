"""Pages of a list, and opaque cursors: where the next page begins, in a form that fits a URL."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from schema.models.tasks import Pagination
from service.refusals import Refused, invalid

T = TypeVar("T")

CURSOR = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def encode_cursor(position: object) -> str:
    """A position (JSON values) as a token."""
    return urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str, position_type: type[T]) -> T | None:
    """The position in a token, or None if the token isn't one of ours."""
    if not CURSOR.fullmatch(cursor):
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=position_type)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None


def encode_place(at: datetime, name: str) -> str:
    """A place in a list that is ordered by time and, among equal ones, by id."""
    return encode_cursor(((at - EPOCH) // MICROSECOND, name))


def decode_place(cursor: str) -> tuple[datetime, str] | None:
    """The time and the id in a token, or None if it isn't one of ours."""
    place = decode_cursor(cursor, tuple[int, str])
    try:
        return None if place is None or "\0" in place[1] else (EPOCH + place[0] * MICROSECOND, place[1])
    except OverflowError:
        return None


def place_behind(cursor: str | None, newest: str) -> tuple[datetime, str] | None:
    """The place behind which a page begins, None for the first page.

    Raises:
        Refused: as `no_cursor` tells.
    """
    place = None if cursor is None else decode_place(cursor)
    if place is None and cursor is not None:
        raise no_cursor(newest)
    return place


def no_cursor(newest: str) -> Refused:
    """INVALID_REQUEST for a cursor that isn't one of ours; `newest` is what the list begins with."""
    return invalid("cursor", f"take next_cursor of the page before, or leave it out to start at the newest {newest}")


def cut_page(found: list[T], page_size: int, cursor_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of what was `found`, and the cursor of the next one: there is one if more than a page was found."""
    page = found[:page_size]
    return page, cursor_of(page[-1]) if len(found) > page_size else None


def cursor_pagination(page_size: int, next_cursor: str | None) -> Pagination:
    """Where a page stands that was reached by cursor: nothing is counted."""
    return Pagination(
        page=None, page_size=page_size, total=None, total_capped=False, total_pages=None, next_cursor=next_cursor
    )
