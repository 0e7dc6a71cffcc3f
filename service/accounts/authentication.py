"""Whose request is it? An API key, a JWT or a session names an active user."""

from service.accounts import session_store, store
from service.accounts.keys import PREFIX, SESSION_PREFIX, key_hash
from service.accounts.known import Caller, KnownCallers
from service.accounts.tokens import subject_of
from service.accounts.uses import Uses
from service.database import Pool

LONGEST_TOKEN = 4096


class Authenticator:
    """Tells bearers apart, and asks those who know."""

    def __init__(self, pool: Pool, secret_keys: tuple[str, ...]) -> None:
        self._secret_keys = secret_keys
        self._keys = KnownCallers(pool, store.users_of_keys, Uses(pool, store.note_use_of_keys))
        self._sessions = KnownCallers(pool, session_store.users_of_sessions, Uses(pool, session_store.slide_sessions))
        self._users = KnownCallers(pool, store.users_themselves)

    async def by_bearer(self, token: str, *, only_if_known: bool = False) -> Caller | None:
        """Whom a bearer token stands for: an active user, or None.

        `only_if_known`: a key is looked up only if it has been right before, however long ago.
        """
        if not _may_be(token):
            return None
        if token.startswith(PREFIX):
            return await self._keys.get(key_hash(token), only_if_known=only_if_known)
        subject = subject_of(token, self._secret_keys)
        # NUL and lone surrogates, which JSON can spell and PostgreSQL can't, aren't printable.
        return await self._users.get(subject) if subject is not None and subject.isprintable() else None

    async def by_session(self, token: str, *, only_if_known: bool = False) -> Caller | None:
        """Whom the token in a session's cookie stands for, likewise."""
        if not _may_be(token) or not token.startswith(SESSION_PREFIX):
            return None
        return await self._sessions.get(key_hash(token), only_if_known=only_if_known)

    async def is_active(self, user_id: str) -> bool:
        """Whether a user may use the service."""
        return await self._users.get(user_id) is not None

    def forget_session(self, token: str) -> None:
        """It stood for somebody until now, and doesn't any more."""
        self._sessions.forget(key_hash(token))

    async def close(self) -> None:
        """Wait for what is being noted."""
        for known in (self._keys, self._sessions, self._users):
            await known.close()


def _may_be(token: str) -> bool:
    return bool(token) and len(token) <= LONGEST_TOKEN and token.isascii()
