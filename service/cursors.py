"""Opaque cursors: where the next page begins, in a form that fits a URL."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec

T = TypeVar("T")

LONGEST_CURSOR = 200


def encode_cursor(position: object) -> str:
    """A position (JSON values) as a token."""
    return urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str, position_type: type[T]) -> T | None:
    """The position in a token, or None if the token isn't one of ours."""
    if len(cursor) > LONGEST_CURSOR or not cursor.isascii():
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=position_type)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
