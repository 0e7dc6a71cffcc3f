"""A typed function per statement of `schema/queries/accounts.sql`. They take a connection and open no transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from schema.credits import MOST_CREDITS
from schema.models.accounts import KeyRecord, LedgerEntry, Scope, UserRecord
from service.database import Connection
from service.database.statements import convert, load_queries

QUERIES = load_queries("accounts")


async def create_user(
    connection: Connection, user_id: str, email: str, username: str | None, credits_: int
) -> UserRecord:
    """Raises asyncpg.UniqueViolationError when the id or the email is taken."""
    user = await QUERIES["create_user"].row(
        connection, UserRecord, user_id=user_id, email=email, username=username, credits=credits_
    )
    assert user is not None  # noqa: S101 - an INSERT without ON CONFLICT answers its row or raises
    return user


async def open_ledger(connection: Connection, user_id: str, credits_: int, reason: str) -> None:
    await QUERIES["open_ledger"].run(connection, user_id=user_id, credits=credits_, reason=reason)


async def find_user(connection: Connection, user: str) -> UserRecord | None:
    """By id or by email."""
    return await QUERIES["find_user"].row(connection, UserRecord, user=user)


async def get_user(connection: Connection, user_id: str) -> UserRecord | None:
    return await QUERIES["get_user"].row(connection, UserRecord, user_id=user_id)


async def grant_credits(connection: Connection, user_id: str, amount: int, reason: str | None) -> int | None:
    """The new balance, or None when it would be below zero or above MOST_CREDITS."""
    return await QUERIES["grant_credits"].value(
        connection, user_id=user_id, amount=amount, most=MOST_CREDITS, reason=reason
    )


async def refund_tasks(
    connection: Connection, user_id: str, amounts: Mapping[str, int], reason: str, *, now: datetime | None = None
) -> int:
    """By task what it gives back; the new balance. A second refund of a task raises asyncpg.UniqueViolationError."""
    balances = await QUERIES["refund_tasks"].column(
        connection,
        user_id=user_id,
        task_ids=list(amounts),
        amounts=[str(amount) for amount in amounts.values()],
        amount=sum(amounts.values()),
        reason=reason,
        now=now,
    )
    return max(balances)


async def ledger_page(connection: Connection, user_id: str, after: int | None, limit: int) -> list[LedgerEntry]:
    return await QUERIES["ledger_page"].rows(connection, LedgerEntry, user_id=user_id, after=after, limit=limit)


class Unbalanced(Struct, frozen=True):
    """A user whose balance is not the sum of the ledger."""

    user_id: str
    current_credits: int
    ledger: int


async def unbalanced_users(connection: Connection, limit: int) -> list[Unbalanced]:
    return await QUERIES["unbalanced_users"].rows(connection, Unbalanced, limit=limit)


async def list_users(connection: Connection, after: str, limit: int) -> list[UserRecord]:
    """In the order of their ids, those after one."""
    return await QUERIES["list_users"].rows(connection, UserRecord, after=after, limit=limit)


async def set_active(connection: Connection, user_id: str, active: bool) -> UserRecord | None:
    return await QUERIES["set_active"].row(connection, UserRecord, user_id=user_id, active=active)


async def add_key(
    connection: Connection, key_id: str, user_id: str, key_hash: bytes, hint: str, name: str | None, scope: Scope
) -> None:
    await QUERIES["add_key"].run(
        connection, key_id=key_id, user_id=user_id, key_hash=key_hash, hint=hint, name=name, scope=scope
    )


class Holder(Struct, frozen=True):
    """Whose a key or a session is, what it is good for, and whether they may use it."""

    user_id: str
    is_active: bool
    scope: Scope
    use_is_noted: bool
    """The row tells of a recent use."""


async def note_use_of_keys(connection: Connection, key_hashes: list[bytes]) -> None:
    await QUERIES["note_use_of_keys"].run(connection, key_hashes=[one.hex() for one in key_hashes])


async def users_of_keys(connection: Connection, key_hashes: Sequence[bytes]) -> Mapping[bytes, Holder]:
    """By the hash of a key whose it is; those that are nobody's are left out."""
    records = await QUERIES["users_of_keys"].records(connection, key_hashes=[one.hex() for one in key_hashes])
    return {record["key_hash"]: convert(record, Holder) for record in records}


async def users_themselves(connection: Connection, user_ids: Sequence[str]) -> Mapping[str, Holder]:
    """Likewise by their own ids."""
    holders = await QUERIES["users_themselves"].rows(connection, Holder, user_ids=user_ids)
    return {holder.user_id: holder for holder in holders}


async def user_is_active(connection: Connection, user_id: str) -> bool:
    """False for a user who doesn't exist, too."""
    return any(holder.is_active for holder in (await users_themselves(connection, [user_id])).values())


async def list_keys(connection: Connection, user_id: str) -> list[KeyRecord]:
    return await QUERIES["list_keys"].rows(connection, KeyRecord, user_id=user_id)


async def revoke_key(connection: Connection, user_id: str, key_id: str) -> bool:
    return await QUERIES["revoke_key"].value(connection, user_id=user_id, key_id=key_id) is not None


async def hold_everything(connection: Connection, user_id: str) -> None:
    """Lock a user's row, then their tasks' and files', each in the order of their ids: the one order of all locks."""
    for name in ("hold_user", "hold_tasks_of_user", "hold_files_of_user"):
        await QUERIES[name].run(connection, user_id=user_id)


async def delete_user(connection: Connection, user_id: str) -> bool:
    return await QUERIES["delete_user"].value(connection, user_id=user_id) is not None
