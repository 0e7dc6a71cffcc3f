"""Blobs without a file, and uploads past their time."""

from collections.abc import Sequence
from datetime import timedelta

from service.database import Connection, Pool
from service.files import store
from service.files.service import delete_unused
from service.files.storage import Storage
from service.sparing import Sparing
from service.storage_errors import StorageError

TRY_AGAIN_AFTER = timedelta(minutes=5)
"""When a blob that could not be removed is tried again."""


async def sweep_blobs(pool: Pool, storage: Storage, *, limit: int) -> int:
    """Remove blobs that are due and that no file refers to, in pages of `limit`; how many notes were settled."""
    sparing = Sparing(pool, "blobs")
    settled = 0
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.due_blobs(connection, limit, after=last)
            referred = await store.referred_blobs(connection, [due.blob_key for due in page])
        kept, put_off = await _remove(sparing, storage, [due.blob_key for due in page], referred)
        await sparing.together(kept, str, store.keep_blobs)
        await sparing.together(put_off, str, _put_off)
        settled += len(kept)
        if len(page) < limit:
            return settled
        last = page[-1]


async def _remove(
    sparing: Sparing, storage: Storage, due: list[str], referred: frozenset[str]
) -> tuple[list[str], list[str]]:
    """Those that are settled, and those that are to be tried again later.

    Raises:
        StorageError: The whole storage is away; what was removed so far is found removed in the next round.
    """
    settled: list[str] = []
    put_off: list[str] = []
    for blob_key in due:
        try:
            if blob_key not in referred:
                await storage.delete(blob_key)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other blobs are removed
            if isinstance(error, StorageError):
                await storage.check()
            await sparing.pass_over(blob_key, error)
            put_off.append(blob_key)
        else:
            settled.append(blob_key)
    return settled, put_off


async def _put_off(connection: Connection, blob_keys: Sequence[str]) -> None:
    await store.expect_blobs(connection, blob_keys, grace=TRY_AGAIN_AFTER)


async def sweep_uploads(pool: Pool, *, retention: timedelta, limit: int) -> int:
    """Delete uploads that old which no unfinished task needs, in pages of `limit`; how many were looked at."""
    sparing = Sparing(pool, "old uploads")
    seen = 0
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.expired_uploads(connection, retention=retention, limit=limit, after=last)
        for file in page:
            async with sparing.alone(file.file_id) as connection:
                await delete_unused(connection, file.user_id, file.file_id)
        seen += len(page)
        if len(page) < limit:
            return seen
        last = page[-1]
