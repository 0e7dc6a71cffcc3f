"""Whose request is it? An API key or a JWT names an active user."""

import time

from service.accounts import store
from service.accounts.key_uses import KeyUses
from service.accounts.keys import PREFIX, key_hash
from service.accounts.tokens import subject_of
from service.database import Pool
from service.newest import Newest

CACHED_SECONDS = 5.0
UNKNOWN_SECONDS = 2.0
"""For so long a key that nobody has isn't looked up again; it may be made meanwhile."""

CACHED_ENTRIES = 10_000
LONGEST_TOKEN = 4096


class Authenticator:
    """Looks keys and users up, and remembers for 5 s what it found: revoking a key takes that long at most."""

    def __init__(self, pool: Pool, secret_keys: tuple[str, ...]) -> None:
        self._pool = pool
        self._secret_keys = secret_keys
        self._uses = KeyUses(pool)
        self._known = Newest[bytes | str, tuple[float, str]](CACHED_ENTRIES)
        # Apart from those that are known: guesses, however many, push nobody out.
        self._unknown = Newest[bytes | str, float](CACHED_ENTRIES)

    async def user_of(self, token: str, *, only_if_known: bool = False) -> str | None:
        """The id of the active user a bearer token stands for, or None.

        `only_if_known`: a key is looked up only if it has been right before, however long ago.
        """
        if not token or len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        if token.startswith(PREFIX):
            return await self._holder_of_key(key_hash(token), only_if_known=only_if_known)
        subject = subject_of(token, self._secret_keys)
        # NUL and lone surrogates, which JSON can spell and PostgreSQL can't, aren't printable.
        return await self._active(subject) if subject is not None and subject.isprintable() else None

    async def _holder_of_key(self, digest: bytes, *, only_if_known: bool) -> str | None:
        if user_id := self._recall(digest):
            return user_id
        if (only_if_known and digest not in self._known) or self._is_unknown(digest):
            return None
        async with self._pool.acquire() as connection:
            holder = await store.user_of_key(connection, digest)
        if holder and holder.is_active and not holder.use_is_noted:
            self._uses.note(digest)
        return self._remember(digest, holder.user_id if holder and holder.is_active else None)

    async def close(self) -> None:
        """Wait for what is being noted."""
        await self._uses.close()

    async def _active(self, user_id: str) -> str | None:
        if self._recall(user_id):
            return user_id
        if self._is_unknown(user_id):
            return None
        async with self._pool.acquire() as connection:
            active = await store.user_is_active(connection, user_id)
        return self._remember(user_id, user_id if active else None)

    def _recall(self, what: bytes | str) -> str | None:
        known = self._known.get(what)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def _is_unknown(self, what: bytes | str) -> bool:
        return self._unknown.get(what, 0.0) > time.monotonic()

    def _remember(self, what: bytes | str, user_id: str | None) -> str | None:
        if user_id is None:
            self._known.pop(what, None)
            self._unknown.put(what, time.monotonic() + UNKNOWN_SECONDS)
        else:
            self._known.put(what, (time.monotonic() + CACHED_SECONDS, user_id))
        return user_id
