"""Signed URLs: whoever holds one may load one file for an hour or two, in a plain `<img>`, without a token."""

import base64
import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from schema.models.problems import ProblemCode
from service.files.storage import Storage
from service.refusals import Refused

FILES_PATH: Final = "/api/v1/files/"
HOUR: Final = 3600
MAX_PRESIGNED: Final = 10_000
"""URLs to a bucket that are remembered, so that caches see the same one within the hour; about a kilobyte each."""

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

    def query(self, subject: str, expires: int) -> str:
        """`expires=...&signature=...` for a subject's id, until a Unix time in seconds."""
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


class FileUrls:
    """Makes and checks the URLs of files: ours, or the bucket's own where the storage has such a thing."""

    def __init__(self, secret_keys: Sequence[str], public_url: str | None, storage: Storage) -> None:
        self._signer = Signer(secret_keys, "file")
        self._start = (public_url or "").rstrip("/") + FILES_PATH
        self._storage = storage
        self._presigned: OrderedDict[tuple[str, int], str] = OrderedDict()

    def url(self, file_id: str, blob_key: str, *, now: datetime, hours: int = 1) -> str:
        """A URL valid for `hours` to one hour more, and the same whenever it is asked for within an hour.

        Root-relative, absolute with PUBLIC_URL; for S3 the bucket's (at most 7 days), for which StorageError may be
        raised.
        """
        expires = expiry(now, hours)
        cached = self._presigned.get((blob_key, expires))
        if cached is not None:
            return cached
        url = self._storage.presigned(blob_key, timedelta(seconds=expires - int(now.timestamp())))
        if url is None:
            return f"{self._start}{file_id}?{self._signer.query(file_id, expires)}"
        self._presigned[blob_key, expires] = url
        if len(self._presigned) > MAX_PRESIGNED:
            self._presigned.popitem(last=False)
        return url

    def verify(self, file_id: str, expires: str | None, signature: str | None, *, now: datetime) -> None:
        """Whether a URL's query allows loading this file. Raises BadSignature."""
        self._signer.verify(file_id, expires, signature, now=now)
