"""Blobs without a file: of crashed uploads, of thrown-away results, of deleted files."""

from actors.maintenance.ground import Ground
from service.files.sweeping import sweep_blobs


async def remove(ground: Ground) -> None:
    """Remove those that are due."""
    await sweep_blobs(ground.pool, ground.storage, limit=ground.batch)
