"""Users, their keys and the ledger of their credits."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.models.tasks import Pagination

Credits = Annotated[int, Meta(extra_json_schema={"format": "int64"})]


class UserRecord(Struct, frozen=True):
    """A row of the table `users`."""

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
    updated_at: datetime
    last_login: datetime | None
    legacy_fingerprint: bytes | None
    is_placeholder: bool
    judged_at: datetime | None


class Account(Struct, frozen=True):
    """What a user sees of themselves."""

    user_id: str
    email: str | None
    username: str | None
    current_credits: Credits
    total_credits_used: Credits
    current_plan_id: str | None
    created_at: datetime


class OwnAccount(Account, frozen=True):
    """The same as the answer to whoever asks for it by their token."""

    events_url: Annotated[str, Meta(description="The stream of all of one's tasks, signed, for an hour or two.")]


class EntryKind(StrEnum):
    """Why a balance changed."""

    OPENING = "opening"
    GRANT = "grant"
    CHARGE = "charge"
    REFUND = "refund"
    EXTERNAL = "external"
    """Another program changed the balance: the sign-in of the system before, on tables that were adopted."""


class LedgerEntry(Struct, frozen=True):
    """One change of a balance: negative amounts are charges."""

    entry_id: Annotated[int, Meta(extra_json_schema={"format": "int64"})]
    kind: EntryKind
    amount: Credits
    balance_after: Credits
    task_id: str | None
    reason: str | None
    created_at: datetime


class LedgerPage(Struct, frozen=True):
    """A user's ledger, newest first."""

    entries: list[LedgerEntry]
    pagination: Pagination


class Scope(StrEnum):
    """What a key or a session may do."""

    USER = "user"
    ADMIN = "admin"
    """The same, and look at everything on the operator's page."""


class KeyRecord(Struct, frozen=True):
    """An API key as it can be listed: the key itself was shown once and isn't kept."""

    key_id: str
    hint: Annotated[str, Meta(description="The key's last four characters.")]
    name: Annotated[str | None, Meta(description="What it is for, as was said when it was made.")]
    scope: Scope
    created_at: datetime
    last_used_at: Annotated[datetime | None, Meta(description="To within some minutes.")]
    revoked_at: datetime | None


Shown = Annotated[str, Meta(max_length=4096, pattern="^[!-~]+$")]


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """What begins a session: exactly one of these."""

    link: Annotated[Shown | None, Meta(description="What a one-time link has behind its #.")] = None
    token: Annotated[Shown | None, Meta(description="An API key or a JWT.")] = None


class Session(Struct, frozen=True):
    """A session of a browser; what stands for it is in its cookie."""

    user_id: str
    scope: Scope
    ends_at: Annotated[datetime, Meta(description="Then at the latest; before, a week after its last use.")]
