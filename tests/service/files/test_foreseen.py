"""Notes of blobs to come: no blob without one, and none for files that nobody will make."""

import asyncio
from contextlib import ExitStack

from service.database import Connection, Pool
from service.files import foreseen
from service.files.foreseen import Foreseen
from service.files.service import blob_key_of


async def noted(connection: Connection) -> set[str]:
    return {row["blob_key"] for row in await connection.fetch("SELECT blob_key FROM blob_removals")}


async def test_one_note_is_for_all_that_are_at_work(pool: Pool, connection: Connection) -> None:
    files = Foreseen(pool)
    with ExitStack() as work:
        for _ in range(4):
            work.enter_context(files.work())
        taken = await files.take(3)
        foreseen = await noted(connection)
        assert len(foreseen) == 12
        taken += [
            file_id for several in await asyncio.gather(*(files.take(3) for _ in range(3))) for file_id in several
        ]
    assert {blob_key_of(file_id) for file_id in taken} == foreseen == await noted(connection)
    # Nobody else is at work.
    assert {blob_key_of(file_id) for file_id in await files.take(2)} == await noted(connection) - foreseen


async def test_a_note_that_is_soon_due_is_for_nobody(pool: Pool, connection: Connection) -> None:
    time = 0.0
    files = Foreseen(pool, lambda: time)
    with files.work(), files.work():
        await files.take(1)
        early = await noted(connection)
        time = foreseen.AHEAD_SECONDS
        (late,) = await files.take(1)
    assert blob_key_of(late) not in early
    assert blob_key_of(late) in await noted(connection)
