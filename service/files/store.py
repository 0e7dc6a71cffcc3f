"""A typed function per statement of `schema/queries/files.sql`. They take a connection and open no transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from schema.models.files import FileRecord
from service.database import Connection
from service.database.statements import load_queries

QUERIES = load_queries("files")

BLOB_GRACE = timedelta(hours=1)
"""How long a blob may be on its way before its file is recorded."""


class NewFile(Struct, frozen=True, kw_only=True):
    """A file whose blob is stored and whose row is about to be written."""

    file_id: str
    user_id: str | None
    task_id: str | None
    purpose: str | None
    filename: str
    blob_key: str
    sha256: str
    content_type: str
    size: int
    width: int
    height: int


class OldUpload(Struct, frozen=True):
    """A file, whose it is, and since when: where the next page begins."""

    file_id: str
    user_id: str
    uploaded_at: datetime


class DueBlob(Struct, frozen=True):
    """A blob to be removed, and where the next page begins."""

    blob_key: str
    due_at: datetime


async def expect_blobs(connection: Connection, blob_keys: Sequence[str], *, grace: timedelta = BLOB_GRACE) -> None:
    """Before blobs are written: note them, so that they go if their files are never recorded."""
    await QUERIES["expect_blob"].run(connection, blob_keys=blob_keys, grace=grace)


async def keep_blobs(connection: Connection, blob_keys: Sequence[str]) -> None:
    """Their files are recorded, in this transaction."""
    await QUERIES["keep_blobs"].run(connection, blob_keys=blob_keys)


async def drop_blobs(connection: Connection, blob_keys: Sequence[str]) -> None:
    """Their files will never be recorded: let a chore remove them now."""
    await QUERIES["drop_blobs"].run(connection, blob_keys=blob_keys)


async def add_file(connection: Connection, new: NewFile) -> FileRecord:
    record = await QUERIES["add_file"].row(connection, FileRecord, **structs.asdict(new))
    assert record is not None  # noqa: S101 - an INSERT without ON CONFLICT answers its row or raises
    return record


async def stored_bytes(connection: Connection, user_id: str) -> int:
    """What a user's uploads take up."""
    return await QUERIES["stored_bytes"].value(connection, user_id=user_id)


async def list_files(
    connection: Connection, user_id: str, after: tuple[datetime, str] | None, limit: int
) -> list[FileRecord]:
    """A user's files, newest first: those after a time of uploading and an id, or the newest."""
    if after is None:
        return await QUERIES["list_files"].rows(connection, FileRecord, user_id=user_id, limit=limit)
    return await QUERIES["list_files_after"].rows(
        connection, FileRecord, user_id=user_id, uploaded_at=after[0], file_id=after[1], limit=limit
    )


async def get_file(connection: Connection, file_id: str) -> FileRecord | None:
    """For whoever brings a signed URL."""
    return await QUERIES["get_file"].row(connection, FileRecord, file_id=file_id)


async def get_users_file(connection: Connection, user_id: str, file_id: str) -> FileRecord | None:
    """The file, if it is this user's."""
    return await QUERIES["get_users_file"].row(connection, FileRecord, user_id=user_id, file_id=file_id)


async def find_brought(
    connection: Connection, user_id: str, addresses: Sequence[str], file_id: str | None
) -> FileRecord | None:
    """This user's file that came along from the system before this one, from one of these addresses or of this id."""
    return await QUERIES["find_brought"].row(
        connection, FileRecord, user_id=user_id, addresses=addresses, file_id=file_id
    )


async def lock_file(connection: Connection, user_id: str, file_id: str) -> bool:
    return await QUERIES["lock_file"].value(connection, user_id=user_id, file_id=file_id) is not None


async def file_is_in_use(connection: Connection, user_id: str, file_id: str) -> bool:
    """Whether an unfinished task of this user needs it."""
    return await QUERIES["file_is_in_use"].value(connection, user_id=user_id, file_id=file_id)


async def delete_file(connection: Connection, user_id: str, file_id: str) -> None:
    await QUERIES["delete_file"].run(connection, user_id=user_id, file_id=file_id)


async def delete_results(connection: Connection, user_id: str, task_id: str, *, inputs: Sequence[str]) -> None:
    """What a deleted task leaves: its results, and others' that were kept only as its inputs."""
    await QUERIES["delete_results"].run(connection, user_id=user_id, task_id=task_id, inputs=inputs)


async def get_users_files(connection: Connection, user_id: str, file_ids: Sequence[str]) -> list[FileRecord]:
    return await QUERIES["get_users_files"].rows(connection, FileRecord, user_id=user_id, file_ids=file_ids)


async def due_blobs(connection: Connection, limit: int, *, after: DueBlob | None = None) -> list[DueBlob]:
    return await QUERIES["due_blobs"].rows(
        connection,
        DueBlob,
        limit=limit,
        after_due_at=after and after.due_at,
        after_blob_key=after and after.blob_key,
    )


async def referred_blobs(connection: Connection, blob_keys: Sequence[str]) -> frozenset[str]:
    return frozenset(await QUERIES["referred_blobs"].column(connection, blob_keys=blob_keys))


async def expired_uploads(
    connection: Connection,
    *,
    retention: timedelta,
    limit: int,
    after: OldUpload | None = None,
    now: datetime | None = None,
) -> list[OldUpload]:
    return await QUERIES["expired_uploads"].rows(
        connection,
        OldUpload,
        retention=retention,
        limit=limit,
        after_uploaded_at=after and after.uploaded_at,
        after_file_id=after and after.file_id,
        after_user_id=after and after.user_id,
        now=now,
    )
