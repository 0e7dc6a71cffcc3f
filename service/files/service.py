"""What may be done with files: upload, read, delete. Their bytes are blobs in the storage, their rows in the table."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import unquote_to_bytes

import asyncpg
import structlog

from schema.identifiers import is_id, new_id
from schema.models.files import FileRecord
from schema.models.problems import ProblemCode
from schema.models.tasks import Pagination
from service.cursors import cursor_pagination, cut_page, encode_place, place_behind
from service.database import Connection, Pool
from service.database.transactions import transactional
from service.files import store
from service.files.fetching import Fetcher
from service.files.judging import judge
from service.files.receiving import cleaned_purpose, receive
from service.files.spooling import Received
from service.files.storage import Storage
from service.files.store import NewFile
from service.refusals import Refused
from service.storage_errors import StorageError

PUT_WITHIN = 10.0
"""Seconds that the storage gets for an upload, and more for a large one: then its sender is told to come back."""
SLOWEST_PUT = 250_000
"""Bytes a second."""

LONGEST_ADDRESS = 500
UPLOAD = re.compile(r"/uploads/(?:[^/]+/)*((?:file|img)_[A-Za-z0-9_-]{1,45})(?:\.[A-Za-z0-9]+)?", re.ASCII)
"""An upload's old path: it is named after its id, wherever it lies."""

log = structlog.get_logger(__name__)


def blob_key_of(file_id: str) -> str:
    """Where a new file's bytes go: spread over a thousand folders by the random end of the id."""
    return f"{file_id[-2:]}/{file_id}"


def old_addresses(raw_path: bytes) -> list[str]:
    """A path as it is written and as it is meant, if it is text that can be looked up; none otherwise."""
    try:
        found = [raw_path.decode(), unquote_to_bytes(raw_path).decode()]
    except UnicodeDecodeError:
        return []
    return [] if "\0" in found[-1] or len(raw_path) > 3 * LONGEST_ADDRESS else list(dict.fromkeys(found))


class FileService:
    """Files and their blobs, kept in step: a row is written after its blob, a blob removed after its row."""

    def __init__(
        self,
        pool: Pool,
        storage: Storage,
        *,
        max_bytes: int,
        max_pixels: int,
        max_stored: int = 0,
        directory: Path | None = None,
        accel_redirect: str | None = None,
        allow_private: bool = False,
    ) -> None:
        """`max_stored` bytes may a user's uploads take up; 0 is off. See `accelerated`.

        `allow_private`: uploads may be fetched from private addresses.
        """
        self._pool = pool
        self._storage = storage
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._max_stored = max_stored
        self._directory = directory
        self._fetcher = Fetcher(allow_private=allow_private, max_bytes=max_bytes, directory=directory)
        self._accel_redirect = accel_redirect if storage.is_directory else None

    async def upload(self, user_id: str, chunks: AsyncIterator[bytes], content_type: str) -> FileRecord:
        """Receive a multipart form, judge its image by content, and keep it.

        Raises:
            Refused: INVALID_REQUEST, FILE_TOO_LARGE, INVALID_FILE_TYPE, INVALID_IMAGE, STORAGE_QUOTA_EXCEEDED;
                UNAUTHORIZED when the account was erased meanwhile; nothing is kept then.
            StorageError: The storage is away.
        """
        async with receive(chunks, content_type, max_bytes=self._max_bytes, directory=self._directory) as received:
            new = await self._stored(user_id, received)
        return await self._recorded(user_id, new)

    async def fetch(self, user_id: str, url: str, purpose: str | None) -> FileRecord:
        """Likewise, with what is at an address.

        Raises:
            Refused: as `upload`, and URL_NOT_ALLOWED, URL_UNREACHABLE, RATE_LIMITED.
            StorageError: The storage is away.
        """
        async with self._fetcher.fetch(user_id, url, cleaned_purpose(purpose)) as received:
            new = await self._stored(user_id, received)
        return await self._recorded(user_id, new)

    async def close(self) -> None:
        """Let connections go."""
        await self._fetcher.close()

    async def _stored(self, user_id: str, received: Received) -> NewFile:
        """What came, judged and in the storage; its row is still to be written."""
        facts = await asyncio.to_thread(judge, received.path, max_pixels=self._max_pixels)
        file_id = new_id("file")
        new = NewFile(
            file_id=file_id,
            user_id=user_id,
            task_id=None,
            purpose=received.purpose,
            filename=received.filename,
            blob_key=blob_key_of(file_id),
            sha256=received.sha256,
            content_type=facts.content_type,
            size=received.size,
            width=facts.width,
            height=facts.height,
        )
        async with self._pool.acquire() as connection:
            await self._demand_room(connection, user_id, more=new.size)
            await store.expect_blobs(connection, [new.blob_key])
        await self._put(new, received.path)
        return new

    async def _recorded(self, user_id: str, new: NewFile) -> FileRecord:
        try:
            record = await transactional(self._record)(self._pool, new)
        except asyncpg.ForeignKeyViolationError:
            await self._drop(new.blob_key)
            raise Refused(ProblemCode.UNAUTHORIZED, "This account has been deleted.") from None
        except Refused:
            await self._drop(new.blob_key)
            raise
        log.info("file uploaded", user_id=user_id, file_id=new.file_id, size=new.size, content_type=new.content_type)
        return record

    async def _record(self, connection: Connection, new: NewFile) -> FileRecord:
        """Write the row of a file whose blob is stored, and keep the blob."""
        record = await store.add_file(connection, new)
        # The look before spared the storage; this one is exact, with what others added meanwhile.
        await self._demand_room(connection, new.user_id or "")
        await store.keep_blobs(connection, [new.blob_key])
        return record

    async def _demand_room(self, connection: Connection, user_id: str, *, more: int = 0) -> None:
        """Raises Refused: STORAGE_QUOTA_EXCEEDED when the user's uploads and `more` bytes take up too much."""
        if not self._max_stored:
            return
        stored = await store.stored_bytes(connection, user_id)
        if stored + more > self._max_stored:
            raise Refused(
                ProblemCode.STORAGE_QUOTA_EXCEEDED,
                f"Your uploads may take up {self._max_stored:,} bytes, and this one is beyond that. Delete some first.",
                field="file",
            )

    async def _drop(self, blob_key: str) -> None:
        """What was stored is wanted by nobody: let a chore remove it now."""
        async with self._pool.acquire() as connection:
            await store.drop_blobs(connection, [blob_key])

    async def _put(self, new: NewFile, path: Path) -> None:
        """Put an upload into the storage, whose own patience is longer than a client's.

        What is written after all, when nobody waits any more, was noted before, and is removed by a chore.
        """
        try:
            async with asyncio.timeout(PUT_WITHIN + new.size / SLOWEST_PUT):
                await self._storage.put(new.blob_key, path, new.content_type)
        except TimeoutError as error:
            raise StorageError(f"{self._storage.name} takes too long to store an upload", transient=True) from error

    async def find(self, file_id: str, *, user_id: str | None) -> FileRecord:
        """A file: this user's, or anybody's for whoever brought a valid signature (None).

        Raises:
            Refused: FILE_NOT_FOUND, another user's file included.
        """
        record = None
        if is_id(file_id):
            async with self._pool.acquire() as connection:
                if user_id is None:
                    record = await store.get_file(connection, file_id)
                else:
                    record = await store.get_users_file(connection, user_id, file_id)
        if record is None:
            raise not_found(file_id)
        return record

    async def find_brought(self, user_id: str, raw_path: bytes) -> FileRecord:
        """This user's file that the system before this one served under a path; see `old_addresses`.

        Raises:
            Refused: FILE_NOT_FOUND, another user's file included.
        """
        addresses = old_addresses(raw_path)
        record = None
        if addresses:
            upload = UPLOAD.fullmatch(addresses[-1])
            async with self._pool.acquire() as connection:
                record = await store.find_brought(connection, user_id, addresses, upload[1] if upload else None)
        if record is None:
            raise Refused(ProblemCode.FILE_NOT_FOUND, "You have no file that was once at this address.")
        return record

    async def records(self, user_id: str, file_ids: Sequence[str]) -> dict[str, FileRecord]:
        """Those of these files that are the user's and are still there, by id."""
        async with self._pool.acquire() as connection:
            return {one.file_id: one for one in await store.get_users_files(connection, user_id, file_ids)}

    async def list_files(
        self, user_id: str, *, cursor: str | None, page_size: int
    ) -> tuple[list[FileRecord], Pagination]:
        """A page of a user's files, newest first, uploads and results.

        Raises:
            Refused: INVALID_REQUEST for a cursor that isn't one.
        """
        after = place_behind(cursor, "file")
        async with self._pool.acquire() as connection:
            # One row more than asked tells whether there is a next page.
            found = await store.list_files(connection, user_id, after, page_size + 1)
        page, next_cursor = cut_page(found, page_size, lambda file: encode_place(file.uploaded_at, file.file_id))
        return page, cursor_pagination(page_size, next_cursor)

    def accelerated(self, record: FileRecord) -> str | None:
        """The internal address at which nginx, in front of us, has the file's bytes; None: they are to be sent here."""
        if self._accel_redirect is None:
            return None
        return f"{self._accel_redirect.rstrip('/')}/{record.blob_key}"

    async def read(self, record: FileRecord, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to and without `end`, in chunks."""
        return await self._storage.read(record.blob_key, start, end)

    async def delete(self, user_id: str, file_id: str) -> None:
        """Delete a file; its blob follows.

        Raises:
            Refused: FILE_NOT_FOUND; FILE_IN_USE while an unfinished task needs it.
        """
        in_use = await delete_unused(self._pool, user_id, file_id) if is_id(file_id) else None
        if in_use is None:
            raise not_found(file_id)
        if in_use:
            raise Refused(
                ProblemCode.FILE_IN_USE, "A task that hasn't ended uses this file. Cancel it, or wait for its end."
            )


@transactional
async def delete_unused(connection: Connection, user_id: str, file_id: str) -> bool | None:
    """Delete a file unless an unfinished task uses it: then True. None when there is no such file.

    With the row locked no task can begin to use it, and one that has just begun is seen by the next look.
    """
    if not await store.lock_file(connection, user_id, file_id):
        return None
    in_use = await store.file_is_in_use(connection, user_id, file_id)
    if not in_use:
        await store.delete_file(connection, user_id, file_id)
    return in_use


def not_found(file_id: str) -> Refused:
    """The same for files that don't exist and for other users' files."""
    return Refused(ProblemCode.FILE_NOT_FOUND, f"You have no file {file_id[:64]!r}.")
