"""Whether what came of a record is what the record says, but for what was done here since."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Struct

from schema.models.tasks import StoredResult, TaskFailure
from service.legacy.records import Task, Unreadable, User

CHANGED: Final = "it has changed in the old system since it was imported"
NEVER: Final = "it was not imported from the old Redis yet"
MADE_HERE: Final = "there is another one of this id, made here"

_OF_TASKS: Final = ("user_id", "mode", "source_image", "reference_image", "config", "credits_consumed")
"""What nothing that is done here changes."""
_UNTIL_TAKEN_OVER: Final = ("status", "progress", "current_step", "error", "updated_at", "ended_at")
_OF_ALL: Final = attrgetter(*_OF_TASKS, "created_at", *_UNTIL_TAKEN_OVER)
_OF_USERS: Final = (
    "username",
    "avatar",
    "password_hash",
    "has_password",
    "is_active",
    "signup_bonus_granted",
    "current_plan_id",
    "plan_renew_at",
    "last_login",
)


Differences = dict[str, Any]
"""What differs, in words, with what it is here: a difference that was accepted is this one as long as that stays."""


class TaskHere(Struct, frozen=True):
    """What came of a task."""

    task_id: str
    user_id: str | None
    status: str
    mode: str
    progress: int
    current_step: str | None
    source_image: str
    reference_image: str | None
    config: dict[str, Any]
    credits_consumed: int
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    fingerprint: bytes | None
    taken_over: bool
    result: StoredResult | None
    error: TaskFailure | None


class UserHere(Struct, frozen=True):
    """What came of an account; `opening` is the balance it was brought along with, `ledger` the sum of all entries.

    `external`: what the old system changed about it in adopted tables. `used`: its balance lives here.
    """

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
    created_at: datetime
    last_login: datetime | None
    fingerprint: bytes | None
    opening: int
    external: int
    ledger: int
    used: bool


class BothSides(Struct, frozen=True):
    """Some tasks of the old system, and what came of them here, by id; `ours` as of `planning.plan`."""

    readable: Sequence[Task]
    unreadable: Sequence[Unreadable]
    here: Mapping[str, TaskHere]
    ours: Mapping[str, Collection[bytes]]


def compare_tasks(both: BothSides) -> tuple[list[Task], list[tuple[Task, Differences]]]:
    """Those that are missing here, and those that differ.

    What an export wrote is what was here; that it changed here since is no difference.
    """
    missing: list[Task] = []
    differing: list[tuple[Task, Differences]] = []
    for there in both.readable:
        here = both.here.get(there.task_id)
        if here is None:
            missing.append(there)
        elif there.fingerprint not in both.ours.get(there.task_id, ()) and (found := compare_task(there, here)):
            differing.append((there, found))
    return missing, differing


def compare_task(there: Task, here: TaskHere) -> Differences:
    """What differs; empty when nothing does."""
    if stale := _stale(there.fingerprint, here.fingerprint):
        return {stale: None}
    if _OF_ALL(there) == _OF_ALL(here) and _pictures(there.result) == _pictures(here.result):
        return {}
    differing = _differing(there, here, _OF_TASKS)
    if there.created_at is not None and there.created_at != here.created_at:
        differing["created_at"] = here.created_at
    if not here.taken_over:
        timed = there.created_at is not None
        names = _UNTIL_TAKEN_OVER if timed else [one for one in _UNTIL_TAKEN_OVER if not one.endswith("_at")]
        differing |= _differing(there, here, names)
        if not _same(_pictures(there.result), _pictures(here.result)):
            differing["result"] = here.result
    return _in_words(differing)


def compare_user(there: User, here: UserHere, *, without_email: bool, conflict: bool) -> Differences:
    """What differs.

    `without_email`: it was remarked that somebody else has it. `conflict`: that its balance there isn't the one here,
    or that it is another one that was made here.
    """
    if conflict and here.fingerprint is None:
        return {}
    if stale := _stale(there.fingerprint, here.fingerprint):
        return {stale: None}
    differing = _differing(there, here, _OF_USERS)
    if there.email != here.email and not (without_email and here.email is None):
        differing["email"] = here.email
    if there.created_at is not None and there.created_at != here.created_at:
        differing["created_at"] = here.created_at
    # Where its system has written here itself since, what its record says of the balance is only old.
    if there.current_credits != here.opening and not conflict and not here.external:
        differing["the balance brought along"] = here.opening
    if not here.used and there.total_credits_used != here.total_credits_used:
        differing["total_credits_used"] = here.total_credits_used
    return _in_words(differing)


def compare_ledger(here: UserHere) -> Differences:
    """Whether the balance is the sum of its ledger: so it is, whatever the old system says."""
    if here.ledger == here.current_credits:
        return {}
    return {"the balance here is not the sum of its ledger": [here.ledger, here.current_credits]}


def _in_words(differing: Differences) -> Differences:
    return {f"{name} differs": value for name, value in differing.items()}


def _stale(there: bytes, here: bytes | None) -> str | None:
    if here == there:
        return None
    if here is None:
        return MADE_HERE
    return CHANGED if here else NEVER


def _differing(there: Struct, here: Struct, names: Iterable[str]) -> Differences:
    return {name: getattr(here, name) for name in names if not _same(getattr(there, name), getattr(here, name))}


def _same(there: Any, here: Any) -> bool:
    return there == here or _kept(msgspec.to_builtins(there)) == _kept(msgspec.to_builtins(here))


def _kept(value: Any) -> Any:
    """JSON as PostgreSQL keeps it: 1e300 is a one with 300 noughts, which no float is."""
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    if isinstance(value, list | tuple):
        return [_kept(one) for one in value]  # pyright: ignore[reportUnknownVariableType] - JSON's
    if isinstance(value, dict):
        return {name: _kept(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def _pictures(result: StoredResult | None) -> tuple[Any, Any] | None:
    """What the old system knew of a result; that its pictures are files here by now is no difference."""
    return None if result is None else (result.legacy, result.metadata)
