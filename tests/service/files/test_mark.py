"""A storage is told from any other by its mark, and a directory is made once in a database's life."""

import asyncio
from pathlib import Path

import httpx
import pytest

from service.database import Connection, Pool
from service.files.mark import WrongStorage, current_mark, key_of, open_storage, settle
from service.files.storage import Storage
from service.settings import Settings
from service.storage_errors import DirectoryMissing
from tests.factories import add_file
from tests.lives import add_user
from tests.running import run_command, running_api
from tests.service.files.conftest import OpenBucket


@pytest.fixture(params=["local", "s3"])
def two(request: pytest.FixtureRequest, tmp_path: Path, bucket: OpenBucket) -> tuple[Storage, Storage]:
    """Two storages of the same kind."""
    if request.param == "local":
        return Storage.made((tmp_path / "a").as_uri()), Storage.made((tmp_path / "b").as_uri())
    return bucket(), bucket(f"s3://photos/{tmp_path.name}/other")


async def know(connection: Connection, storage: Storage | None, *keys: str, task_id: str | None = None) -> None:
    user_id = await add_user(connection)
    for key in keys:
        await add_file(connection, user_id, blob_key=key, task_id=task_id)
        if storage is not None:
            await storage.put_bytes(key, b"photo", "image/jpeg")


async def test_the_first_storage_is_marked_and_known_again(
    connection: Connection, two: tuple[Storage, Storage]
) -> None:
    mark = await settle(connection, two[0], may_move=True)
    assert await two[0].exists(key_of(mark))
    assert await settle(connection, two[0], may_move=False) == mark == await current_mark(connection)


async def test_another_storage_is_refused(connection: Connection, two: tuple[Storage, Storage]) -> None:
    ours, other = two
    mark = await settle(connection, ours, may_move=False)
    with pytest.raises(WrongStorage, match=key_of(mark)):
        await settle(connection, other, may_move=False)
    await know(connection, ours, "aa/one")
    for may_move in (False, True):
        with pytest.raises(WrongStorage):
            await settle(connection, other, may_move=may_move)
    await other.put_bytes(key_of(mark), b"", "text/plain")
    assert await settle(connection, other, may_move=False) == mark


async def test_while_no_file_is_known_the_api_may_choose_another(
    connection: Connection, two: tuple[Storage, Storage]
) -> None:
    ours, other = two
    first = await settle(connection, ours, may_move=True)
    second = await settle(connection, other, may_move=True)
    assert second != first
    with pytest.raises(WrongStorage):
        await settle(connection, ours, may_move=False)


async def test_results_are_files_too(connection: Connection, two: tuple[Storage, Storage]) -> None:
    """Uploads may all have been deleted: an empty storage is another one nevertheless."""
    ours, other = two
    mark = await settle(connection, ours, may_move=True)
    await know(connection, ours, "aa/one", task_id="task_done")
    with pytest.raises(WrongStorage):
        await settle(connection, other, may_move=True)
    assert await settle(connection, ours, may_move=True) == mark == await current_mark(connection)


async def test_a_storage_from_before_there_were_marks_is_known_by_its_files(
    connection: Connection, two: tuple[Storage, Storage]
) -> None:
    ours, other = two
    await know(connection, ours, "aa/one", "aa/two")
    await know(connection, None, "aa/lost")
    with pytest.raises(WrongStorage):
        await settle(connection, other, may_move=True)
    mark = await current_mark(connection)
    assert mark is not None
    await ours.put_bytes(key_of(mark), b"", "text/plain")
    assert await settle(connection, ours, may_move=True) == mark


async def test_files_that_were_copied_without_the_mark(connection: Connection, two: tuple[Storage, Storage]) -> None:
    ours, copy = two
    await know(connection, ours, "aa/one", "aa/two")
    mark = await settle(connection, ours, may_move=False)
    await copy.put_bytes("aa/one", b"photo", "image/jpeg")
    with pytest.raises(WrongStorage):
        await settle(connection, copy, may_move=False)
    await copy.put_bytes("aa/two", b"photo", "image/jpeg")
    assert await settle(connection, copy, may_move=False) == mark
    assert await copy.exists(key_of(mark))


async def test_two_that_start_at_once_agree(pool: Pool, two: tuple[Storage, Storage]) -> None:
    async def start(storage: Storage) -> str:
        async with pool.acquire() as connection:
            return await settle(connection, storage, may_move=False)

    assert len(set(await asyncio.gather(*(start(two[0]) for _ in range(8))))) == 1


async def test_two_that_start_at_once_on_two_storages_do_not(pool: Pool, two: tuple[Storage, Storage]) -> None:
    async def start(storage: Storage) -> str:
        async with pool.acquire() as connection:
            return await settle(connection, storage, may_move=False)

    outcomes = await asyncio.gather(*(start(storage) for storage in two), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {str, WrongStorage}


@pytest.mark.parametrize("known", ["mark", "file"])
async def test_a_directory_is_made_once(connection: Connection, tmp_path: Path, known: str) -> None:
    directory = tmp_path / "files"
    storage = await open_storage(connection, directory.as_uri(), {})
    assert directory.stat().st_mode & 0o777 == 0o700
    if known == "mark":
        await settle(connection, storage, may_move=True)
    else:
        await know(connection, None, "aa/one")
    directory.rename(tmp_path / "away")
    with pytest.raises(DirectoryMissing):
        await open_storage(connection, directory.as_uri(), {})
    assert not directory.exists()


async def test_processes_on_two_storages(settings: Settings, tmp_path: Path) -> None:
    """The API takes the photos; a worker that wouldn't find them says so, and so do /readyz and the doctor."""
    other = {"STORAGE_URL": (tmp_path / "other").as_uri()}
    with running_api(settings) as base_url:
        for made in (False, True):
            if made:
                (tmp_path / "other").mkdir()
            worker = await asyncio.to_thread(run_command, "worker", settings=settings, extra=other)
            (line,) = [line for line in worker.stderr.splitlines() if line.startswith("darkroom: ")]
            assert (worker.returncode, "STORAGE_URL" in line) == (1, True)
            assert (tmp_path / "other").exists() == made
            ready = await asyncio.to_thread(httpx.get, f"{base_url}/readyz")
            assert (ready.json()["status"], ready.json()["workers"]) == ("degraded", "another storage")
            told = await asyncio.to_thread(run_command, "doctor", settings=settings)
            assert told.returncode == 1
            assert f"uses {other['STORAGE_URL']}" in told.stdout
