"""Whose request is it? An API key or a JWT names an active user."""

import time
from collections import OrderedDict

from service.accounts import store
from service.accounts.keys import PREFIX, key_hash
from service.accounts.tokens import subject_of
from service.database import Pool

CACHED_SECONDS = 5.0
CACHED_TOKENS = 10_000
LONGEST_TOKEN = 4096


class Authenticator:
    """Looks tokens up, and remembers for 5 s whose they are: revoking one takes that long at most."""

    def __init__(self, pool: Pool, secret_keys: tuple[str, ...]) -> None:
        self._pool = pool
        self._secret_keys = secret_keys
        self._known: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    async def user_of(self, token: str) -> str | None:
        """The id of the active user a bearer token stands for, or None."""
        if not token or len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        digest = key_hash(token)
        known = self._known.get(digest)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        user_id = await (self._by_key(digest) if token.startswith(PREFIX) else self._by_jwt(token))
        if user_id is not None:
            self._known[digest] = (time.monotonic() + CACHED_SECONDS, user_id)
            self._known.move_to_end(digest)
            if len(self._known) > CACHED_TOKENS:
                self._known.popitem(last=False)
        return user_id

    async def _by_key(self, digest: bytes) -> str | None:
        async with self._pool.acquire() as connection:
            holder = await store.user_of_key(connection, digest)
        return holder.user_id if holder and holder.is_active else None

    async def _by_jwt(self, token: str) -> str | None:
        user_id = subject_of(token, self._secret_keys)
        if user_id is None or "\0" in user_id:
            return None
        async with self._pool.acquire() as connection:
            return user_id if await store.user_is_active(connection, user_id) else None
