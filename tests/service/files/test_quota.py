"""The bytes of a user's uploads: counted exactly, whoever adds and removes files at once, and bounded by the quota."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schema.models.files import FileRecord
from schema.models.problems import ProblemCode
from service.accounts.users import erase_user
from service.database import Connection, Pool
from service.files import store
from service.files.service import FileService
from service.files.storage import Storage
from service.refusals import Refused
from tests import lives
from tests.factories import add_file
from tests.service.files.test_receiving import FORM, form, part, pieces
from tests.service.http.pictures import jpeg

PHOTO = jpeg()
ROOM_FOR = 7


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


def library(pool: Pool, directory: Path, *, max_stored: int = ROOM_FOR * len(PHOTO)) -> FileService:
    storage = Storage.made((directory / "files").as_uri())
    return FileService(pool, storage, max_bytes=10**6, max_pixels=10**6, max_stored=max_stored)


@pytest.fixture
def files(pool: Pool, tmp_path: Path) -> FileService:
    """Files, of which a user may have seven."""
    return library(pool, tmp_path)


async def upload(files: FileService, user_id: str) -> FileRecord:
    return await files.upload(user_id, pieces(form(part("file", PHOTO, filename="a.jpg"))), FORM)


async def refused(files: FileService, user_id: str) -> None:
    with pytest.raises(Refused) as caught:
        await upload(files, user_id)
    assert caught.value.code is ProblemCode.STORAGE_QUOTA_EXCEEDED


async def assert_counted(connection: Connection) -> None:
    """Every user's count is the sum of their uploads, and nobody without any has one."""
    sums = await connection.fetch(
        "SELECT user_id, sum(size)::bigint FROM files WHERE task_id IS NULL AND user_id IS NOT NULL GROUP BY user_id"
    )
    counts = await connection.fetch("SELECT user_id, bytes FROM stored_bytes")
    assert {tuple(row) for row in counts} == {tuple(row) for row in sums}


async def test_the_quota_is_exact_when_uploads_come_at_once(
    files: FileService, connection: Connection, user_id: str
) -> None:
    answers = await asyncio.gather(*(upload(files, user_id) for _ in range(20)), return_exceptions=True)
    kept = [answer for answer in answers if isinstance(answer, FileRecord)]
    codes = {answer.code for answer in answers if isinstance(answer, Refused)}
    assert (len(kept), len(answers), codes) == (ROOM_FOR, 20, {ProblemCode.STORAGE_QUOTA_EXCEEDED})
    assert await store.stored_bytes(connection, user_id) == ROOM_FOR * len(PHOTO)
    await assert_counted(connection)
    # What was written for nothing goes at the next sweep, not in an hour.
    assert await connection.fetchval("SELECT count(*) FROM blob_removals WHERE due_at > now()") == 0


async def test_a_byte_too_many_is_refused_before_it_is_stored(
    pool: Pool, tmp_path: Path, connection: Connection, user_id: str
) -> None:
    files = library(pool, tmp_path, max_stored=2 * len(PHOTO) - 1)
    await upload(files, user_id)
    await refused(files, user_id)
    assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 0
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1


async def test_deleting_gives_room_at_once(files: FileService, connection: Connection, user_id: str) -> None:
    kept = [await upload(files, user_id) for _ in range(ROOM_FOR)]
    await refused(files, user_id)
    await files.delete(user_id, kept[3].file_id)
    await upload(files, user_id)
    await refused(files, user_id)
    await assert_counted(connection)


async def test_everybody_has_a_quota_of_their_own(files: FileService, connection: Connection, user_id: str) -> None:
    other = await lives.add_user(connection)
    await asyncio.gather(*(upload(files, user) for user in (user_id, other) for _ in range(ROOM_FOR)))
    await refused(files, user_id)
    await refused(files, other)
    await assert_counted(connection)


async def test_zero_is_no_quota(pool: Pool, tmp_path: Path, user_id: str) -> None:
    files = library(pool, tmp_path, max_stored=0)
    for _ in range(ROOM_FOR + 1):
        await upload(files, user_id)


async def test_results_are_kept_whatever_the_quota_and_take_nothing_of_it(
    files: FileService, connection: Connection, user_id: str
) -> None:
    for _ in range(ROOM_FOR - 1):
        await upload(files, user_id)
    for _ in range(3):
        await add_file(connection, user_id, task_id="task_1", size=10**12)
    await upload(files, user_id)
    await refused(files, user_id)
    await add_file(connection, user_id, task_id="task_1", size=10**12)
    await assert_counted(connection)


async def test_whatever_happens_to_files_is_counted(connection: Connection) -> None:
    await connection.execute("INSERT INTO users (user_id) VALUES ('ann'), ('bob')")
    for user in ("ann", "bob", None):
        for size in (1, 20, 300):
            await add_file(connection, user, task_id=None, size=size)
    await add_file(connection, "ann", task_id="task_1", size=4000)
    await assert_counted(connection)
    for change in (
        "UPDATE files SET size = size + 7",
        "UPDATE files SET purpose = 'x'",
        "UPDATE files SET task_id = 'task_2' WHERE size = 8",
        "UPDATE files SET task_id = NULL WHERE task_id = 'task_1'",
        "UPDATE files SET user_id = 'bob' WHERE size = 27 AND user_id = 'ann'",
        "DELETE FROM files WHERE size = 27",
        "INSERT INTO files SELECT (jsonb_populate_record(f, jsonb_build_object('file_id', file_id||2))).* FROM files f",
    ):
        await connection.execute(change)
        await assert_counted(connection)
    await erase_user(connection, "ann")
    await assert_counted(connection)
    await connection.execute("DELETE FROM files")
    assert await connection.fetchval("SELECT count(*) FROM stored_bytes") == 0


async def test_uploads_deletions_and_an_erasure_at_once_leave_the_count_right(
    pool: Pool, files: FileService, connection: Connection
) -> None:
    users = [await lives.add_user(connection) for _ in range(3)]
    kept = [(user, await upload(files, user)) for user in users for _ in range(5)]

    async def erase() -> None:
        async with pool.acquire() as other:
            await erase_user(other, users[0])

    answers = await asyncio.gather(
        *(files.delete(user, record.file_id) for user, record in kept),
        *(upload(files, user) for user in users for _ in range(5)),
        erase(),
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} <= {FileRecord, Refused, type(None)}
    await assert_counted(connection)


async def test_files_are_listed_newest_first_in_pages(files: FileService, connection: Connection, user_id: str) -> None:
    other = await lives.add_user(connection)
    await add_file(connection, other)
    made = [await add_file(connection, user_id, task_id=task) for task in (None, "task_1", None, None, None)]
    # Times that are equal are told apart by the ids.
    await connection.execute(
        "UPDATE files SET uploaded_at = $1 WHERE file_id = ANY ($2)",
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        [record.file_id for record in made[:3]],
    )
    expected = [made[4].file_id, made[3].file_id, *sorted((record.file_id for record in made[:3]), reverse=True)]
    for page_size in (1, 2, 4, 5, 100):
        seen: list[str] = []
        cursor: str | None = None
        while not seen or cursor is not None:
            found, pagination = await files.list_files(user_id, cursor=cursor, page_size=page_size)
            assert len(found) <= page_size
            seen += [record.file_id for record in found]
            cursor = pagination.next_cursor
        assert seen == expected
