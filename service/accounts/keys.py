"""API keys: long, random, shown once; the table keeps their SHA-256."""

import hashlib
import secrets

from msgspec import Struct

from schema.identifiers import new_id
from schema.models.accounts import KeyRecord, Scope
from service.accounts import store
from service.database import Connection

PREFIX = "dk_"
SESSION_PREFIX = "ds_"
LINK_PREFIX = "dl_"
SECRET_BYTES = 32
HINT_LENGTH = 4


class IssuedKey(Struct, frozen=True):
    """A new key; `api_key` can't be had again."""

    key_id: str
    api_key: str


def key_hash(api_key: str) -> bytes:
    """What the tables keep of keys, links and sessions.

    A plain SHA-256 will do: 256 random bits can't be guessed, slowly or fast.
    """
    return hashlib.sha256(api_key.encode()).digest()


async def issue_key(
    connection: Connection, user_id: str, name: str | None = None, *, scope: Scope = Scope.USER
) -> IssuedKey:
    """Make a key for a user who exists. `name` (1 to 100 characters) tells people what it is for."""
    issued = IssuedKey(key_id=new_id("key"), api_key=PREFIX + secrets.token_urlsafe(SECRET_BYTES))
    hint = issued.api_key[-HINT_LENGTH:]
    await store.add_key(connection, issued.key_id, user_id, key_hash(issued.api_key), hint, name, scope)
    return issued


async def list_keys(connection: Connection, user_id: str) -> list[KeyRecord]:
    """A user's keys, revoked ones too."""
    return await store.list_keys(connection, user_id)


async def revoke_key(connection: Connection, user_id: str, key_id: str) -> bool:
    """False when the user has no such key, or it was revoked already."""
    return await store.revoke_key(connection, user_id, key_id)
