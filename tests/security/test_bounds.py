"""Whatever a client sends, however long it goes on sending it, costs little and ends."""

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, repeat

import httpx
import psutil
import pytest

from schema.models.problems import ProblemCode as Code
from tests.security.raw import send_raw
from tests.service.http.pictures import jpeg
from tests.service.http.serving import API, Api, User, fields_of, problem

MEGABYTE = 2**20
ENOUGH = 64 * MEGABYTE
"""Bytes that an endless sender would be allowed by a service that doesn't look."""


def head(method: str, path: str, user: User, *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {user.api_key}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def endless(chunk: bytes) -> Iterator[bytes]:
    """A body in chunks that never ends."""
    return repeat(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")


def memory(api: Api) -> int:
    return psutil.Process(api.process.pid).memory_info().rss


@pytest.mark.parametrize(
    ("path", "headers", "first", "chunk", "limit"),
    [
        ("/tasks", ("Content-Type: application/json",), b'{"mode":"', b"x" * 65_536, 16 * MEGABYTE),
        ("/tasks", ("Content-Type: application/json",), b"[", b"[" * 65_536, 16 * MEGABYTE),
        (
            "/uploads",
            ("Content-Type: multipart/form-data; boundary=b",),
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + jpeg()[:100],
            b"\x00" * 65_536,
            32 * MEGABYTE,
        ),
        ("/uploads", ("Content-Type: multipart/form-data; boundary=b",), b"preamble", b"x" * 65_536, 216 * MEGABYTE),
        (
            "/uploads",
            ("Content-Type: multipart/form-data; boundary=b",),
            b"--b\r\n",
            b"X-Header: " + b"y" * 65_000 + b"\r\n",
            32 * MEGABYTE,
        ),
        ("/me", ("Content-Type: application/json",), b"{", b"x" * 65_536, 216 * MEGABYTE),
    ],
    ids=["text", "nesting", "file", "preamble", "part headers", "no body expected"],
)
async def test_a_body_without_end_is_ended(
    user: User, api: Api, path: str, headers: tuple[str, ...], first: bytes, chunk: bytes, limit: int
) -> None:
    """Chunked, with no length said in advance: answered or cut off, not read for ever, and kept nowhere."""
    before = memory(api)
    opening = head("POST", API + path, user, "Transfer-Encoding: chunked", *headers)
    body = chain([opening, f"{len(first):x}\r\n".encode() + first + b"\r\n"], endless(chunk))
    answer = await send_raw(api, body, stop_at=ENOUGH)
    assert answer.status in {0, 400, 405, 413}
    assert answer.sent < limit
    assert memory(api) - before < limit
    assert (await user.me())["user_id"] == user.user_id


CHUNKED = b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 16_384),
        (b"GET / HTTP/1.1\r\n", b"X: a\r\n" * 3000),
        (b"GET /", b"a" * 16_384),
        (b"", b"G" * 16_384),
        (CHUNKED + b"5;", b"a" * 16_384),
        (CHUNKED + b"0\r\n", b"X: a\r\n" * 3000),
        (CHUNKED + b"0\r\nX: ", b"a" * 16_384),
    ],
    ids=["header", "headers", "path", "method", "chunk extension", "trailers", "trailer"],
)
async def test_a_head_without_end_is_ended(user: User, api: Api, begin: bytes, more: bytes) -> None:
    """Nobody has signed in yet: what is kept of it is the service's memory for the asking."""
    before = memory(api)
    answer = await send_raw(api, chain([begin], repeat(more)), stop_at=ENOUGH)
    assert answer.status in {0, 400, 401}
    assert answer.sent < 16 * MEGABYTE  # most of it waits in the sockets
    assert memory(api) - before < 8 * MEGABYTE
    assert (await user.me())["user_id"] == user.user_id


async def test_a_head_of_an_ordinary_size_is_read(user: User, api: Api) -> None:
    """A browser's cookies, a proxy's additions; and bodies are no heads, however they are cut."""
    answer = await send_raw(api, [head("GET", f"{API}/me", user, f"Cookie: {'c' * 30_000}", "Connection: close")])
    assert answer.status == 200
    body = b'{"mode":"' + b"x" * 200_000 + b'"}'
    cut = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    opening = head("POST", f"{API}/tasks", user, "Content-Type: application/json", f"Content-Length: {len(body)}")
    assert (await send_raw(api, [opening, *cut])).status == 400
    chunks = [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in cut]
    chunked = head("POST", f"{API}/tasks", user, "Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = await send_raw(api, [chunked, *chunks, b"0\r\n\r\n"])
    assert b"INVALID_REQUEST" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 99999999999999999999999",),
        ("Content-Length: 0x5",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +5",),
    ],
    ids=str,
)
async def test_a_body_has_one_length(user: User, api: Api, headers: tuple[str, ...]) -> None:
    """Two readings of where a request ends would let one hide behind another; the hidden one must not be served."""
    hidden = head("GET", f"{API}/me/hidden", user, "Connection: close")
    sent = head("POST", f"{API}/tasks", user, "Content-Type: application/json", *headers) + b"0\r\n\r\n" + hidden
    answer = await send_raw(api, [sent], to_the_end=True)
    assert answer.status in {0, 400, 413}, answer.text[:400]
    assert b"hidden" not in answer.text


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "PATCH", "PROPFIND", "DEBUG", "get", "GETX", "PRI"])
async def test_other_methods_do_nothing(user: User, api: Api, method: str) -> None:
    photo = await user.photo()
    for path in (f"{API}/tasks", f"{API}/files/{photo}", f"{API}/me", "/livez"):
        answer = await send_raw(api, [head(method, path, user, "Connection: close", "Content-Length: 0")])
        assert answer.status in {400, 404, 405}, (path, answer.text[:200])
        assert user.api_key.encode() not in answer.text
    assert (await user.http.get(f"{API}/files/{photo}")).status_code == 200


async def test_options_tells_every_method_of_a_path(user: User, anonymous: httpx.AsyncClient) -> None:
    """Litestar by itself tells those of the handler that was registered first."""
    paths = (await anonymous.get("/openapi.json")).json()["paths"]
    for path, methods in paths.items():
        target = path.replace("{task_id}", "task_a").replace("{file_id}", "file_a")
        answer = await user.http.options(target)
        assert answer.status_code == 204, (path, answer.text)
        told = set(answer.headers["allow"].split(", "))
        assert told == {method.upper() for method in methods} | {"OPTIONS"} | (
            {"HEAD"} if "get" in methods else set()
        ), path


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A picture of 64 x 64 pixels that carries these chunks before its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\x00" + bytes(64 * 3) for _ in range(64)))
    inside = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in inside)


@lru_cache
def bomb(megabytes: int) -> bytes:
    """That many megabytes of nothing, a thousandth as large."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
async def test_what_is_packed_in_an_upload_stays_packed(user: User, api: Api, kind: bytes) -> None:
    """256 MB of text in a quarter of a megabyte of picture: judging an upload unpacks nothing."""
    between = b"\x00\x01\x00\x00\x00" if kind == b"iTXt" else b"\x00\x00"
    photo = png_with((kind, b"name" + between + bomb(256)))
    assert len(photo) < 2 * MEGABYTE
    before = memory(api)
    answer = await user.upload(photo)
    assert answer.status_code in {201, 400}
    assert memory(api) - before < 32 * MEGABYTE
    assert answer.elapsed.total_seconds() < 10


async def test_pixels_that_unpack_to_more_than_was_said(user: User, api: Api) -> None:
    """64 x 64 pixels by its header, 256 MB by its data: refused or kept, never unpacked here."""
    photo = png_with((b"IDAT", bomb(256)))
    before = memory(api)
    assert (await user.upload(photo)).status_code in {201, 400}
    assert memory(api) - before < 32 * MEGABYTE


async def test_a_packed_body_is_not_unpacked(user: User, api: Api) -> None:
    body = json.dumps({"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}).encode()
    before = memory(api)
    for packed, encoding in ((gzip.compress(body), "gzip"), (bomb(256), "deflate"), (body, "br")):
        answer = await user.http.post(
            f"{API}/tasks",
            content=packed,
            headers={"Content-Encoding": encoding, "Content-Type": "application/json"},
        )
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["Content-Encoding"]
    assert memory(api) - before < 16 * MEGABYTE


async def test_many_ranges_are_not_many_answers(user: User) -> None:
    """Each range of many would be sent by a service that collects them."""
    photo = await user.photo()
    for ranges in (",".join(["0-"] * 1000), ",".join(f"{n}-{n}" for n in range(1000)), "0-1,0-2"):
        answer = await user.http.get(f"{API}/files/{photo}", headers={"Range": f"bytes={ranges}"})
        assert answer.status_code == 200
        assert len(answer.content) == int(answer.headers["content-length"])


@pytest.mark.parametrize("size", [2**31, 2**63, 2**64, 10**15])
async def test_numbers_beyond_every_type_are_refused(user: User, size: int) -> None:
    for query in (f"page={size}", f"page_size={size}", f"page=-{size}", f"cursor={size}", f"page={size}.5"):
        problem(await user.http.get(f"{API}/tasks?{query}"), Code.INVALID_REQUEST, 400)
    task = "task_a"
    problem(await user.http.get(f"{API}/tasks/{task}?wait={size}"), Code.INVALID_REQUEST, 400)
    answer = await user.create(config={"edge_blur": size})
    problem(answer, Code.INVALID_REQUEST, 400)


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/livez?" + "a" * 8000, [], 200),
        ("/livez?" + "a" * 8200, [], 414),
        ("/" + "a/" * 20_000, [], 414),
        ("/livez", ["X: a"] * 90, 200),
        ("/livez", ["X: a"] * 101, 431),
        ("/livez", ["X: a"] * 10_000, 431),
        ("/livez", ["X: " + "a" * 60_000], 200),
        ("/livez", ["X: " + "a" * 66_000], 431),
        ("/livez", ["X: " + "a" * 30_000] * 3, 431),
    ],
    ids=[
        "query",
        "long query",
        "long path",
        "headers",
        "many",
        "very many",
        "large",
        "too large",
        "too large together",
    ],
)
async def test_a_whole_head_is_bounded_too(api: Api, target: str, headers: list[str], status: int) -> None:
    lines = [f"GET {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    answer = await send_raw(api, ["\r\n".join(lines).encode() + b"\r\n\r\n"])
    # That which is longer than what is read at once is ended before it is whole.
    assert answer.status in ({status} if status == 200 else {status, 400})


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%00%1b%5b31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /docs-assets/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /docs-assets/" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /docs-assets/" + b"a/" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/files/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/files/file_a?expires=%00&signature=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=lambda head: ascii(head)[:40],
)
async def test_what_makes_no_sense_is_answered_or_closed_without_a_traceback(api: Api, head: bytes) -> None:
    before = len(api.log.read_text())
    answer = await send_raw(api, [head], stop_at=len(head))
    assert answer.status in {0, 200, 400, 401, 403, 404, 405, 408}
    assert "Traceback" not in api.log.read_text()[before:]
