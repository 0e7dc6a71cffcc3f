"""The mark of a storage: an object in it that the database knows by name, so that no other is taken for it.

Two hosts with directories of their own, a bucket mistyped, the empty directory below a volume that isn't mounted: all
can be read and written, and in none of them are the files.
"""

from collections.abc import Mapping
from secrets import token_hex

import structlog

from service.database import Connection
from service.database.statements import load_queries
from service.files.storage import Storage
from service.storage_errors import StorageError

QUERIES = load_queries("processes")

PREFIX = "_darkroom-"
"""What the mark's key begins with, and no file's."""

LOOKED_AT = 20
"""How many files are looked for where there is no mark."""

log = structlog.get_logger(__name__)


class WrongStorage(StorageError):  # noqa: N818 - an answer rather than a failure
    """The storage isn't the one that this database's files are in."""

    def __init__(self, storage: str, mark: str) -> None:
        super().__init__(
            f"{storage} isn't the storage that this database's files are in: {key_of(mark)} is missing there. "
            f"Mount it, or correct STORAGE_URL; to go on with this one, put an object of that name into it",
            transient=False,
        )


def key_of(mark: str) -> str:
    """Where the mark lies in the storage."""
    return f"{PREFIX}{mark}"


async def current_mark(connection: Connection) -> str | None:
    """The mark of the storage that this database's files are in; None until a first one was used."""
    return await QUERIES["storage_mark"].value(connection)


async def never_used(connection: Connection) -> bool:
    """Whether this database knows of no file and has never had a storage."""
    return await QUERIES["storage_never_used"].value(connection)


async def open_storage(connection: Connection, url: str, options: Mapping[str, str]) -> Storage:
    """The storage at this URL. A directory is made for a database that never used any, and never again.

    Raises:
        StorageError: It isn't there. Under a mount point an empty one would hide that its volume is missing.
    """
    if await never_used(connection):
        return Storage.made(url, options)
    return Storage.open(url, options)


async def settle(connection: Connection, storage: Storage, *, may_move: bool) -> str:
    """See to it that this is the storage with the files in it, and leave the mark in a new one.

    `may_move`: while no file is known, another storage may take the place of the one before.

    Raises:
        WrongStorage: It isn't.
        StorageError: It doesn't answer.
    """
    mark = await current_mark(connection)
    if mark is not None and await storage.exists(key_of(mark)):
        return mark
    known = await QUERIES["newest_files"].column(connection, limit=LOOKED_AT)
    there = [await storage.exists(blob_key) for blob_key in known]
    if mark is None and (not known or any(there)):
        return await _marked_first(connection, storage)
    if mark is None:
        mark = await _kept(connection, token_hex(8))
    elif known and all(there):
        # Copied or restored file by file: all that is missing is the mark.
        await _put(storage, mark)
        return mark
    elif not known and may_move:
        return await _moved(connection, storage, mark)
    raise WrongStorage(storage.name, mark)


async def _marked_first(connection: Connection, storage: Storage) -> str:
    """Two processes may come here at once: the first whose mark the database keeps has put it into the storage."""
    ours = token_hex(8)
    await _put(storage, ours)
    kept = await _kept(connection, ours)
    if kept != ours:
        await storage.delete(key_of(ours))
        if not await storage.exists(key_of(kept)):
            raise WrongStorage(storage.name, kept)
    return kept


async def _moved(connection: Connection, storage: Storage, old: str) -> str:
    new = token_hex(8)
    await _put(storage, new)
    await QUERIES["replace_storage_mark"].run(connection, mark=new, old=old)
    log.info("no file is known yet: they will be in another storage", storage=storage.name)
    kept = await current_mark(connection)
    if kept is None or kept != new:
        raise WrongStorage(storage.name, kept or new)
    return new


async def _kept(connection: Connection, mark: str) -> str:
    await QUERIES["keep_storage_mark"].run(connection, mark=mark)
    return await current_mark(connection) or mark


async def _put(storage: Storage, mark: str) -> None:
    await storage.put_bytes(key_of(mark), b"The files of a Darkroom are here.\n", "text/plain")
