"""Storage: the same behaviour on a directory and on a real S3 server, and one clear line when something is wrong."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

import asyncio
import errno
import os
import signal
import sys
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path

import httpx
import pytest

from service.files import storage as storage_module
from service.files.storage import READ_AT_ONCE, Blob, Storage
from service.storage_errors import BlobNotFound, StorageError

OpenBucket = Callable[..., Storage]
KEY = "ab/cdef-0123.jpg"
LARGE = os.urandom(1024) * 2600  # more than two chunks


async def content(storage: Storage, key: str = KEY, start: int | None = None, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in await storage.read(key, start, end)])


async def test_what_was_put_is_read_back(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(LARGE)
    await storage.put(KEY, tmp_path / "photo", "image/jpeg")
    assert await storage.exists(KEY)
    assert await storage.size(KEY) == len(LARGE)
    assert await content(storage) == LARGE
    await storage.download(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE


async def test_a_put_replaces(storage: Storage) -> None:
    await storage.put_bytes(KEY, b"first", "image/png")
    await storage.put_bytes(KEY, b"second", "image/png")
    assert await content(storage) == b"second"


async def test_an_empty_blob_is_a_blob(storage: Storage, tmp_path: Path) -> None:
    await storage.put_bytes("empty", b"", "text/plain")
    assert await content(storage, "empty") == b""
    await storage.download("empty", tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


async def test_files_larger_than_one_part_are_put_whole(storage: Storage, tmp_path: Path) -> None:
    large = os.urandom(1024) * 20_000
    (tmp_path / "large").write_bytes(large)
    await storage.put(KEY, tmp_path / "large", "image/png")
    assert await content(storage) == large


async def test_reading_takes_ranges_in_bounded_chunks(storage: Storage) -> None:
    await storage.put_bytes(KEY, LARGE, "image/png")
    sizes = [len(chunk) async for chunk in await storage.read(KEY)]
    assert sizes == [READ_AT_ONCE, READ_AT_ONCE, len(LARGE) - 2 * READ_AT_ONCE]
    for start, end in ((0, 1), (5, 1000), (None, 10), (len(LARGE) - 3, None), (100, 2 * READ_AT_ONCE + 7), (7, 7)):
        assert await content(storage, KEY, start, end) == LARGE[start:end]
    assert await content(storage, KEY, len(LARGE) - 2, len(LARGE) + 100) == LARGE[-2:]
    assert await content(storage, KEY, len(LARGE) + 5) == b""


async def test_what_is_not_there_is_said_before_the_first_chunk(storage: Storage, tmp_path: Path) -> None:
    assert not await storage.exists(KEY)
    with pytest.raises(BlobNotFound, match=KEY):
        await storage.read(KEY)
    with pytest.raises(BlobNotFound):
        await storage.size(KEY)
    with pytest.raises(BlobNotFound) as caught:
        await storage.download(KEY, tmp_path / "copy")
    assert not caught.value.transient
    assert not (tmp_path / "copy").exists()


async def test_deleting_twice_is_fine(storage: Storage) -> None:
    await storage.put_bytes(KEY, b"x", "image/png")
    await storage.delete(KEY)
    assert not await storage.exists(KEY)
    await storage.delete(KEY)


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../../x", "a/..", ".", "a//b", "a/", "/", "a\\b", "a b", "a%2e%2e", "ü", "a\n",
     "a\0", ".hidden", "a/.b", "x" * 513, "a?b", "a#1"],
)  # fmt: skip
async def test_keys_that_could_lead_elsewhere_are_refused(storage: Storage, tmp_path: Path, key: str) -> None:
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(StorageError, match="storage key"):
        await storage.put(key, tmp_path / "x", "image/png")
    with pytest.raises(StorageError, match="storage key"):
        await storage.put_bytes(key, b"x", "image/png")
    with pytest.raises(StorageError, match="storage key"):
        await storage.read(key)
    with pytest.raises(StorageError, match="storage key"):
        await storage.exists(key)
    with pytest.raises(StorageError, match="storage key"):
        await storage.delete(key)
    with pytest.raises(StorageError, match="storage key"):
        await storage.download(key, tmp_path / "copy")
    assert (tmp_path / "x").read_bytes() == b"mine"


async def test_a_source_that_is_gone_is_not_a_missing_blob(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the file to store isn't there") as caught:
        await storage.put(KEY, tmp_path / "gone", "image/png")
    assert not isinstance(caught.value, BlobNotFound)


async def test_a_check_passes_and_leaves_nothing(storage: Storage, directory: Path) -> None:
    await storage.check()
    assert [path for path in directory.rglob("*") if path.is_file()] == []


async def test_downloads_take_little_memory(storage: Storage, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(40_000_000)
    await storage.put(KEY, tmp_path / "large", "image/png")
    tracemalloc.start()
    try:
        await storage.download(KEY, tmp_path / "copy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "copy").stat().st_size == 40_000_000
    assert peak < 20_000_000


# a local directory ---------------------------------------------------------------------------------------------------


async def test_local_files_are_their_owners_alone(directory: Path) -> None:
    storage = Storage.made(directory.as_uri())
    await storage.put_bytes("ab/cd/ef.jpg", b"x", "image/jpeg")
    modes = {path.name: path.stat().st_mode & 0o777 for path in [directory, *directory.rglob("*")]}
    assert modes == {"blobs": 0o700, "ab": 0o700, "cd": 0o700, "ef.jpg": 0o600}


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "photos").touch()
    with pytest.raises(StorageError, match="is no directory: correct STORAGE_URL"):
        Storage.open((tmp_path / "photos").as_uri())


def test_a_directory_that_is_closed_to_us_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", closed)
    with pytest.raises(StorageError, match="can't be used: Permission denied"):
        Storage.open((tmp_path / "photos").as_uri())


async def test_a_local_directory_with_strange_characters_works(tmp_path: Path) -> None:
    root = tmp_path / "my photos # 100% ü"
    storage = Storage.made(root.as_uri())
    await storage.put_bytes(KEY, b"x", "image/jpeg")
    assert (root / KEY).read_bytes() == b"x"
    assert storage.name == root.as_uri()


async def test_a_half_written_file_is_never_seen(directory: Path, tmp_path: Path) -> None:
    storage = Storage.made(directory.as_uri())
    (tmp_path / "old").write_bytes(b"a" * 30_000_000)
    (tmp_path / "new").write_bytes(b"b" * 30_000_000)
    await storage.put(KEY, tmp_path / "old", "image/jpeg")
    seen: set[bytes] = set()
    put = asyncio.create_task(storage.put(KEY, tmp_path / "new", "image/jpeg"))
    while not put.done():
        found = await asyncio.to_thread((directory / KEY).read_bytes)
        assert len(found) == 30_000_000
        seen.update((found[:1], found[-1:]))
    await put
    assert seen <= {b"a", b"b"}
    assert [path.name for path in directory.rglob("*") if path.is_file()] == [Path(KEY).name]


async def test_what_a_killed_process_wrote_of_a_file_goes_with_its_note(directory: Path) -> None:
    """A chore deletes what was noted and never recorded: half a photo stayed for ever, since no row knew of it."""
    storage = Storage.made(directory.as_uri())
    await storage.put_bytes("ab/other.jpg", b"other", "image/jpeg")
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import os, signal, sys; from pathlib import Path; from service.files import local\n"
        "local.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "local.put_locally(Path(sys.argv[1]), sys.argv[2], bytes(1000))",
        directory,
        KEY,
    )
    assert await killed.wait() == -signal.SIGKILL
    assert len(list((directory / "ab").iterdir())) == 2
    await storage.delete(KEY)
    assert [path.name for path in (directory / "ab").iterdir()] == ["other.jpg"]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_file_that_nobody_else_wants_is_kept_whole_wherever_it_lies(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    """Moved within a file system, copied into another."""
    storage = Storage.made(directory.as_uri())
    new = tmp_path / "new"
    new.write_bytes(b"x" * 3_000_000)
    new.chmod(0o664)
    if elsewhere:
        monkeypatch.setattr(Path, "replace", refused_once(Path.replace))
    (digest,) = await storage.put_all([Blob(KEY, new, "image/jpeg", movable=True)])
    assert (digest.size, digest.sha256) == (3_000_000, sha256(b"x" * 3_000_000).hexdigest())
    assert (directory / KEY).read_bytes() == b"x" * 3_000_000
    assert (directory / KEY).stat().st_mode & 0o777 == 0o600
    assert new.exists() == elsewhere
    assert [path for path in directory.rglob("*") if path.is_file()] == [directory / KEY]


def refused_once(replace: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    """As if the first file lay on another file system."""
    tries = count()

    def move(path: Path, to: Path) -> Path:
        if next(tries) == 0:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(path, to)

    return move


async def test_a_blob_from_another_file_system_is_copied(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage.made(directory.as_uri())
    await storage.put_bytes(KEY, b"x", "image/jpeg")
    await storage.download(KEY, tmp_path / "same")
    assert (tmp_path / "same").samefile(directory / KEY)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    await storage.download(KEY, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"x"
    assert not (tmp_path / "copy").samefile(directory / KEY)


async def test_a_full_disk_may_be_over_later(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    storage = Storage.made(directory.as_uri())
    monkeypatch.setattr(storage_module, "put_locally", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        await storage.put_bytes(KEY, b"x", "image/jpeg")
    assert caught.value.transient


async def test_a_directory_that_went_away_loses_no_file(directory: Path) -> None:
    storage = Storage.made(directory.as_uri())
    await storage.put_bytes(KEY, b"x", "image/jpeg")
    directory.rename(directory.with_name("unmounted"))
    for attempt in (storage.read(KEY), storage.exists(KEY), storage.put_bytes(KEY, b"x", "a/b"), storage.check()):
        with pytest.raises(StorageError, match="the directory isn't there") as caught:
            await attempt
        assert caught.value.transient
        assert not isinstance(caught.value, BlobNotFound)


def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"can't be used: Not a directory$"):
        Storage.made((tmp_path / "file/blobs").as_uri())


def test_local_files_have_no_url_of_their_own(directory: Path) -> None:
    assert not Storage.made(directory.as_uri()).presigns


# S3 ------------------------------------------------------------------------------------------------------------------


async def test_presigned_urls_load_until_they_expire(bucket: OpenBucket) -> None:
    storage = bucket()
    await storage.put_bytes(KEY, b"a picture", "image/webp")
    url = storage.presigned(KEY, timedelta(hours=1))
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, b"a picture")
        assert answer.headers["content-type"] == "image/webp"
        assert (await client.get(url.replace("Expires=3600", "Expires=7200"))).status_code == 403
        assert (await client.get(url.replace("cdef", "cdeg"))).status_code == 403
        assert (await client.get(url.partition("?")[0])).status_code == 403
        short = storage.presigned(KEY, timedelta(seconds=1))
        async with asyncio.timeout(10):
            while (await client.get(short)).status_code == 200:
                pass


async def test_a_prefix_keeps_installations_apart(bucket: OpenBucket) -> None:
    one, other = bucket("s3://photos/apart/one/"), bucket("s3://photos/apart/other")
    await one.put_bytes(KEY, b"x", "image/png")
    assert one.name == "s3://photos/apart/one"
    assert not await other.exists(KEY)
    assert await bucket("s3://photos").exists(f"apart/one/{KEY}")


@pytest.mark.parametrize(
    ("url", "options", "words", "transient"),
    [
        ("s3://photos", {"AWS_SECRET_ACCESS_KEY": "wr0ng"}, "access denied: check AWS_ACCESS_KEY_ID", False),
        ("s3://photos", {"AWS_ACCESS_KEY_ID": "wr0ng"}, "access denied: check AWS_ACCESS_KEY_ID", False),
        ("s3://no-such-bucket/p", {}, "s3://no-such-bucket/p: the bucket doesn't exist", False),
        ("s3://photos", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "the server can't be reached", True),
        ("s3://photos", {"AWS_ENDPOINT_URL": "http://s3.invalid"}, "the server can't be reached", True),
    ],
)
async def test_a_check_tells_what_is_wrong_in_one_line_without_secrets(
    bucket: OpenBucket, url: str, options: dict[str, str], words: str, transient: bool
) -> None:
    storage = bucket(url, **options)
    with pytest.raises(StorageError) as caught:
        await storage.check()
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert "wr0ng" not in message
    assert caught.value.transient is transient


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"AWS_ENDPOINT_URL": "minio:9000"}, "AWS_ENDPOINT_URL takes"),
        ({"AWS_ENDPOINT_URL": "http://user:s3cr3t@minio:9000"}, "AWS_ENDPOINT_URL takes"),
        ({"AWS_ENDPOINT_URL": "http://"}, "AWS_ENDPOINT_URL takes"),
        ({"AWS_REGION": "s3cr3t\udcff"}, "AWS_REGION isn't printable text"),
        ({"AWS_SECRET_ACCESS_KEY": "s3cr3t\n"}, "AWS_SECRET_ACCESS_KEY isn't printable text"),
        ({"AWS_CA_BUNDLE": "/no/such/file"}, "check the AWS_* variables"),
        ({"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "s3cr3t"}, "check the AWS_* variables"),
    ],
)
def test_wrong_options_are_one_clear_line(bucket: OpenBucket, options: dict[str, str], words: str) -> None:
    with pytest.raises(StorageError) as caught:
        bucket(**options)
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "photos", "gs://photos", "file://host/x", "s3://", "s3://key:s3cr3t@photos"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(StorageError, match="STORAGE_URL takes") as caught:
        Storage.made(url)
    assert "s3cr3t" not in str(caught.value)


async def test_the_environment_is_used_and_options_win(bucket: OpenBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    await bucket().check()
    url = Storage.made("s3://photos", {"AWS_SECRET_ACCESS_KEY": "x"}).presigned(KEY, timedelta(hours=1))
    assert url.startswith("http://127.0.0.1:1/photos/ab/")
    assert "Credential=from-the-environment" in url


@asynccontextmanager
async def server_that_says(answer: bytes | None) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A server that answers every request with the same bytes, or never; and what it was asked."""
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append(await reader.readuntil(b"\r\n"))
            if answer is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
    finally:
        server.close()


def http(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def test_a_failing_server_is_asked_again_and_then_given_up(bucket: OpenBucket) -> None:
    async with server_that_says(http("503 Slow Down")) as (address, requests):
        with pytest.raises(StorageError, match="the server answered 503") as caught:
            await bucket(AWS_ENDPOINT_URL=address).exists(KEY)
    assert caught.value.transient
    assert len(requests) == 4


async def test_a_refusing_server_is_asked_once(bucket: OpenBucket) -> None:
    async with server_that_says(http("400 Bad Request")) as (address, requests):
        with pytest.raises(StorageError, match="the server answered 400 Bad Request") as caught:
            await bucket(AWS_ENDPOINT_URL=address).put_bytes(KEY, b"x", "image/png")
    assert not caught.value.transient
    assert len(requests) == 1


async def test_a_silent_server_is_not_waited_for(bucket: OpenBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_CHECK_SECONDS", 0.3)
    async with server_that_says(None) as (address, _):
        with pytest.raises(StorageError, match="doesn't answer within") as caught:
            await bucket(AWS_ENDPOINT_URL=address).check()
    assert caught.value.transient
