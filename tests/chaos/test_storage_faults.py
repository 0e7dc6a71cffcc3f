"""Storages that are full, closed, away or silent: nothing half done, nothing lost, and `done` means that files load."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import Struct, structs

from service.accounts.users import create_user
from service.database import Pool
from service.files import service as files_service
from service.files.mark import PREFIX
from service.files.storage import Storage
from service.settings import Settings
from service.storage_errors import StorageError
from tests import lives
from tests.actors.scripted import PICTURE
from tests.chaos.crew import quick_worker
from tests.chaos.disk import Disk
from tests.s3 import S3Server, s3_server
from tests.service.http.pictures import padded_jpeg
from tests.service.http.proxy import Proxy, proxied
from tests.service.http.serving import API, PHOTO, Api, User, client_of, problem, serving

CREDITS = 1000
PATIENCE = 40.0
UNLIMITED = {"RATE_LIMIT_PER_MINUTE": "0"}
ENDED = {"done", "failed", "cancelled"}
PICTURES = ("output_image", "thumbnail", "comparison_image")

FAULTS = (Disk.fill, Disk.forbid)


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


class Stack(Struct, frozen=True):
    """An API, a worker, and somebody with credits."""

    user: User
    pool: Pool
    gate: Path
    """The worker's edits wait for this file before they make their pictures."""

    async def task(self, task_id: str, wait: int = 0) -> dict[str, Any]:
        answer = await self.user.http.get(f"{API}/tasks/{task_id}", params={"wait": wait})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, task_id: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while (task := await self.task(task_id, wait=10))["status"] not in ENDED:
                pass
        return task

    async def at_the_gate(self, task_id: str) -> None:
        async def is_there() -> bool:
            return (await self.task(task_id))["current_step"] == "at the gate"

        await lives.until(is_there, within=PATIENCE)

    async def requeued(self, task_id: str) -> None:
        async def is_back() -> bool:
            task = await self.task(task_id)
            assert task["status"] in {"pending", "processing"}, task
            return task["status"] == "pending" and task["attempts"] > 0

        await lives.until(is_back, within=PATIENCE)

    async def saving(self, blobs: int) -> None:
        """Return when a worker has noted the blobs that it is about to write."""

        async def is_noted() -> bool:
            async with self.pool.acquire() as connection:
                return await connection.fetchval("SELECT count(*) FROM blob_removals") == blobs

        await lives.until(is_noted, within=PATIENCE)

    async def file_rows(self) -> set[str]:
        async with self.pool.acquire() as connection:
            return {row["file_id"] for row in await connection.fetch("SELECT file_id FROM files")}


@contextmanager
def processes(
    settings: Settings, directory: Path, extra: dict[str, str], *, attempts: int = 3
) -> Generator[tuple[Api, Path]]:
    gate = directory / "gate"
    shared = {**UNLIMITED, **extra, "TASK_MAX_ATTEMPTS": str(attempts)}
    with ExitStack() as stack:
        stack.enter_context(quick_worker(settings, directory / "worker.log", shared, gate=gate))
        yield stack.enter_context(serving(settings, directory / "api.log", shared)), gate


async def somebody(api: Api, pool: Pool, gate: Path) -> AsyncGenerator[Stack]:
    async with pool.acquire() as connection:
        made = await create_user(connection, "somebody@example.com", credits_=CREDITS)
    async with client_of(api, made.api_key) as client:
        yield Stack(User(made.user_id, made.api_key, client), pool, gate)


@pytest.fixture
async def on_disk(settings: Settings, pool: Pool, disk: Disk, tmp_path: Path) -> AsyncGenerator[Stack]:
    """The stack with its files on a disk that can be filled; two attempts a task."""
    here = structs.replace(settings, storage_url=disk.files.as_uri())
    with processes(here, tmp_path, {}, attempts=2) as (api, gate):
        async for stack in somebody(api, pool, gate):
            yield stack


def come_back(answer: httpx.Response) -> None:
    problem(answer, answer.json()["code"], 503)
    assert answer.json()["code"] == "SERVICE_UNAVAILABLE"


async def loads(stack: Stack, task: dict[str, Any]) -> None:
    """Each of a done task's pictures, as an <img> loads it: by its URL alone."""
    assert task["status"] == "done", task
    async with httpx.AsyncClient(base_url=stack.user.http.base_url) as anybody:
        for kind, name in zip(("output", "thumbnail", "comparison"), PICTURES, strict=True):
            answer = await anybody.get(task["result"][name])
            assert (answer.status_code, answer.content) == (200, PICTURE + kind.encode())


# a directory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_upload_that_finds_no_room_leaves_nothing(
    on_disk: Stack, disk: Disk, fault: Callable[[Disk], None]
) -> None:
    kept = await on_disk.user.photo()
    # Whether it can be written was looked at a moment ago, and isn't by itself for a minute.
    assert (await on_disk.user.http.get("/readyz")).json()["storage"] == "ok"
    before = disk.blobs()
    fault(disk)
    come_back(await on_disk.user.upload(padded_jpeg(200_000)))
    come_back(await on_disk.user.upload(PHOTO))
    ready = await on_disk.user.http.get("/readyz")
    assert (ready.status_code, ready.json()["storage"]) == (503, "away")
    disk.free()
    assert disk.blobs() == before
    assert await on_disk.file_rows() == {kept}
    assert (await on_disk.user.upload(PHOTO)).status_code == 201


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_result_that_finds_no_room_is_saved_later(
    on_disk: Stack, disk: Disk, fault: Callable[[Disk], None]
) -> None:
    task = await on_disk.user.task()
    before = disk.blobs()
    await on_disk.at_the_gate(task["task_id"])
    fault(disk)
    on_disk.gate.touch()
    await on_disk.requeued(task["task_id"])
    assert (await on_disk.user.me())["current_credits"] == CREDITS - task["credits_consumed"]
    disk.free()
    assert disk.blobs() == before
    ended = await on_disk.ended(task["task_id"])
    await loads(on_disk, ended)
    assert ended["attempts"] == 2
    await lives.assert_balanced(on_disk.pool)


async def test_a_disk_that_stays_full_ends_in_a_refund(on_disk: Stack, disk: Disk) -> None:
    task = await on_disk.user.task()
    before = disk.blobs(), await on_disk.file_rows()
    await on_disk.at_the_gate(task["task_id"])
    disk.fill()
    on_disk.gate.touch()
    ended = await on_disk.ended(task["task_id"])
    assert (ended["status"], ended["error"]["code"], ended["attempts"]) == ("failed", disk.failure, 2)
    disk.free()
    assert (disk.blobs(), await on_disk.file_rows()) == before
    assert (await on_disk.user.me())["current_credits"] == CREDITS
    await lives.assert_balanced(on_disk.pool)


# S3 ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Generator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def door(s3: S3Server) -> Generator[Proxy]:
    """What stands between the stack and S3."""
    with proxied(s3.options["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
async def on_s3(settings: Settings, pool: Pool, s3: S3Server, door: Proxy, tmp_path: Path) -> AsyncGenerator[Stack]:
    """The stack with its files in a bucket, behind a door."""
    here = structs.replace(settings, storage_url=f"s3://photos/{tmp_path.name}")
    options = {**s3.options, "AWS_ENDPOINT_URL": door.url.replace("//@", "//")}
    with processes(here, tmp_path, options) as (api, gate):
        async for stack in somebody(api, pool, gate):
            yield stack


def in_the_bucket(s3: S3Server, directory: Path) -> int:
    found = (s3.data / "photos" / directory.name).rglob("*")
    return len([path for path in found if path.is_file() and not path.name.startswith(PREFIX)])


async def test_an_edit_from_a_bucket_to_a_bucket(on_s3: Stack, s3: S3Server, tmp_path: Path) -> None:
    on_s3.gate.touch()
    task = await on_s3.ended((await on_s3.user.task())["task_id"])
    for name in PICTURES:
        assert task["result"][name].startswith("http://127.0.0.1:")
    await loads(on_s3, task)
    async with httpx.AsyncClient() as anybody:
        bare = task["result"]["output_image"].partition("?")[0]
        assert (await anybody.get(bare)).status_code == 403
    assert in_the_bucket(s3, tmp_path) == len(PICTURES) + 1
    await lives.assert_balanced(on_s3.pool)


async def test_a_bucket_that_is_away_and_comes_back(on_s3: Stack, door: Proxy, s3: S3Server, tmp_path: Path) -> None:
    task = await on_s3.user.task()
    await on_s3.at_the_gate(task["task_id"])
    door.shut()
    come_back(await on_s3.user.upload(PHOTO))
    on_s3.gate.touch()
    await on_s3.requeued(task["task_id"])
    assert in_the_bucket(s3, tmp_path) == 1
    door.let_through()
    ended = await on_s3.ended(task["task_id"])
    await loads(on_s3, ended)
    assert ended["attempts"] > 1
    assert (await on_s3.user.upload(PHOTO)).status_code == 201
    await lives.assert_balanced(on_s3.pool)


@contextmanager
def silent(server: S3Server) -> Generator[None]:
    """It takes connections and says nothing."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


async def test_a_silent_bucket_holds_no_cancelled_tasks_slot(on_s3: Stack, s3: S3Server) -> None:
    task = await on_s3.user.task()
    await on_s3.at_the_gate(task["task_id"])
    following = await on_s3.user.task()
    with silent(s3):
        on_s3.gate.touch()
        await on_s3.saving(len(PICTURES))
        assert (await on_s3.task(following["task_id"]))["status"] == "pending"
        cancelled = await on_s3.user.http.post(f"{API}/tasks/{task['task_id']}/cancel")
        assert cancelled.status_code == 200

        async def is_taken() -> bool:
            return (await on_s3.task(following["task_id"]))["status"] == "processing"

        began = time.monotonic()
        await lives.until(is_taken, within=PATIENCE)
        assert time.monotonic() - began < 2  # 1 s for the slot, and the claim of the next
    assert (await on_s3.ended(following["task_id"]))["status"] == "done"
    assert (await on_s3.task(task["task_id"]))["status"] == "cancelled"
    await lives.assert_balanced(on_s3.pool)


async def test_an_upload_does_not_wait_for_a_silent_bucket(
    pool: Pool, s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its sender would have gone long before the storage's own patience, a minute, is over."""
    monkeypatch.setattr(files_service, "PUT_WITHIN", 0.2)
    storage = Storage.made(f"s3://photos/{tmp_path.name}", s3.options)
    async with pool.acquire() as connection:
        user_id = await lives.add_user(connection)
    service = files_service.FileService(pool, storage, max_bytes=1_000_000, max_pixels=1_000_000)
    form = httpx.Request("POST", "http://api", files={"file": ("photo.jpg", PHOTO)})

    async def body() -> AsyncGenerator[bytes]:
        yield form.read()

    with silent(s3), pytest.raises(StorageError, match="too long") as caught:
        await service.upload(user_id, body(), form.headers["content-type"])
    assert caught.value.transient
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM files") == 0
        # Should it have arrived after all, the sweep knows of it.
        assert await connection.fetchval("SELECT count(*) FROM blob_removals") == 1
    assert await service.upload(user_id, body(), form.headers["content-type"])
