"""Where the bytes lie: a local directory or an S3 bucket behind one interface."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, cast

import obstore
from msgspec import Struct
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from service.files.bucket import CLIENT, OPTIONS, RETRIES
from service.files.local import Digest, bring_out, digest_of, put_locally, read_piece, remove_halves
from service.storage_errors import BlobNotFound, DirectoryMissing, StorageError
from service.urls.splitting import NotAUrl
from service.urls.storage import TAKES, Bucket, Directory, read_storage_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

READ_AT_ONCE: Final = 1 << 20
"""Bytes of one chunk, and of one request: a slow reader holds no connection to the store open."""
_DOWNLOAD_AT_ONCE: Final = 8 << 20
_PUT_AT_ONCE_S3: Final = 5 << 20
"""Larger files go up in parts of this size, one after the other; S3 takes no smaller ones."""

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
_MAX_KEY = 512
_CHECK_SECONDS = 15
_CACHE_CONTROL = "private, max-age=3600, immutable"


class Blob(Struct, frozen=True):
    """What is to be stored under a key. `movable`: nobody else wants the file, which may be gone then."""

    key: str
    content: Path | bytes
    content_type: str
    movable: bool = False


class Storage:
    """Blobs under keys like `ab/cdef.jpg`, written once. Safe to share between tasks of one event loop.

    Every method raises StorageError; those that read raise BlobNotFound when there is nothing under the key.
    """

    def __init__(self, store: LocalStore | S3Store, name: str, root: Path | None) -> None:
        self.name = name
        """Where the blobs lie, for people: the URL without anything secret."""
        self.doubtful = False
        """Whether something couldn't be written, and nobody has looked since (`check`)."""
        self._store, self._root = store, root

    @property
    def is_directory(self) -> bool:
        """Whether the blobs are files of this machine."""
        return self._root is not None

    @classmethod
    def open(cls, url: str, options: Mapping[str, str] | None = None) -> Self:
        """Open `file:///directory` or `s3://bucket/prefix`.

        `options` are AWS_* variables that win over the process's environment. No connection is made: see `check`.
        """
        place = _place_of(url)
        if isinstance(place, Directory):
            return cls._open_directory(place.path)
        return cls._open_bucket(place, {**os.environ, **(options or {})})

    @classmethod
    def made(cls, url: str, options: Mapping[str, str] | None = None) -> Self:
        """Open it, and make the directory if it isn't there."""
        place = _place_of(url)
        if isinstance(place, Directory):
            try:
                place.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f"{place.path} can't be used: {_reason(error)}", transient=False) from error
        return cls.open(url, options)

    @classmethod
    def _open_directory(cls, root: Path) -> Self:
        try:
            if not root.exists():
                raise DirectoryMissing(root)
            if not root.is_dir():
                raise StorageError(f"{root} is no directory: correct STORAGE_URL", transient=False)
            store = LocalStore(prefix=root)
        except (OSError, ValueError, BaseError) as error:
            raise StorageError(f"{root} can't be used: {_reason(error)}", transient=False) from error
        return cls(store, root.as_uri(), root)

    @classmethod
    def _open_bucket(cls, bucket: Bucket, environ: Mapping[str, str]) -> Self:
        # Deleting one by one: the bulk request is unknown to some S3 servers, and we delete single keys anyway.
        config = {"disable_bulk_delete": "true"}
        config |= {option: environ[name] for name, option in OPTIONS.items() if environ.get(name)}
        if wrong := [name for name in OPTIONS if not environ.get(name, "").isprintable()]:
            raise StorageError(f"{wrong[0]} isn't printable text", transient=False)
        endpoint = config.get("endpoint", "https://")
        # The library panics on an address it can't parse.
        if "endpoint" in config and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._/-]*)?", endpoint):
            raise StorageError("AWS_ENDPOINT_URL takes http(s)://host:port", transient=False)
        client: ClientConfig = {**CLIENT, "allow_http": endpoint.startswith("http://")}
        name = f"s3://{bucket.name}/{bucket.prefix}".rstrip("/")
        try:
            if environ.get("AWS_CA_BUNDLE"):
                client["root_certificate"] = Path(environ["AWS_CA_BUNDLE"]).read_bytes()
            store = S3Store(
                bucket.name,
                prefix=bucket.prefix or None,
                config=cast("S3Config", config),
                client_options=client,
                retry_config=RETRIES,
            )
        except (OSError, ValueError, BaseError) as error:
            raise StorageError(f"{name} can't be used: check the AWS_* variables", transient=False) from error
        return cls(store, name, None)

    async def put(self, key: str, path: Path, content_type: str) -> None:
        """Store a file. It is seen whole or not at all; what was under the key is replaced."""
        await self.put_all([Blob(key, path, content_type)])

    async def put_bytes(self, key: str, data: bytes, content_type: str) -> None:
        """Store a few bytes, like `put`."""
        await self.put_all([Blob(key, data, content_type)])

    async def put_all(self, blobs: Sequence[Blob]) -> list[Digest]:
        """Store several, like `put`; those before one that fails stay."""
        keys = [_checked(blob.key) for blob in blobs]
        try:
            with self._translated(", ".join(keys)):
                if self._root is not None:
                    return await asyncio.to_thread(_put_all_locally, self._root, blobs)
                digests = [await asyncio.to_thread(digest_of, blob.content) for blob in blobs]
                for blob in blobs:
                    await obstore.put_async(
                        self._store,
                        blob.key,
                        blob.content,
                        attributes={"Content-Type": blob.content_type, "Cache-Control": _CACHE_CONTROL},
                        chunk_size=_PUT_AT_ONCE_S3,
                        max_concurrency=1,
                    )
                return digests
        except BlobNotFound as error:
            raise StorageError(f"{self.name}: the file to store isn't there", transient=False) from error
        except StorageError:
            self.doubtful = True
            raise

    async def size(self, key: str) -> int:
        """Bytes stored under a key."""
        with self._translated(key):
            return (await obstore.head_async(self._store, _checked(key)))["size"]

    async def exists(self, key: str) -> bool:
        """Whether anything is stored under a key."""
        try:
            await self.size(key)
        except BlobNotFound:
            return False
        return True

    async def read(self, key: str, start: int | None = None, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `end` in bounded chunks: `async for chunk in await storage.read(key)`.

        A range that reaches past the end stops there. Whether the blob is there is known before the first chunk.
        """
        start = max(start or 0, 0)
        if self._root is not None:
            stop, first = await asyncio.to_thread(self._piece, self._root, key, start, end)
            return self._pieces(self._root, key, start, stop, first)
        size = await self.size(key)
        return self._chunks(key, start, size if end is None else min(end, size), READ_AT_ONCE)

    def _piece(self, root: Path, key: str, start: int, end: int | None) -> tuple[int, bytes]:
        with self._translated(key):
            return read_piece(root / _checked(key), start, end, READ_AT_ONCE)

    async def _pieces(self, root: Path, key: str, start: int, stop: int, piece: bytes) -> AsyncIterator[bytes]:
        """The first piece, and what follows it."""
        while start < stop:
            if not piece:
                raise StorageError(f"{key} in {self.name} changed while it was read", transient=True)
            yield piece
            start += len(piece)
            if start < stop:
                _, piece = await asyncio.to_thread(self._piece, root, key, start, stop)

    async def _chunks(self, key: str, start: int, end: int, at_once: int) -> AsyncIterator[bytes]:
        for position in range(start, end, at_once):
            with self._translated(key):
                stop = min(position + at_once, end)
                chunk = await obstore.get_range_async(self._store, key, start=position, end=stop)
            if len(chunk) != stop - position:
                raise StorageError(f"{key} in {self.name} changed while it was read", transient=True)
            yield chunk.to_bytes()

    async def download(self, key: str, path: Path) -> None:
        """Get a blob as a local file, whole or not at all. To read only: it may be the storage's own."""
        await self.download_all([(key, path)])

    async def download_all(self, wanted: Sequence[tuple[str, Path]], *, into: Sequence[Path] = ()) -> None:
        """Get several, each key at its path, like `download`; those before one that fails stay.

        `into`: directories to make before, for ourselves alone, in the same thread. Raises OSError if that can't be.
        """
        if self._root is not None:
            await asyncio.to_thread(self._bring_all, self._root, wanted, into)
            return
        await asyncio.to_thread(_make, into)
        for key, path in wanted:
            await self._download(key, path)

    def _bring_all(self, root: Path, wanted: Sequence[tuple[str, Path]], into: Sequence[Path]) -> None:
        _make(into)
        for key, path in wanted:
            with self._translated(key):
                bring_out(root / _checked(key), path)

    async def _download(self, key: str, path: Path) -> None:
        try:
            with self._translated(key):
                file = await asyncio.to_thread(path.open, "wb")
            with file:
                async for chunk in self._chunks(key, 0, await self.size(key), _DOWNLOAD_AT_ONCE):
                    with self._translated(key):
                        await asyncio.to_thread(file.write, chunk)
        except BaseException:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - awaiting a thread could be cancelled once more
            raise

    async def delete(self, key: str) -> None:
        """Delete what is under a key; nothing there is fine."""
        try:
            with self._translated(key):
                await obstore.delete_async(self._store, _checked(key))
        except BlobNotFound:
            if self._root is not None:
                with self._translated(key):
                    await asyncio.to_thread(remove_halves, self._root, key)

    async def check(self) -> None:
        """Write, read and delete a probe. Raises StorageError with the reason, within seconds."""
        # No directory of its own, which would stay behind.
        key, probe = f"_probe-{secrets.token_hex(8)}", secrets.token_bytes(32)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self.put_bytes(key, probe, "application/octet-stream")
                found = b"".join([chunk async for chunk in await self.read(key)])
                await self.delete(key)
        except TimeoutError as error:
            raise StorageError(f"{self.name} doesn't answer within {_CHECK_SECONDS} s", transient=True) from error
        if found != probe:
            raise StorageError(f"{self.name} doesn't give back what was written", transient=False)
        self.doubtful = False

    @property
    def presigns(self) -> bool:
        """Whether it has URLs of its own (`presigned`)."""
        return isinstance(self._store, S3Store)

    def presigned(self, key: str, expires_in: timedelta) -> str:
        """An absolute URL from which anyone can load the blob for a while; of a storage that `presigns`."""
        assert isinstance(self._store, S3Store)  # noqa: S101 - who asks looks at that first
        with self._translated(key):
            return obstore.sign(self._store, "GET", _checked(key), expires_in)

    @contextmanager
    def _translated(self, key: str) -> Generator[None]:
        """Make a StorageError of whatever the library raises, which may be a panic of its own kind."""
        try:
            yield
        except StorageError:
            raise
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StorageError(f"{self.name}: the bucket doesn't exist", transient=False) from error
            if self._root is not None and not self._root.is_dir():
                # A volume that isn't mounted: nothing of it is lost.
                raise StorageError(f"{self.name}: the directory isn't there", transient=True) from error
            raise BlobNotFound(key) from error
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            hint = "" if self._root else ": check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do"
            raise StorageError(f"{self.name}: access denied{hint}", transient=False) from error
        except Exception as error:
            # A refusal (4xx) stays one; timeouts, 5xx and broken connections may be over in a minute.
            transient = re.search(r"status code: 4\d\d", str(error)) is None
            raise StorageError(f"{self.name}: {_reason(error)}", transient=transient) from error


def _place_of(url: str) -> Directory | Bucket:
    try:
        return read_storage_url(url)
    except NotAUrl:
        raise StorageError(f"STORAGE_URL takes {TAKES}", transient=False) from None


def _checked(key: str) -> str:
    """The key, when it can't lead out of the root. Raises StorageError."""
    if len(key) > _MAX_KEY or not _KEY.fullmatch(key):
        raise StorageError("this isn't a storage key", transient=False)
    return key


def _reason(error: Exception) -> str:
    """What can be told of a foreign error: the operating system's words or the server's status, never the request."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if found := re.search(r"([A-Za-z ]+) \(os error \d+\)", text):
        return found[1].strip()
    if found := re.search(r"status code: (\d{3} [A-Za-z ]+)", text):
        return f"the server answered {found[1]}"
    return "the server can't be reached" if "error sending request" in text else "an unexpected error"


def _make(directories: Sequence[Path]) -> None:
    for directory in directories:
        directory.mkdir(mode=0o700)


def _put_all_locally(root: Path, blobs: Sequence[Blob]) -> list[Digest]:
    """All of it in one thread: each hop to another costs more than a small file."""
    return [put_locally(root, blob.key, blob.content, movable=blob.movable) for blob in blobs]
