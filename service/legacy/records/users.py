"""A user's copies in the old Redis become one account of ours. They may disagree."""

import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from service.legacy.records import TOO_LARGE, RawUser, Unreadable, User, is_user_id, unreadable
from service.legacy.records.tasks import Zone
from service.legacy.records.values import credits_of, fingerprint, json_of, object_of, time_of, truth_of

BY_ID: Final = b"user:id:"
BY_EMAIL: Final = b"user:email:"

LONGEST_EMAIL: Final = 320
"""RFC 3696; and an index holds no very long ones."""

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def read_user(raw: RawUser, zone: Zone) -> User | Unreadable:
    """An account, with remarks on what was read otherwise than it stands there; or why it can't be one.

    Where the copies disagree, the one with more `total_credits_used` counts, then the one with the later `last_login`,
    then the one under the id. That this one is newer than the others is what the old billing leaves, and no remark.
    """
    if raw.nameless:
        return unreadable(raw.user_id, "it names no user, or can't be read", raw.copies)
    if not is_user_id(raw.user_id) or any(
        # It has bytes that are no text, and was made readable.
        key.startswith(BY_ID) and key != BY_ID + raw.user_id.encode()
        for key in raw.copies
    ):
        return unreadable(raw.user_id, "its id is not one", raw.copies)
    remarks: list[str] = []
    readable: list[tuple[bytes, dict[str, Any]]] = []
    for key in sorted(raw.copies, reverse=True):  # the one under the id first
        left_out: list[str] = []
        try:
            copy = object_of(json_of(raw.copies[key], left_out), left_out)
        except ValueError:
            copy = None
        remarks += (f"the copy under its {_kind(key)}: {words}" for words in left_out)
        if copy is None:
            why = "is too large to be read" if raw.copies[key].startswith(TOO_LARGE) else "can't be read"
            remarks.append(f"the copy under its {_kind(key)} {why}")
        elif copy.get("user_id") and copy["user_id"] != raw.user_id:
            remarks.append(f"the copy under its {_kind(key)} names another user")
        else:
            readable.append((key, copy))
    if not readable:
        return unreadable(raw.user_id, "; ".join(remarks) or "it has no copy", raw.copies)
    best = max(readable, key=lambda candidate: _rank(candidate[1], zone))
    differing = sorted({name for _, copy in readable for name in best[1] | copy if copy.get(name) != best[1].get(name)})
    if differing and not _expected(best, [copy for _, copy in readable if copy is not best[1]], zone):
        remarks.append(f"its copies disagree in {', '.join(differing)}; the one under its {_kind(best[0])} counts")
    return _Reading(best[1], zone, remarks).user(raw)


def named_by(copy: bytes) -> str | None:
    """The id of the user that a copy names, if it can be read."""
    try:
        user_id = (object_of(json_of(copy)) or {}).get("user_id")
    except ValueError:
        return None
    return user_id if isinstance(user_id, str) and user_id else None


def email_in(copy: bytes) -> str | None:
    """The email in a copy, as keys spell it, if it can be read."""
    try:
        email = (object_of(json_of(copy)) or {}).get("email")
    except ValueError:
        return None
    return email if isinstance(email, str) and email else None


def _kind(key: bytes) -> str:
    return "id" if key.startswith(BY_ID) else "email"


def _rank(copy: dict[str, Any], zone: Zone) -> tuple[int, datetime]:
    used, _ = credits_of(copy.get("total_credits_used") or 0)
    login = copy.get("last_login")
    return used, (time_of(login, zone.info) if isinstance(login, str) else None) or _NEVER


def _expected(best: tuple[bytes, dict[str, Any]], others: list[dict[str, Any]], zone: Zone) -> bool:
    """Whether the copy under the id is newer than all others in the one way, and older in none."""
    used, login = _rank(best[1], zone)
    ranks = [_rank(other, zone) for other in others]
    return best[0].startswith(BY_ID) and all(
        used >= others_used and login >= others_login and (used, login) != (others_used, others_login)
        for others_used, others_login in ranks
    )


class _Reading:
    """Reads one copy, and remarks on what it had to leave out."""

    def __init__(self, copy: dict[str, Any], zone: Zone, remarks: list[str]) -> None:
        self._copy = copy
        self._zone = zone
        self._remarks = remarks

    def user(self, raw: RawUser) -> User:
        user = User(
            user_id=raw.user_id,
            email=self._email(raw),
            username=self._text("username"),
            avatar=self._text("avatar"),
            password_hash=self._text("password_hash"),
            has_password=self._truth("has_password", default=bool(self._copy.get("password_hash"))),
            is_active=self._truth("is_active", default=True),
            signup_bonus_granted=self._truth("signup_bonus_granted", default=False),
            current_plan_id=self._text("current_plan_id"),
            plan_renew_at=self._time("plan_renew_at"),
            current_credits=self._credits("current_credits"),
            total_credits_used=self._credits("total_credits_used"),
            created_at=self._time("created_at"),
            last_login=self._time("last_login"),
            fingerprint=fingerprint(raw.copies, self._zone.name),
            remarks=(),
            original=raw.copies,
        )
        return msgspec.structs.replace(user, remarks=tuple(self._remarks))

    def _email(self, raw: RawUser) -> str | None:
        """Its email, unless the copy under it is another user's who wasn't there earlier: then that user has it."""
        email = (self._text("email") or "").strip()
        if len(email) > LONGEST_EMAIL:
            self._remarks.append("email is too long for one and was left out")
            return None
        key = BY_EMAIL + email.encode()
        if (
            key in raw.copies
            and named_by(raw.copies[key]) not in {None, raw.user_id}
            and not self._later(raw.copies[key])
        ):
            self._remarks.append("its email is another user's and was left out")
            return None
        # As the table keeps it.
        return unicodedata.normalize("NFC", email) or None

    def _later(self, other: bytes) -> bool:
        """Whether it was there after another user: who has an email that both say they have is settled by that."""
        others_login = _rank(object_of(json_of(other)) or {}, self._zone)[1]
        return others_login is not _NEVER and _rank(self._copy, self._zone)[1] > others_login

    def _text(self, name: str) -> str | None:
        value = self._copy.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            return value
        self._remarks.append(f"{name} is not text and was left out")
        return None

    def _truth(self, name: str, *, default: bool) -> bool:
        value = self._copy.get(name)
        if value is None:
            return default
        truth = truth_of(value)
        if truth is None:
            self._remarks.append(f"{name} is neither true nor false; {str(default).lower()} stands for it")
            return default
        return truth

    def _time(self, name: str) -> datetime | None:
        text = self._text(name)
        moment = None if text is None else time_of(text, self._zone.info)
        if text is not None and moment is None:
            self._remarks.append(f"{name} is not a time and was left out")
        return moment

    def _credits(self, name: str) -> int:
        value = self._copy.get(name)
        if value is None or value == "":
            return 0
        number, remark = credits_of(value)
        if remark is not None:
            self._remarks.append(f"{name} {remark}")
        return number
