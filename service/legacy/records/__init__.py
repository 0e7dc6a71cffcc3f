"""Records of the system before this one: as its Redis holds them, and what they become here."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, final

import msgspec
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import StoredResult, TaskFailure, TaskStatus
from service.legacy.records.values import fingerprint

Fields = dict[bytes, bytes]
"""A hash's fields, or a user's copies under their keys."""

LONGEST_USER_ID: Final = 50
MOST_CHARGED: Final = 2**31 - 1
"""What the column of a task's charge holds."""
STATUSES: Final = {status.value.encode(): status for status in TaskStatus}
ENDS: Final = {
    TaskStatus.DONE: (b"completed_at", b"updated_at"),
    TaskStatus.FAILED: (b"failed_at", b"completed_at", b"updated_at"),
    TaskStatus.CANCELLED: (b"cancelled_at", b"updated_at"),
}
"""Where the time of an end is told, the best first."""

LONGEST_RECORD_ID: Final = 200
"""An index holds no very long ones: what is longer is cut, and told apart by a digest."""


TOO_LARGE: Final = b"too large to be read; bytes: "
"""In place of a user's copy begins so what tells how many it has: it can't be taken for JSON."""


class RawTask(Struct, frozen=True):
    """A task's hash. `wrong_type` names what else lies under its key; `fields` then hold its dump.

    `large`: fields that are too large to be held, and their bytes.
    """

    task_id: str
    fields: Fields
    time_to_live: timedelta | None = None
    wrong_type: str | None = None
    large: Mapping[bytes, int] = {}

    @property
    def told_apart_by(self) -> Fields:
        """Its fields; of those that are too large to be held, their size."""
        if not self.large:
            return self.fields
        return self.fields | {name: b"%d bytes" % size for name, size in self.large.items()}


class RawUser(Struct, frozen=True):
    """A user's copies, by their keys: one under the id, one under each email that names the user.

    A copy that is `nameless` tells nobody's id; its key stands for one.
    """

    user_id: str
    copies: Fields
    nameless: bool = False


class Task(Struct, frozen=True, tag=True):
    """What a task's hash becomes. `remarks` tell what was read otherwise than it stands there, field by field."""

    task_id: str
    user_id: str | None
    status: TaskStatus
    mode: Mode
    progress: int
    current_step: str | None
    source_image: str
    reference_image: str | None
    config: dict[str, Any]
    result: StoredResult | None
    error: TaskFailure | None
    credits_consumed: int
    created_at: datetime | None
    """None where nothing in the record tells a time; an import then takes its own."""
    updated_at: datetime | None
    ended_at: datetime | None
    fingerprint: bytes
    remarks: tuple[str, ...]
    original: Fields | None = None
    """The record as it stands there, where there are remarks."""


@final
class User(Struct, frozen=True, kw_only=True):
    """What a user's copies become."""

    user_id: str
    email: str | None
    username: str | None
    avatar: str | None
    password_hash: str | None
    has_password: bool
    is_active: bool
    signup_bonus_granted: bool
    current_plan_id: str | None
    plan_renew_at: datetime | None
    current_credits: int
    total_credits_used: int
    created_at: datetime | None
    last_login: datetime | None
    fingerprint: bytes
    remarks: tuple[str, ...]
    original: Fields
    """The copies as they stand there."""


@final
class Unreadable(Struct, frozen=True, tag=True):
    """A record that can't become a row, and why."""

    record_id: str
    reason: str
    fields: Fields
    fingerprint: bytes


def weight_of(user: User | Unreadable) -> int:
    """The bytes of a user's copies."""
    copies = user.fields if type(user) is Unreadable else user.original
    return sum(map(len, copies.values()))


def is_user_id(text: str) -> bool:
    """Whether the old system can have given this as a user's id."""
    return 0 < len(text) <= LONGEST_USER_ID and text.isprintable() and text.strip() == text


def whole(fields: Fields) -> dict[str, Any]:
    """A record's fields as JSON that PostgreSQL can keep, nothing left out: text, or base64 of what isn't."""
    return {_shown(name): _kept(value) for name, value in fields.items()}


def _shown(name: bytes) -> str:
    """Backslashes are doubled, so that no two names become one."""
    return name.replace(b"\\", rb"\\").decode(errors="backslashreplace").replace("\0", r"\0")


def _kept(value: bytes) -> Any:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    return {"base64": msgspec.to_builtins(value)} if "\0" in text else text


def unreadable(record_id: str, reason: str, fields: Fields) -> Unreadable:
    """A record for the quarantine."""
    return Unreadable(short_id(record_id), reason, fields, fingerprint(fields))


def short_id(record_id: str) -> str:
    """An id under which something can be kept: one that is too long for an index is cut, with a digest at its end."""
    if len(record_id) <= LONGEST_RECORD_ID:
        return record_id
    return f"{record_id[:LONGEST_RECORD_ID]}~{fingerprint({record_id.encode(): b''}).hex()}"
