"""A typed function per statement of `schema/queries/sessions.sql`. They take a connection and open no transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from schema.models.accounts import Scope, Session
from service.accounts.store import Holder
from service.database import Connection
from service.database.statements import convert, load_queries

QUERIES = load_queries("sessions")

IDLE = timedelta(days=7)
"""A session that nobody uses for so long is over."""

LONGEST = timedelta(days=90)

MOST = 20
"""A user's sessions: with one more, the oldest ends."""


async def add_link(
    connection: Connection, token_hash: bytes, user_id: str, scope: Scope, lifetime: timedelta
) -> datetime:
    """When it expires."""
    return await QUERIES["add_link"].value(
        connection, token_hash=token_hash, user_id=user_id, scope=scope, lifetime=lifetime
    )


async def begin_by_link(connection: Connection, token_hash: bytes, link_hash: bytes) -> Session | None:
    """None for a link that isn't good any more; it is used up."""
    return await _begin(connection, "link", token_hash=token_hash, link_hash=link_hash)


async def begin_by_key(connection: Connection, token_hash: bytes, key_hash: bytes) -> Session | None:
    """None for a key that isn't good."""
    return await _begin(connection, "key", token_hash=token_hash, key_hash=key_hash)


async def begin_until(connection: Connection, token_hash: bytes, user_id: str, until: datetime) -> Session | None:
    """None for a user who isn't active."""
    return await _begin(connection, "jwt", token_hash=token_hash, user_id=user_id, until=until)


async def _begin(connection: Connection, by: str, **shown: Any) -> Session | None:
    begin = QUERIES[f"begin_session_by_{by}"]
    session = await begin.row(connection, Session, **shown, idle=IDLE, longest=LONGEST)
    if session is not None:
        await QUERIES["end_oldest_sessions"].run(connection, user_id=session.user_id, most=MOST)
    return session


async def users_of_sessions(connection: Connection, token_hashes: Sequence[bytes]) -> Mapping[bytes, Holder]:
    """By the hash of a session's token whose it is; those that are over are left out."""
    hashes = [one.hex() for one in token_hashes]
    records = await QUERIES["users_of_sessions"].records(connection, token_hashes=hashes, idle=IDLE)
    return {record["token_hash"]: convert(record, Holder) for record in records}


async def slide_sessions(connection: Connection, token_hashes: list[bytes]) -> None:
    await QUERIES["slide_sessions"].run(connection, token_hashes=[one.hex() for one in token_hashes], idle=IDLE)


async def end_session(connection: Connection, token_hash: bytes) -> None:
    await QUERIES["end_session"].run(connection, token_hash=token_hash)


async def forget_ended(connection: Connection, limit: int) -> int:
    """Forget sessions and links that are over, so many of each at most; how many went of that of which more went."""
    sessions: int = await QUERIES["forget_ended_sessions"].value(connection, limit=limit)
    links: int = await QUERIES["forget_expired_links"].value(connection, limit=limit)
    return max(sessions, links)
