"""Signatures that let somebody do one thing until a time, without a token: files' URLs, event streams."""

import base64
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from schema.models.problems import ProblemCode
from service.refusals import Refused

HOUR: Final = 3600
KEPT: Final = 10_000
"""Signatures that are remembered: whoever polls a task is given the same ones all through an hour."""

_EXPIRES = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)


class BadSignature(Refused):
    """The URL wasn't signed by us, was signed for something else, or has expired."""

    def __init__(self) -> None:
        super().__init__(ProblemCode.FORBIDDEN, "The link is not valid, or no longer: please load the page again.")


class Signer:
    """Signs that something may be done until a time: HMAC-SHA256 under a key made from SECRET_KEY for this alone."""

    def __init__(self, secret_keys: Sequence[str], purpose: str) -> None:
        """`purpose` separates what may be signed: a signature for one purpose means nothing for another."""
        if not secret_keys:
            raise ValueError("a signer needs a key")
        label = b"darkroom signed url v1\n" + purpose.encode()
        self._keys = [hmac.digest(key.encode(), label, "sha256") for key in secret_keys]
        # Per signer: a cache of the class would keep every one of them, with its keys.
        self._query = lru_cache(KEPT)(self._signed)

    def query(self, subject: str, expires: int) -> str:
        """`expires=...&signature=...` for a subject's id, until a Unix time in seconds."""
        return self._query(subject, expires)

    def _signed(self, subject: str, expires: int) -> str:
        return f"expires={expires}&signature={_signature(self._keys[0], subject, str(expires)).decode()}"

    def verify(self, subject: str, expires: str | None, signature: str | None, *, now: datetime) -> None:
        """Check what came in a query, whatever it is.

        Raises:
            BadSignature: it isn't ours, not for this subject, or expired.
        """
        if expires is None or signature is None or not _EXPIRES.fullmatch(expires):
            raise BadSignature
        given = signature.encode(errors="replace")
        # Every key is tried: which one signed, if any, isn't told by the time it takes.
        matches = [hmac.compare_digest(_signature(key, subject, expires), given) for key in self._keys]
        if not any(matches) or int(expires) <= now.timestamp():
            raise BadSignature


def _signature(key: bytes, subject: str, expires: str) -> bytes:
    message = f"{subject}\n{expires}".encode(errors="replace")
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=")


def expiry(now: datetime, hours: int = 1) -> int:
    """A full hour, as Unix time: at least `hours` and at most one more from now, the same all through an hour."""
    return (int(now.timestamp()) // HOUR + 1 + hours) * HOUR
