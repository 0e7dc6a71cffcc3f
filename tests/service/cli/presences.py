"""Processes as the doctor sees them: signed in, without being there."""

from service.database import Connection
from service.files.mark import settle
from service.files.storage import Storage
from service.presence import Kind
from service.settings import Settings


async def add_process(
    connection: Connection,
    settings: Settings,
    kind: Kind,
    *,
    storage: str | None = None,
    silent: float = 0,
    address: str | None = None,
) -> None:
    """One that signed in with the installation's storage, or with another that it was refused for."""
    mark = await settle(connection, Storage.made(settings.storage_url), may_move=False)
    await connection.execute(
        "INSERT INTO processes (process_id, kind, node, address, storage, storage_mark, seen_at) "
        "VALUES ($1, $2, 'elsewhere', $3, $4, $5, now() - make_interval(secs => $6))",
        f"{kind} {storage} {silent} {address}",
        kind,
        address,
        storage or settings.storage_url,
        None if storage else mark,
        silent,
    )
