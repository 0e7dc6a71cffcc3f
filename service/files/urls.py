"""Signed URLs: whoever holds one may load one file for an hour or two, in a plain `<img>`, without a token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from service.files.storage import Storage
from service.sharing.newest import Newest
from service.signing import Signer, expiry

FILES_PATH: Final = "/api/v1/files/"
MAX_PRESIGNED: Final = 10_000
"""URLs to a bucket that are remembered, so that caches see the same one within the hour; about a kilobyte each."""


class FileUrls:
    """Makes and checks the URLs of files: ours, or the bucket's own where the storage has such a thing."""

    def __init__(self, secret_keys: Sequence[str], public_url: str | None, storage: Storage) -> None:
        self._signer = Signer(secret_keys, "file")
        self._start = (public_url or "").rstrip("/") + FILES_PATH
        self._storage = storage
        self._presigned = Newest[tuple[str, int], str](MAX_PRESIGNED)

    def url(self, file_id: str, blob_key: str, *, now: datetime, hours: int = 1) -> str:
        """A URL valid for `hours` to one hour more, and the same whenever it is asked for within an hour.

        Root-relative, absolute with PUBLIC_URL; for S3 the bucket's (at most 7 days), for which StorageError may be
        raised.
        """
        expires = expiry(now, hours)
        if not self._storage.presigns:
            return f"{self._start}{file_id}?{self._signer.query(file_id, expires)}"
        cached = self._presigned.get((blob_key, expires))
        if cached is not None:
            return cached
        url = self._storage.presigned(blob_key, timedelta(seconds=expires - int(now.timestamp())))
        self._presigned.put((blob_key, expires), url)
        return url

    def verify(self, file_id: str, expires: str | None, signature: str | None, *, now: datetime) -> None:
        """Whether a URL's query allows loading this file. Raises BadSignature."""
        self._signer.verify(file_id, expires, signature, now=now)
