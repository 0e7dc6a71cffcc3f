"""Values as PostgreSQL reads them from arrays of text."""

from datetime import datetime
from typing import Any

import msgspec


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def as_text(value: Any) -> str | None:
    """A column's value as PostgreSQL reads it. Arrays of text are all that asyncpg encodes without a look-up."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, int) else as_json(value)
