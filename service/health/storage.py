"""The storage: whether it can be used, and whether the files are in it that the database knows."""

from collections.abc import AsyncGenerator

from service.database import Connection
from service.files.storage import Storage, StorageError
from service.health.findings import SHOWN, Finding, named, ok, unknown, wrong
from service.settings import Settings
from service.statements import load_queries

QUERIES = load_queries("doctor")

FILES_LOOKED_AT = 200


async def storage(connection: Connection, settings: Settings) -> AsyncGenerator[Finding]:
    try:
        storage = Storage.open(settings.storage_url, settings.storage_options)
        await storage.check()
    except StorageError as error:
        yield wrong("storage", str(error), "Correct STORAGE_URL, its permissions or its credentials; make room.")
        return
    yield ok("storage", "can be written, read and deleted")
    files = await connection.fetch(QUERIES["sample_of_files"].sql, FILES_LOOKED_AT)
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
