"""Uploads and results come along: old ids keep working, `/results/...` becomes files; each for those it belongs to."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from PIL import Image

from schema.models.files import FileRecord
from schema.models.tasks import StoredResult
from service.accounts.users import erase_user
from service.database import Connection, Pool
from service.database.statements import convert
from service.embedded.servers import EmbeddedServers
from service.files import store as files
from service.files.service import FileService
from service.files.storage import Storage
from service.files.sweeping import sweep_blobs
from service.legacy.importing.files import Bringing
from service.legacy.moving import Wishes, import_everything
from service.legacy.source import LegacyRedis
from service.legacy.telling import Everybody, Finding
from service.settings import Settings
from service.tasks import store as tasks
from tests.databases import url_of_database
from tests.legacy.sample import Sample, generate

OLD_DATABASE = "3"
PHOTO = "file_1764915114_a1b2c3"
ANN, BOB = "usr_ann", "usr_bob"


@pytest.fixture
def old_url(servers: EmbeddedServers, redis_url: str) -> str:  # noqa: ARG001 - that one empties the server
    return url_of_database(servers.redis_url, OLD_DATABASE)


@pytest.fixture
def old(old_url: str) -> redis.Redis:
    return redis.Redis.from_url(old_url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "old" / "uploads").mkdir(parents=True)
    return tmp_path / "old"


class Found(Everybody):
    """Remembers what was found."""

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Finding] = []

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)


class Bring:
    """Imports with files, as often as a test likes."""

    def __init__(self, connection: Connection, url: str, settings: Settings, folder: Path) -> None:
        self.storage = Storage.made(settings.storage_url)
        self._connection = connection
        self._source = LegacyRedis(url, "formy:")
        self._bringing = Bringing(folder, self.storage, 40_000_000)

    async def __call__(self, *, dry_run: bool = False) -> tuple[dict[str, int], list[Finding]]:
        found = Found()
        wishes = Wishes(prefix="formy:", files=self._bringing, dry_run=dry_run)
        summary = await import_everything(self._connection, self._source, wishes, found)
        counted = {what: files for what, files in summary["files"].items() if files}
        return counted, [one for one in found.findings if one.kind == "file"]

    async def without_files(self) -> None:
        await import_everything(self._connection, self._source, Wishes(prefix="formy:"), Everybody())

    async def bytes_of(self, record: FileRecord) -> bytes:
        return b"".join([chunk async for chunk in await self.storage.read(record.blob_key, 0, record.size)])


@pytest.fixture
def bring(connection: Connection, old_url: str, settings: Settings, folder: Path) -> Bring:
    return Bring(connection, old_url, settings, folder)


def picture(path: Path, colour: str = "red") -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 96), colour).save(path)
    return path.read_bytes()


def put(
    client: redis.Redis,
    name: str,
    user_id: str | None,
    source: str = PHOTO,
    output: str | None = None,
    thumbnail: str | None = None,
) -> str:
    task_id = f"task_1764915114_{name}"
    data: dict[str, Any] = {"mode": "HEAD_SWAP", "source_image": source, "config": {}, "user_id": user_id}
    fields: dict[str, str | bytes] = {
        "status": "done",
        "data": msgspec.json.encode(data),
        "created_at": "2025-12-05T06:11:54",
    }
    if output is not None:
        pictures = {"output_image": output, "thumbnail": thumbnail, "comparison_image": None, "metadata": {"width": 80}}
        fields["result"] = msgspec.json.encode(pictures)
    client.hset(f"formy:task:data:{task_id}", mapping={**fields})
    return task_id


async def all_files(connection: Connection) -> list[FileRecord]:
    rows = await connection.fetch("SELECT * FROM files ORDER BY file_id, user_id")
    return [convert(row, FileRecord) for row in rows]


async def test_a_file_of_two_users_is_a_row_each_on_one_blob(
    connection: Connection, pool: Pool, old: redis.Redis, folder: Path, bring: Bring
) -> None:
    content = picture(folder / "uploads" / f"{PHOTO}.jpg")
    put(old, "aaaaaa", ANN)
    put(old, "bbbbbb", BOB)
    counted, _ = await bring()
    assert counted == {"uploads": 1}
    (of_ann, of_bob) = await all_files(connection)
    assert (of_ann.user_id, of_bob.user_id) == (ANN, BOB)
    assert (of_ann.file_id, of_ann.blob_key) == (of_bob.file_id, of_bob.blob_key) == (PHOTO, of_ann.blob_key)
    assert await bring.bytes_of(of_ann) == content
    # One owner's deletion leaves the other's.
    service = FileService(pool, bring.storage, max_bytes=1, max_pixels=1, directory=folder)
    await service.delete(ANN, PHOTO)
    await sweep_blobs(pool, bring.storage, limit=10)
    assert [one.user_id for one in await all_files(connection)] == [BOB]
    assert await bring.bytes_of(of_bob) == content
    await service.delete(BOB, PHOTO)
    await sweep_blobs(pool, bring.storage, limit=10)
    assert not await bring.storage.exists(of_bob.blob_key)


async def test_a_file_without_a_task_is_the_operators_until_somebody_has_it(
    connection: Connection, pool: Pool, old: redis.Redis, folder: Path, bring: Bring
) -> None:
    picture(folder / "anywhere" / "deep" / f"{PHOTO}.png")
    picture(folder / "logo.png")
    assert (await bring())[0] == {"uploads": 1}
    (nobodys,) = await all_files(connection)
    assert (nobodys.file_id, nobodys.user_id) == (PHOTO, None)
    put(old, "aaaaaa", ANN)
    assert (await bring())[0] == {"uploads": 1}
    (of_ann,) = await all_files(connection)
    assert (of_ann.user_id, of_ann.blob_key) == (ANN, nobodys.blob_key)
    await sweep_blobs(pool, bring.storage, limit=10)
    assert await bring.storage.exists(of_ann.blob_key)


@pytest.mark.parametrize(
    "address",
    ["/results/a/output.jpg", "results/a/output.jpg", "https://old.example.com/results/a/output.jpg?v=2"],
)
@pytest.mark.parametrize("place", ["results/a/output.jpg", "a/output.jpg"])
async def test_a_results_path_becomes_a_file(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring, address: str, place: str
) -> None:
    content = picture(folder / place)
    task_id = put(old, "aaaaaa", ANN, output=address)
    assert (await bring())[0] == {"results": 1}
    task = await tasks.get_task_by_id(connection, ANN, task_id)
    assert task is not None
    assert task.result is not None
    assert task.result.output_file_id is not None
    assert task.result.metadata == {"width": 80}
    record = await files.get_users_file(connection, ANN, task.result.output_file_id)
    assert record is not None
    assert (record.task_id, record.purpose, record.width, record.height) == (task_id, "output", 80, 96)
    assert await bring.bytes_of(record) == content
    # Once more changes nothing, also where the record has changed in the old system.
    old.hset(f"formy:task:data:{task_id}", "current_step", "finished")
    assert (await bring())[0] == {}
    again = await tasks.get_task_by_id(connection, ANN, task_id)
    assert again is not None
    assert (again.result, again.current_step) == (task.result, "finished")


@pytest.mark.parametrize(
    "address", ["/../secret.jpg", "/results/../../secret.jpg", "/results/link.jpg", "/\0.jpg", "/"]
)
async def test_nothing_outside_the_folder_is_brought(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring, address: str
) -> None:
    picture(folder.parent / "secret.jpg")
    (folder / "results").mkdir()
    (folder / "results" / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "uploads" / f"{PHOTO}.jpg").symlink_to(folder.parent / "secret.jpg")
    put(old, "aaaaaa", ANN, output=None if "\0" in address else address)
    counted, _ = await bring()
    assert counted == ({} if "\0" in address else {"missing": 1})
    assert await all_files(connection) == []


async def test_what_is_no_picture_or_missing_is_reported(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring
) -> None:
    (folder / "uploads" / f"{PHOTO}.jpg").write_text("not a picture")
    put(old, "aaaaaa", ANN, output="/results/gone.jpg")
    counted, findings = await bring()
    assert counted == {"refused": 1, "missing": 1}
    assert [one.record_id for one in findings] == [f"uploads/{PHOTO}.jpg", "results"]
    assert findings[1].reasons[0].startswith("1 results' pictures are not in the folder, such as those of task_")
    assert await connection.fetchval("SELECT count(*) FROM legacy_remarks WHERE kind = 'file'") == 1
    task = await tasks.get_task_by_id(connection, ANN, "task_1764915114_aaaaaa")
    assert task is not None
    assert task.result is not None
    assert task.result.legacy is not None
    assert (task.result.output_file_id, task.result.legacy.output_image) == (None, "/results/gone.jpg")


async def test_a_thumbnail_comes_without_its_output_and_the_output_later(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring
) -> None:
    picture(folder / "results" / "t.jpg")
    put(old, "aaaaaa", ANN, output="/results/o.jpg", thumbnail="/results/t.jpg")

    async def now() -> StoredResult:
        task = await tasks.get_task_by_id(connection, ANN, "task_1764915114_aaaaaa")
        assert task is not None
        assert task.result is not None
        return task.result

    assert (await bring())[0] == {"results": 1, "missing": 1}
    first = await now()
    assert (first.output_file_id, first.thumbnail_file_id is None) == (None, False)
    assert (await bring())[0] == {"missing": 1}
    picture(folder / "results" / "o.jpg")
    assert (await bring())[0] == {"results": 1}
    later = await now()
    assert (later.output_file_id is None, later.thumbnail_file_id) == (False, first.thumbnail_file_id)
    assert len(await all_files(connection)) == 2


@pytest.mark.parametrize("imported", [True, False])
async def test_a_dry_run_tells_the_same_and_writes_nothing(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring, imported: bool
) -> None:
    picture(folder / "uploads" / f"{PHOTO}.jpg")
    picture(folder / "results" / "a.jpg")
    put(old, "aaaaaa", ANN, output="/results/a.jpg")
    if imported:
        await bring.without_files()
    told = await bring(dry_run=True)
    assert await all_files(connection) == []
    assert await bring() == told == ({"uploads": 1, "results": 1}, [])


async def test_what_was_deleted_here_is_not_brought_back(
    connection: Connection, pool: Pool, old: redis.Redis, folder: Path, bring: Bring
) -> None:
    picture(folder / "uploads" / f"{PHOTO}.jpg")
    put(old, "aaaaaa", ANN)
    await bring()
    await FileService(pool, bring.storage, max_bytes=1, max_pixels=1, directory=folder).delete(ANN, PHOTO)
    await bring()
    assert await all_files(connection) == []


@pytest.mark.parametrize("with_file", [True, False])
async def test_an_erased_users_photos_do_not_come_back_as_the_operators(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring, with_file: bool
) -> None:
    put(old, "aaaaaa", ANN)
    if with_file:
        picture(folder / "uploads" / f"{PHOTO}.jpg")
    await bring()
    await erase_user(connection, ANN)
    picture(folder / "uploads" / f"{PHOTO}.jpg")
    await bring()
    assert await all_files(connection) == []


async def test_a_sample_with_broken_files_comes_along(
    connection: Connection, old: redis.Redis, folder: Path, bring: Bring
) -> None:
    expected = generate(old, Sample(tasks=400, users=40, breakage=0.05), files=folder)
    assert expected.files is not None
    await bring()
    rows: dict[str, set[str | None]] = {}
    for record in await all_files(connection):
        if record.task_id is None:
            rows.setdefault(record.file_id, set()).add(record.user_id)
            assert await bring.storage.exists(record.blob_key)
    broken = {Path(name).stem for name in (*expected.files.not_images, *expected.files.truncated)}
    there = {path.stem for path in (folder / "uploads").iterdir()} - broken
    assert rows.keys() == there
    for file_id, owners in rows.items():
        assert owners == set(expected.files.owners.get(file_id, [])) or owners == {None}
