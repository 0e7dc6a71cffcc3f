"""Browsers' sessions: begun with a one-time link, an API key or a JWT, and good for what the user's key may."""

import secrets
import time
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from schema.models.accounts import Scope, Session
from service.accounts import session_store as store
from service.accounts.authentication import Authenticator
from service.accounts.keys import LINK_PREFIX, PREFIX, SECRET_BYTES, SESSION_PREFIX, key_hash
from service.accounts.tokens import claims_of
from service.database import Connection, Pool

LINK_LIFETIME = timedelta(minutes=15)


class IssuedLink(Struct, frozen=True):
    """What a link has behind its #, once; and until when it is good."""

    token: str
    expires_at: datetime

    def url(self, address: str) -> str:
        """The link. What stands behind the # a browser keeps to itself: no log, proxy or Referer gets to see it.

        Whoever only looks at a link, as chats do for a preview, doesn't use it up: the page's script does.
        """
        return f"{address}/sign-in#{self.token}"


async def issue_link(connection: Connection, user_id: str, scope: Scope) -> IssuedLink:
    """Make what signs a user in, who exists: good once, for a quarter of an hour."""
    token = LINK_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    return IssuedLink(token, await store.add_link(connection, key_hash(token), user_id, scope, LINK_LIFETIME))


class Begun(Struct, frozen=True):
    """A new session, and the token that stands for it: only its browser is told."""

    token: str
    session: Session


class Sessions:
    """Begins and ends them. The token is always new: nobody can have a browser use one that they know."""

    def __init__(self, pool: Pool, authenticator: Authenticator, secret_keys: tuple[str, ...]) -> None:
        self._pool = pool
        self._authenticator = authenticator
        self._secret_keys = secret_keys

    async def by_link(self, link: str) -> Begun | None:
        """None for a link that was used, has expired, or never was."""
        token = _new_token()
        async with self._pool.acquire() as connection:
            session = await store.begin_by_link(connection, key_hash(token), key_hash(link))
        return session and Begun(token, session)

    async def by_token(self, shown: str) -> Begun | None:
        """None for what is no good API key or JWT. A session lives no longer than what it began with."""
        token = _new_token()
        if shown.startswith(PREFIX):
            async with self._pool.acquire() as connection:
                session = await store.begin_by_key(connection, key_hash(token), key_hash(shown))
            return session and Begun(token, session)
        claims = claims_of(shown, self._secret_keys)
        # As in a header: what PostgreSQL can't spell is nobody's id.
        if claims is None or not claims.subject.isprintable():
            return None
        until = datetime.fromtimestamp(min(claims.expires, time.time() + store.LONGEST.total_seconds()), UTC)
        async with self._pool.acquire() as connection:
            session = await store.begin_until(connection, key_hash(token), claims.subject, until)
        return session and Begun(token, session)

    async def end(self, token: str) -> None:
        """Sign out: at once here, within seconds in other processes."""
        async with self._pool.acquire() as connection:
            await store.end_session(connection, key_hash(token))
        self._authenticator.forget_session(token)


async def sweep_sessions(pool: Pool, *, limit: int) -> None:
    """Forget sessions and links that are over."""
    while True:
        async with pool.acquire() as connection:
            if await store.forget_ended(connection, limit) < limit:
                return


def _new_token() -> str:
    return SESSION_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
