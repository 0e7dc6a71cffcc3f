"""Accounts: made, shown, credited, erased."""

import unicodedata

import asyncpg
import msgspec
from msgspec import Struct

from schema.credits import MOST_CREDITS
from schema.identifiers import new_id
from schema.models.accounts import Account, Scope, UserRecord
from schema.models.problems import ProblemCode
from service.accounts import keys, store
from service.database import Connection, Pool
from service.database.transactions import transactional
from service.refusals import Refused


class NewUser(Struct, frozen=True):
    """An account that was just made, and its first key, shown once."""

    user_id: str
    email: str
    api_key: str
    credits: int


async def create_user(
    connection: Connection, email: str, *, credits_: int, user_id: str | None = None, scope: Scope = Scope.USER
) -> NewUser:
    """Make an account with its opening credits and a key.

    Raises:
        Refused: INVALID_REQUEST when the id or the email is taken.
    """
    user_id = user_id or new_id("usr")
    email = unicodedata.normalize("NFC", email)
    try:
        issued = await _create(connection, user_id, email, credits_, scope)
    except asyncpg.UniqueViolationError as error:
        taken = "email" if "email" in (error.constraint_name or "") else "user id"
        raise Refused(ProblemCode.INVALID_REQUEST, f"There is a user with this {taken} already.") from None
    return NewUser(user_id=user_id, email=email, api_key=issued.api_key, credits=credits_)


@transactional
async def _create(connection: Connection, user_id: str, email: str, credits_: int, scope: Scope) -> keys.IssuedKey:
    await store.create_user(connection, user_id, email, email.partition("@")[0], credits_)
    if credits_:
        await store.open_ledger(connection, user_id, credits_, "opening credits")
    return await keys.issue_key(connection, user_id, scope=scope)


async def find_user(connection: Connection, user: str) -> UserRecord:
    """A user by id or email.

    Raises:
        Refused: NOT_FOUND.
    """
    found = await store.find_user(connection, user)
    if found is None:
        raise Refused(ProblemCode.NOT_FOUND, f"There is no user {user}.")
    return found


async def list_users(connection: Connection, *, after: str = "", limit: int) -> list[UserRecord]:
    """A page of users in the order of their ids, which is that of their making for those made here."""
    return await store.list_users(connection, after, limit)


async def set_active(connection: Connection, user: str, active: bool) -> UserRecord:
    """Suspend a user, whose keys and tokens are refused from then on, or let them in again.

    API processes hear of it within the 5 s for which they remember a token. Tasks go on: they are paid for.

    Raises:
        Refused: NOT_FOUND.
    """
    found = await find_user(connection, user)
    return await store.set_active(connection, found.user_id, active) or found


async def grant(connection: Connection, user: str, amount: int, reason: str | None) -> int:
    """Change a balance (a negative amount takes credits); the new balance.

    Raises:
        Refused: NOT_FOUND; INVALID_REQUEST when the balance would fall below zero or grow too large.
    """
    found = await find_user(connection, user)
    balance = await store.grant_credits(connection, found.user_id, amount, reason)
    if balance is None:
        beyond = f"be more than an account may hold ({MOST_CREDITS})" if amount > 0 else "be negative"
        raise Refused(
            ProblemCode.INVALID_REQUEST,
            f"The balance is {found.current_credits}; with {amount} it would {beyond}. Nothing was changed.",
        )
    return balance


async def erase_user(connection: Connection, user: str) -> str:
    """Erase a user with files, tasks and keys; the ledger is kept without the person. Their id comes back.

    Files' blobs follow: the database notes them for removal, whichever way a file's row goes.
    """
    found = await find_user(connection, user)
    await _erase(connection, found.user_id)
    return found.user_id


@transactional
async def _erase(connection: Connection, user_id: str) -> None:
    await store.hold_everything(connection, user_id)
    await store.delete_user(connection, user_id)


async def get_account(pool: Pool, user_id: str) -> Account:
    """What a user sees of themselves.

    Raises:
        Refused: UNAUTHORIZED when the account has just been erased.
    """
    async with pool.acquire() as connection:
        user = await store.get_user(connection, user_id)
    if user is None:
        raise Refused(ProblemCode.UNAUTHORIZED, "This account has been deleted.")
    return as_account(user)


def as_account(user: UserRecord) -> Account:
    """A user's row without what only the sign-in service needs."""
    return msgspec.convert(user, Account, from_attributes=True)
