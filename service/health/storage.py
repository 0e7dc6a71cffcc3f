"""The storage: whether it can be used, and whether the files are in it that the database knows."""

from collections.abc import AsyncGenerator

from service.database import Connection
from service.database.statements import load_queries
from service.files.mark import current_mark, key_of, never_used
from service.files.storage import Storage
from service.health.database import unheld
from service.health.findings import SHOWN, Finding, named, ok, unknown, wrong
from service.settings import Settings
from service.storage_errors import DirectoryMissing, StorageError

QUERIES = load_queries("doctor")

FILES_LOOKED_AT = 200


async def storage(connection: Connection, settings: Settings) -> AsyncGenerator[Finding]:
    """A directory that isn't there is told of, never made."""
    mark = await unheld(connection, current_mark)
    try:
        storage = Storage.open(settings.storage_url, settings.storage_options)
        if mark is not None and not await storage.exists(key_of(mark)):
            yield wrong(
                "storage",
                f"{storage.name} isn't the one that this database's files are in: {key_of(mark)} is missing there",
                "Mount the volume or correct STORAGE_URL. To go on with this one, put an object of that name into it.",
            )
            return
        await storage.check()
    except StorageError as error:
        if isinstance(error, DirectoryMissing) and await unheld(connection, never_used):
            yield unknown("storage", "nothing has been stored yet: the first start of the API makes the directory")
        else:
            yield wrong("storage", str(error), "Correct STORAGE_URL, its permissions or its credentials; make room.")
        return
    yield ok("storage", "can be written, read and deleted")
    files = await unheld(connection, lambda it: QUERIES["sample_of_files"].records(it, limit=FILES_LOOKED_AT))
    try:
        missing = [file["file_id"] for file in files if not await storage.exists(file["blob_key"])]
    except StorageError as error:
        yield unknown("files", f"the storage stopped answering: {error}")
        return
    yield named(
        "files",
        missing[:SHOWN],
        none=f"the {len(files)} that were looked for are there",
        some="not in the storage",
        remedy="Restore them from a backup, or mount the volume that STORAGE_URL means.",
    )
