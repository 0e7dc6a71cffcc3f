"""What each user's webhooks are signed with: made when it is first needed, kept sealed, readable again by its owner.

Kept and not derived from SECRET_KEY: an operator who changes that key must not break every receiver. Sealed under it:
a copy of the database signs nothing; and what an older key sealed is sealed anew (`reseal`).
"""

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from secrets import token_bytes
from typing import Final

import asyncpg
import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schema.models.problems import ProblemCode
from service.database import Connection, Pool
from service.refusals import Refused
from service.sparing import Sparing
from service.webhooks import store
from service.webhooks.store import OldSeal

OVERLAP: Final = timedelta(hours=24)
"""How long after a rotation deliveries are signed with both."""

SECRET_BYTES: Final = 32

log = structlog.get_logger(__name__)


class Seal:
    """Seals and opens secrets; of several keys the first seals, and all open."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        made = [hmac.digest(key.encode(), b"darkroom webhook secrets v1", "sha256") for key in secret_keys]
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(key)) for key in made])
        self.name = hashlib.sha256(made[0]).hexdigest()[:16]
        """Of the first key; tells nothing of it."""

    def close(self, secret: str) -> str:
        """Make it unreadable."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """Read it again; None when none of the keys sealed it."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


def new_secret() -> str:
    """As Standard Webhooks writes them."""
    return f"whsec_{b64encode(token_bytes(SECRET_BYTES)).decode()}"


async def signing_secrets(pool: Pool, seal: Seal, user_id: str) -> list[str]:
    """A user's secret and, for a day after a rotation, the one before it.

    Raises:
        Refused: UNAUTHORIZED when the account has just been erased.
    """
    async with pool.acquire() as connection:
        return await secrets_of(connection, seal, user_id)


async def secrets_of(connection: Connection, seal: Seal, user_id: str) -> list[str]:
    """As `signing_secrets`, on a connection."""
    kept = await store.webhook_secret(connection, user_id)
    if kept is None:
        await _add(connection, seal, user_id)
        kept = await store.webhook_secret(connection, user_id)
    opened = None if kept is None else seal.open(kept.sealed)
    if kept is None or opened is None:
        # SECRET_KEY was replaced, and the key that sealed it is gone.
        log.warning("webhook secret unreadable with SECRET_KEY; a new one was made", user_id=user_id)
        return [await _rotate(connection, seal, user_id)]
    previous = kept.previous and seal.open(kept.previous)
    return [opened, previous] if previous else [opened]


async def rotate(pool: Pool, seal: Seal, user_id: str) -> str:
    """A new secret; the one before goes on signing beside it for a day.

    Raises:
        Refused: UNAUTHORIZED when the account has just been erased.
    """
    async with pool.acquire() as connection:
        return await _rotate(connection, seal, user_id)


async def _add(connection: Connection, seal: Seal, user_id: str) -> None:
    try:
        await store.add_secret(connection, user_id, seal.close(new_secret()), seal.name)
    except asyncpg.ForeignKeyViolationError:
        raise _erased() from None


async def _rotate(connection: Connection, seal: Seal, user_id: str) -> str:
    secret = new_secret()
    try:
        await store.rotate_secret(connection, user_id, seal.close(secret), seal.name, overlap=OVERLAP)
    except asyncpg.ForeignKeyViolationError:
        raise _erased() from None
    return secret


def _erased() -> Refused:
    return Refused(ProblemCode.UNAUTHORIZED, "This account has been deleted.")


async def reseal(pool: Pool, seal: Seal, *, limit: int) -> None:
    """Seal under the first key what an older one sealed, so that the older one may go."""
    sparing = Sparing(pool, "webhook secrets")
    after = ""
    while True:
        async with pool.acquire() as connection:
            page = await store.secrets_to_reseal(connection, seal.name, after=after, limit=limit)
        for one in page:
            async with sparing.alone(one.user_id) as connection:
                await _reseal(connection, seal, one)
        if len(page) < limit:
            return
        after = page[-1].user_id


async def _reseal(connection: Connection, seal: Seal, old: OldSeal) -> None:
    secret = seal.open(old.sealed)
    if secret is None:
        return
    previous = old.previous and seal.open(old.previous)
    await store.reseal(
        connection,
        old.user_id,
        was=old.sealed,
        sealed=seal.close(secret),
        previous=seal.close(previous) if previous else None,
        sealed_by=seal.name,
    )
