"""POST /api/v1/uploads: what is a photo is kept, and nothing else."""

import asyncio
import gzip
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from service.database import Connection
from service.settings import Settings
from tests.service.http.conftest import NewUser
from tests.service.http.looking import eventually
from tests.service.http.pictures import jpeg, padded_jpeg, picture, png_that_says
from tests.service.http.serving import API, JSON, PHOTO, Api, User, fields_of, problem, serving

MEGABYTE = 2**20


@pytest.mark.parametrize("route", ["/uploads", "/upload"])
async def test_a_photo_is_kept_and_described(user: User, route: str, db: Connection) -> None:
    content = jpeg(120, 90)
    answer = await user.http.post(
        API + route, files={"file": ("me.jpg", content, "image/jpeg")}, data={"purpose": "source"}
    )
    assert answer.status_code == 201
    file = answer.json()
    assert list(file) == ["file_id", "filename", "size", "content_type", "width", "height", "url", "uploaded_at"]
    assert (file["filename"], file["size"], file["content_type"]) == ("me.jpg", len(content), "image/jpeg")
    assert (file["width"], file["height"]) == (120, 90)
    assert file["url"].startswith(f"{API}/files/{file['file_id']}?expires=")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", file["uploaded_at"])
    row = await db.fetchrow("SELECT * FROM files WHERE file_id = $1", file["file_id"])
    assert row is not None
    assert (row["user_id"], row["purpose"], row["task_id"]) == (user.user_id, "source", None)
    assert not await db.fetchval("SELECT count(*) FROM blob_removals WHERE blob_key = $1", row["blob_key"])
    for name in ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"):
        assert int(answer.headers[name]) > 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "HEIC", "AVIF"])
async def test_the_type_is_judged_by_content(user: User, kind: str) -> None:
    answer = await user.http.post(f"{API}/uploads", files={"file": ("a.txt", picture(kind), "text/plain")})
    assert answer.status_code == 201
    assert answer.json()["content_type"] == f"image/{kind.lower()}"
    read = await user.http.get(answer.json()["url"])
    assert read.headers["content-type"] == f"image/{kind.lower()}"


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (b"Dear all, this is a letter. " * 20, Code.INVALID_FILE_TYPE, 415),
        (b"<html><script>alert(1)</script></html>", Code.INVALID_FILE_TYPE, 415),
        (picture("GIF"), Code.INVALID_FILE_TYPE, 415),
        (jpeg()[:-200], Code.INVALID_IMAGE, 400),
        (b"", Code.INVALID_IMAGE, 400),
        (png_that_says(30_000, 30_000), Code.INVALID_IMAGE, 400),
        (jpeg(20, 20), Code.INVALID_IMAGE, 400),
    ],
    ids=["text", "html", "gif", "truncated", "empty", "too many pixels", "too small"],
)
async def test_what_is_no_photo_is_refused_whatever_its_name(
    user: User, db: Connection, content: bytes, code: Code, status: int
) -> None:
    problem(await user.upload(content, "photo.jpg"), code, status)
    assert not await db.fetchval("SELECT count(*) FROM files WHERE user_id = $1", user.user_id)


async def test_a_file_of_20_megabytes_is_too_large(user: User) -> None:
    problem(await user.upload(padded_jpeg(20 * MEGABYTE)), Code.FILE_TOO_LARGE, 413)
    # The connection's next request isn't confused by what is left of this one.
    assert (await user.me())["user_id"] == user.user_id


async def test_a_file_at_the_limit_is_kept(user: User) -> None:
    photo = padded_jpeg(10 * MEGABYTE - 200_000)
    assert len(photo) <= 10_485_760
    assert (await user.upload(photo)).status_code == 201


async def test_a_missing_file_is_named(user: User) -> None:
    no_part = await user.http.post(f"{API}/uploads", files={"purpose": (None, "source")})
    assert fields_of(problem(no_part, Code.INVALID_REQUEST, 400)) == ["file"]
    no_form = await user.http.post(f"{API}/uploads", json={"file": "x"})
    problem(no_form, Code.INVALID_REQUEST, 400)
    problem(await user.http.post(f"{API}/uploads"), Code.INVALID_REQUEST, 400)


async def test_one_upload_takes_one_file(user: User, db: Connection) -> None:
    twice = [("file", ("a.jpg", jpeg())), ("file", ("b.jpg", jpeg()))]
    problem(await user.http.post(f"{API}/uploads", files=twice), Code.INVALID_REQUEST, 400)
    assert not await db.fetchval("SELECT count(*) FROM files WHERE user_id = $1", user.user_id)


async def test_a_purpose_is_bounded(user: User) -> None:
    assert (await user.upload(jpeg(), purpose="x" * 100)).status_code == 201
    assert fields_of(problem(await user.upload(jpeg(), purpose="x" * 101), Code.INVALID_REQUEST, 400)) == ["purpose"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("..", "unnamed"),
        ("x" * 1000 + ".jpg", "x" * 251 + ".jpg"),
        ("Grüße aus Köln.jpg", "Grüße aus Köln.jpg"),
    ],
)
async def test_a_file_name_is_cleaned(user: User, sent: str, kept: str) -> None:
    answer = await user.upload(jpeg(), sent)
    assert answer.status_code == 201
    assert answer.json()["filename"] == kept


async def test_an_account_that_is_full_takes_no_more_until_something_goes(
    new_user: NewUser, http_settings: Settings, tmp_path: Path
) -> None:
    quota = {"MAX_STORED_BYTES_PER_USER": str(2 * len(PHOTO) + 1)}
    with serving(http_settings, tmp_path / "api.log", quota) as small:
        user = await new_user(small)
        kept = [(await user.upload(PHOTO)).json()["file_id"] for _ in range(2)]
        problem(await user.upload(PHOTO), Code.STORAGE_QUOTA_EXCEEDED, 413)
        assert (await user.http.delete(f"{API}/files/{kept[0]}")).status_code == 204
        assert (await user.upload(PHOTO)).status_code == 201


async def test_uploads_that_are_too_large_stream_through_bounded_memory(new_user: NewUser, api: Api) -> None:
    """Five uploads of 20 MB at a time cost less than one of them."""
    users = [await new_user() for _ in range(5)]
    photo = padded_jpeg(20 * MEGABYTE)
    problem(await users[0].upload(photo), Code.FILE_TOO_LARGE, 413)
    async with growth_of(api) as growth:
        answers = await asyncio.gather(*(one.upload(photo) for one in users))
    assert [answer.status_code for answer in answers] == [413] * 5
    assert growth.most < 20 * MEGABYTE


async def test_uploads_that_are_kept_leave_no_memory_behind(new_user: NewUser, strict_api: Api) -> None:
    """Eight uploads of 20 MB, one after the other, cost less than what they hold."""
    user = await new_user(strict_api)
    photo = padded_jpeg(20 * MEGABYTE)
    assert (await user.upload(jpeg())).status_code == 201
    async with growth_of(strict_api) as growth:
        for _ in range(8):
            assert (await user.upload(photo)).status_code == 201
    assert growth.most < 120 * MEGABYTE


class Growth:
    """By how many bytes a process's own memory grew at most."""

    most = 0


@asynccontextmanager
async def growth_of(api: Api) -> AsyncGenerator[Growth]:
    before = private_memory(api.process.pid)
    growth = Growth()

    async def watch() -> None:
        while True:
            growth.most = max(growth.most, private_memory(api.process.pid) - before)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    yield growth
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def private_memory(pid: int) -> int:
    """Bytes of RAM that are this process's alone: files that it has mapped are the page cache's."""
    found = re.search(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


async def test_an_upload_that_breaks_off_leaves_nothing_behind(user: User, api: Api, db: Connection) -> None:
    broken_off = httpx.ReadError("the client goes away")

    async def half() -> AsyncIterator[bytes]:
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + jpeg()
        raise broken_off

    log_before = len(api.log.read_bytes())
    with pytest.raises(httpx.ReadError):
        await user.http.post(
            f"{API}/uploads",
            content=half(),
            headers={"Content-Type": "multipart/form-data; boundary=B", "X-Request-Id": f"broken-{user.user_id}"},
        )

    async def noticed() -> bool:
        return f"broken-{user.user_id}" in log_since(api, log_before)

    await eventually(noticed, "the request's line in the log")
    assert "Traceback" not in log_since(api, log_before)
    assert not await db.fetchval("SELECT count(*) FROM files WHERE user_id = $1", user.user_id)


def log_since(api: Api, position: int) -> str:
    return api.log.read_bytes()[position:].decode()


async def test_an_account_erased_a_moment_ago_gets_a_clear_answer(user: User, db: Connection) -> None:
    """Keys are remembered for 5 s, so that such a request comes as far as the table."""
    await user.me()
    await db.execute("DELETE FROM users WHERE user_id = $1", user.user_id)
    problem(await user.upload(jpeg()), Code.UNAUTHORIZED, 401)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"url": "http://169.254.169.254/latest"}, Code.URL_NOT_ALLOWED, "url"),
        ({"url": "ftp://example.com/photo.jpg"}, Code.URL_NOT_ALLOWED, "url"),
        ({"url": "http://no-such-name.invalid/photo.jpg"}, Code.URL_UNREACHABLE, "url"),
        ({"url": 1}, Code.INVALID_REQUEST, "url"),
        ({}, Code.INVALID_REQUEST, "url"),
        ({"url": "https://example.com/", "file": "x"}, Code.INVALID_REQUEST, "file"),
        ({"url": "https://example.com/", "purpose": "x" * 101}, Code.INVALID_REQUEST, "purpose"),
    ],
)
async def test_an_address_that_is_not_fetched_says_why(user: User, body: JSON, code: Code, field: str) -> None:
    answer = await user.http.post(f"{API}/uploads", json=body)
    assert fields_of(problem(answer, code, 400)) == [field]


async def test_a_photo_is_fetched_and_judged_like_any_other(
    http_settings: Settings, logs: Path, new_user: NewUser, db: Connection
) -> None:
    content = {"/me.jpg": jpeg(120, 90), "/letter.jpg": b"Dear all, this is a letter. " * 20}

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        body = content.get(path)
        head = f"HTTP/1.1 {404 if body is None else 200} As told\r\nContent-Length: {len(body or b'')}\r\n\r\n"
        writer.write(head.encode() + (body or b""))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(give, "127.0.0.1", 0) as server:
        there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with serving(http_settings, logs / "fetching.log", {"WEBHOOK_ALLOW_PRIVATE": "true"}) as allowing:
            user = await new_user(allowing)

            async def fetch(path: str) -> httpx.Response:
                return await user.http.post(f"{API}/uploads", json={"url": there + path, "purpose": "source"})

            answer = await fetch("/me.jpg")
            assert answer.status_code == 201, answer.text
            file = answer.json()
            assert (file["filename"], file["width"], file["height"]) == ("me.jpg", 120, 90)
            assert (await user.http.get(file["url"])).content == content["/me.jpg"]
            problem(await fetch("/letter.jpg"), Code.INVALID_FILE_TYPE, 415)
            problem(await fetch("/nothing.jpg"), Code.URL_UNREACHABLE, 400)
    assert await db.fetchval("SELECT count(*) FROM files WHERE user_id = $1", user.user_id) == 1


@pytest.mark.parametrize("path", ["/uploads", "/tasks"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_packed_body_is_told_as_such(user: User, path: str, kind: str) -> None:
    answer = await user.http.post(
        API + path, content=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip", "Content-Type": kind}
    )
    assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["Content-Encoding"]
