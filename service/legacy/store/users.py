"""A typed function per statement of `schema/queries/legacy_users.sql`."""

from collections.abc import Sequence
from datetime import datetime

from service.database import Connection
from service.database.statements import load_queries
from service.legacy.records import User
from service.legacy.records.planning import KnownUser
from service.legacy.store.columns import as_text

QUERIES = load_queries("legacy_users")


async def known_users(connection: Connection, user_ids: Sequence[str]) -> dict[str, KnownUser]:
    rows = await QUERIES["known_users"].rows(connection, KnownUser, record_ids=user_ids)
    return {known.record_id: known for known in rows}


async def unknown_users(connection: Connection, user_ids: Sequence[str]) -> dict[str, bool]:
    """Those without an account, and whether they were erased here."""
    return dict(await QUERIES["unknown_users"].rows(connection, tuple[str, bool], user_ids=user_ids))


async def hold_users(connection: Connection, user_ids: Sequence[str]) -> None:
    """Nobody changes these balances until the transaction ends."""
    await QUERIES["hold_users"].run(connection, user_ids=user_ids)


HolderRow = tuple[str, str, str | None, datetime | None, bool]


async def holders_of_emails(connection: Connection, users: Sequence[User]) -> list[HolderRow]:
    """By user with an email: the email as it is compared, who else has it, their `last_login`, and if they are ours."""
    named = [(user.user_id, user.email) for user in users if user.email is not None]
    asked = {"user_ids": [one[0] for one in named], "emails": [one[1] for one in named]}
    return await QUERIES["holders_of_emails"].rows(connection, HolderRow, **asked)


async def release_emails(connection: Connection, user_ids: Sequence[str]) -> None:
    """These accounts get other emails in this transaction."""
    if user_ids:
        await QUERIES["release_emails"].run(connection, user_ids=user_ids)


async def displace_emails(connection: Connection, user_ids: Sequence[str], reason: str) -> None:
    """These accounts are left without email, and remarked on."""
    if user_ids:
        await QUERIES["displace_emails"].run(connection, user_ids=user_ids, reason=reason)


async def place_users(connection: Connection, user_ids: Sequence[str]) -> None:
    await QUERIES["place_users"].run(connection, user_ids=user_ids)


async def put_users(connection: Connection, users: Sequence[User]) -> None:
    """Write accounts and their opening entries; balances stay the sums of their ledgers."""
    if not users:
        return
    columns = {name: [as_text(getattr(user, name)) for user in users] for name in _USER_COLUMNS}
    columns["legacy_fingerprint"] = [user.fingerprint.hex() for user in users]
    written = set(await QUERIES["put_users"].column(connection, **columns))
    credits_ = {user.user_id: str(user.current_credits) for user in users if user.user_id in written}
    await QUERIES["put_openings"].run(connection, user_ids=list(credits_), credits=list(credits_.values()))


_USER_COLUMNS = (
    "user_id",
    "email",
    "username",
    "avatar",
    "password_hash",
    "has_password",
    "is_active",
    "signup_bonus_granted",
    "current_plan_id",
    "plan_renew_at",
    "current_credits",
    "total_credits_used",
    "created_at",
    "last_login",
)
