"""Whose request is it? An API key, a JWT or a session names an active user."""

import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from schema.models.accounts import Scope
from service.accounts import session_store, store
from service.accounts.keys import PREFIX, SESSION_PREFIX, key_hash
from service.accounts.store import Holder
from service.accounts.tokens import subject_of
from service.accounts.uses import Uses
from service.database import Connection, Pool
from service.newest import Newest

CACHED_SECONDS = 5.0
UNKNOWN_SECONDS = 2.0
"""For so long a key that nobody has isn't looked up again; it may be made meanwhile."""

CACHED_ENTRIES = 10_000
LONGEST_TOKEN = 4096


class Caller(Struct, frozen=True):
    """An active user, and what their key or session is good for."""

    user_id: str
    scope: Scope


class Authenticator:
    """Looks keys and users up, and remembers for 5 s what it found: revoking a key takes that long at most."""

    def __init__(self, pool: Pool, secret_keys: tuple[str, ...]) -> None:
        self._pool = pool
        self._secret_keys = secret_keys
        self._key_uses = Uses(pool, store.note_use_of_keys)
        self._session_uses = Uses(pool, session_store.slide_sessions)
        self._known = Newest[bytes | str, tuple[float, Caller]](CACHED_ENTRIES)
        # Apart from those that are known: guesses, however many, push nobody out.
        self._unknown = Newest[bytes | str, float](CACHED_ENTRIES)

    async def by_bearer(self, token: str, *, only_if_known: bool = False) -> Caller | None:
        """Whom a bearer token stands for: an active user, or None.

        `only_if_known`: a key is looked up only if it has been right before, however long ago.
        """
        if not _may_be(token):
            return None
        if token.startswith(PREFIX):
            return await self._holder(token, store.user_of_key, self._key_uses, only_if_known=only_if_known)
        subject = subject_of(token, self._secret_keys)
        # NUL and lone surrogates, which JSON can spell and PostgreSQL can't, aren't printable.
        return await self._active(subject) if subject is not None and subject.isprintable() else None

    async def by_session(self, token: str, *, only_if_known: bool = False) -> Caller | None:
        """Whom the token in a session's cookie stands for, likewise."""
        if not _may_be(token) or not token.startswith(SESSION_PREFIX):
            return None
        return await self._holder(token, session_store.user_of_session, self._session_uses, only_if_known=only_if_known)

    def forget(self, token: str) -> None:
        """What stood for somebody until now doesn't any more."""
        self._remember(key_hash(token), None)

    async def close(self) -> None:
        """Wait for what is being noted."""
        await self._key_uses.close()
        await self._session_uses.close()

    async def _holder(
        self,
        token: str,
        look_up: Callable[[Connection, bytes], Awaitable[Holder | None]],
        uses: Uses,
        *,
        only_if_known: bool,
    ) -> Caller | None:
        digest = key_hash(token)
        if caller := self._recall(digest):
            return caller
        if (only_if_known and digest not in self._known) or self._is_unknown(digest):
            return None
        async with self._pool.acquire() as connection:
            holder = await look_up(connection, digest)
        if holder and holder.is_active and not holder.use_is_noted:
            uses.note(digest)
        return self._remember(digest, Caller(holder.user_id, holder.scope) if holder and holder.is_active else None)

    async def _active(self, user_id: str) -> Caller | None:
        if caller := self._recall(user_id):
            return caller
        if self._is_unknown(user_id):
            return None
        async with self._pool.acquire() as connection:
            active = await store.user_is_active(connection, user_id)
        return self._remember(user_id, Caller(user_id, Scope.USER) if active else None)

    def _recall(self, what: bytes | str) -> Caller | None:
        known = self._known.get(what)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def _is_unknown(self, what: bytes | str) -> bool:
        return self._unknown.get(what, 0.0) > time.monotonic()

    def _remember(self, what: bytes | str, caller: Caller | None) -> Caller | None:
        if caller is None:
            self._known.pop(what, None)
            self._unknown.put(what, time.monotonic() + UNKNOWN_SECONDS)
        else:
            self._known.put(what, (time.monotonic() + CACHED_SECONDS, caller))
        return caller


def _may_be(token: str) -> bool:
    return bool(token) and len(token) <= LONGEST_TOKEN and token.isascii()
