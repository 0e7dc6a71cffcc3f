"""An answer that is given before the request was read whole arrives all the same, through a proxy too."""

import asyncio
import http.client
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from service.http.lingering import MOST_HELD, LingeringTransport
from service.settings import Settings
from tests.running import PATIENCE
from tests.security.raw import send_raw
from tests.service.http.looking import eventually
from tests.service.http.nginx import needs_nginx, nginx, until_it_answers
from tests.service.http.serving import API, Api, User, serving

LARGE = b"--b\r\nContent-Disposition: form-data; name=file; filename=a.jpg\r\n\r\n" + bytes(20_000_000)
FORM = "multipart/form-data; boundary=b"

CASES = [
    ("POST", "/uploads", True, 413),
    ("POST", "/uploads", False, 401),
    ("POST", "/tasks", True, 400),
    ("POST", "/modes", False, 405),
    ("PUT", "/nothing", False, 404),
    ("GET", "/modes", False, 200),
]
"""Method, path, whether with a key, and the answer, which doesn't need the body (the first: all of it)."""


def status_of(url: str, method: str, path: str, key: str | None) -> int:
    """As most clients do it: everything is sent before anything is read."""
    parts = urlsplit(url)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    headers = {"Connection": "close", "Content-Type": FORM}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    try:
        connection.request(method, API + path, body=LARGE, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize(("method", "path", "known", "status"), CASES)
async def test_an_early_answer_arrives(user: User, api: Api, method: str, path: str, known: bool, status: int) -> None:
    for _ in range(4):
        key = user.api_key if known else None
        assert await asyncio.to_thread(status_of, api.base_url, method, path, key) == status


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["POST /api/v1/tasks HTTP/1.0"], 401),
        (["POST /api/v1/tasks HTTP/1.1", "Host: a", "Host: b", "Connection: close"], 400),
        (["POST /api/v1/tasks HTTP/1.1", "Host: a", *["X: y"] * 200], 431),
        (["POST /api/v1/tasks?" + "a" * 9000 + " HTTP/1.1", "Host: a"], 414),
    ],
    ids=["HTTP/1.0", "hosts", "headers", "target"],
)
async def test_whoever_gives_it(api: Api, lines: list[str], status: int) -> None:
    head = "\r\n".join([*lines, f"Content-Length: {len(LARGE)}"]).encode() + b"\r\n\r\n"
    for _ in range(4):
        # The answer is read only after everything was sent.
        answer = await send_raw(api, [head, LARGE], to_the_end=True)
        assert answer.status == status
        assert answer.sent == len(head) + len(LARGE)


@needs_nginx
async def test_an_early_answer_arrives_through_nginx(user: User, api: Api, tmp_path: Path) -> None:
    with nginx(tmp_path, api.base_url) as url:
        await until_it_answers(url)
        for method, path, known, status in CASES:
            key = user.api_key if known else None
            got = [await asyncio.to_thread(status_of, url, method, path, key) for _ in range(3)]
            assert got == [status] * 3, path


class Written(asyncio.Transport):
    """What was written to a connection, piece by piece, until it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.pieces.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def test_a_head_and_its_body_are_written_together_and_before_the_end() -> None:
    line = LingeringTransport(beneath := Written(), asyncio.get_running_loop(), lambda: False)
    for piece in (b"head ", b"body", b""):
        line.write(piece)
    assert (beneath.pieces, line.get_write_buffer_size()) == ([], 9)
    await asyncio.sleep(0)
    assert (beneath.pieces, line.get_write_buffer_size()) == ([b"head body"], 0)
    line.write(bytes(MOST_HELD + 1))
    assert len(beneath.pieces) == 2, "more isn't held"
    line.write(b"last")
    line.close()
    assert (beneath.pieces[2:], beneath.closed) == ([b"last"], True)
    await asyncio.sleep(0)


SHORT = """
from service.http import lingering
lingering.SILENCE_SECONDS = 0.5
lingering.LINGER_SECONDS = 2.0
"""


@pytest.fixture(scope="module")
def hasty(http_settings: Settings, logs: Path) -> Generator[Api]:
    with serving(http_settings, logs / "hasty.log", before=SHORT) as api:
        yield api


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
async def test_nobody_is_waited_for_without_end(hasty: Api, drips: bool) -> None:
    """A client that reads its answer, and neither closes nor sends what it has promised."""
    parts = urlsplit(hasty.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    port = writer.get_extra_info("sockname")[1]
    server = psutil.Process(hasty.process.pid)

    async def is_given_up() -> bool:
        if drips:
            writer.write(b" ")
        return not any(one.raddr and one.raddr.port == port for one in server.net_connections("tcp"))

    writer.write(b"PUT /nothing HTTP/1.0\r\nContent-Length: 1000000\r\n\r\n")
    try:
        assert b" 404 " in await asyncio.wait_for(reader.read(), PATIENCE)
        assert not await is_given_up()
        await eventually(is_given_up, "the end of a connection on which nothing is awaited")
    finally:
        writer.transport.abort()
