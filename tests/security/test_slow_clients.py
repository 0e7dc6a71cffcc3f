"""Clients that send next to nothing for as long as they can are shown out; those that are merely slow are served."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from service.database import Connection
from service.settings import Settings
from tests import lives
from tests.security.test_bounds import head
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, PHOTO, Api, User, serving

PATIENCE = 0.5
"""What the service is told to have here; its own is tens of seconds."""

FASTER = f"""
from service.http import bounds
bounds.HEAD_WITHIN = bounds.PATIENCE = {PATIENCE}
"""
SOON = PATIENCE + 3
"""Seconds within which a slow client is shown out: a look a second, and a busy machine."""


@pytest.fixture(scope="module")
def impatient(http_settings: Settings, logs: Path) -> Generator[Api]:
    extra = {"MAX_UPLOAD_BYTES": str(30 * 2**20)}
    with serving(http_settings, logs / "impatient.log", extra, before=FASTER) as api:
        yield api


@pytest.fixture
async def somebody(impatient: Api, new_user: NewUser) -> User:
    return await new_user(impatient)


class Line:
    """A connection of one's own to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def drip(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send a piece, wait, send the next, until the other side has had enough."""
        with suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()
                await asyncio.sleep(pause)

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        said = bytearray()
        with suppress(ConnectionError):
            while piece := await self.reader.read(65_536):
                said += piece
        return bytes(said)

    async def answer(self) -> bytes:
        """One answer, whose length is told."""
        told = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in told.lower().split(b"\r\n") if line.startswith(b"content-length: "))
        return told + await self.reader.readexactly(int(length.split()[1]))


@pytest.fixture
async def line(impatient: Api) -> AsyncGenerator[Line]:
    parts = urlsplit(impatient.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    yield Line(reader, writer)
    writer.transport.abort()


async def shown_out(line: Line, opening: bytes, drop: bytes) -> bytes:
    """What a client hears that sends an opening and then drop after drop; it must be over soon."""
    began = time.monotonic()
    line.writer.write(opening)
    dripping = asyncio.create_task(line.drip([drop] * 1000, PATIENCE / 5))
    try:
        async with asyncio.timeout(lives.PATIENCE):
            said = await line.rest()
    finally:
        dripping.cancel()
    assert PATIENCE - 0.1 < time.monotonic() - began < SOON
    return said


async def test_a_connection_that_asks_nothing_is_closed_without_a_word(line: Line) -> None:
    began = time.monotonic()
    async with asyncio.timeout(lives.PATIENCE):
        assert await line.rest() == b""
    assert PATIENCE - 0.1 < time.monotonic() - began < SOON


@pytest.mark.parametrize(
    ("opening", "drop"),
    [(b"GET /", b"a"), (b"GET /livez HTTP/1.1\r\n", b"X: a\r\n"), (b"", b"\r\n")],
    ids=["path", "headers", "empty lines"],
)
async def test_a_head_that_comes_byte_by_byte(line: Line, opening: bytes, drop: bytes) -> None:
    assert (await shown_out(line, opening, drop)).startswith(b"HTTP/1.1 408 ")


async def test_a_second_head_that_comes_byte_by_byte(line: Line) -> None:
    line.writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 200 " in await line.answer()
    assert (await shown_out(line, b"GET /livez HTTP/1.1\r\n", b"X: a\r\n")).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("path", ["/tasks", "/uploads"])
@pytest.mark.parametrize("length", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
async def test_a_body_that_comes_byte_by_byte(line: Line, somebody: User, path: str, length: str) -> None:
    kind = "multipart/form-data; boundary=b" if path == "/uploads" else "application/json"
    opening = head("POST", API + path, somebody, f"Content-Type: {kind}", length)
    drop = b"1\r\n \r\n" if "chunked" in length else b" "
    assert (await shown_out(line, opening, drop)).startswith(b"HTTP/1.1 408 ")
    assert (await somebody.me())["user_id"] == somebody.user_id


async def test_a_body_whose_answer_was_given_long_ago(line: Line) -> None:
    """Nobody was let in; the connection stays for what is still to come, but not for ever."""
    opening = b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
    said = await shown_out(line, opening, b" ")
    assert said.startswith(b"HTTP/1.1 401 ")
    assert b" 408 " not in said


async def test_a_slow_upload_is_taken(line: Line, somebody: User) -> None:
    """A little faster than the slowest that is allowed, for several times the patience."""
    photo = PHOTO + bytes(6000)  # what follows a JPEG is nobody's concern
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + photo + b"\r\n--b--\r\n"
    opening = head(
        "POST",
        f"{API}/uploads",
        somebody,
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {len(body)}",
    )
    step = len(body) // 20 + 1
    assert 1000 < step / 0.1 < 10_000
    began = time.monotonic()
    await line.drip([opening, *(body[start : start + step] for start in range(0, len(body), step))], 0.1)
    assert time.monotonic() - began > 3 * PATIENCE
    async with asyncio.timeout(lives.PATIENCE):
        assert (await line.answer()).startswith(b"HTTP/1.1 201 ")


async def test_an_idle_connection_is_kept_as_ever(line: Line) -> None:
    for _ in range(2):
        line.writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(lives.PATIENCE):
            assert b" 200 " in await line.answer()
        await asyncio.sleep(2 * PATIENCE)


@pytest.mark.parametrize("afterwards", [b"", b"\r\n", b"GET /livez HTTP/1.1\r\n"], ids=["", "empty line", "next head"])
async def test_who_waits_for_an_answer_is_not_slow(
    line: Line, somebody: User, db: Connection, afterwards: bytes
) -> None:
    """However early it begins with what comes next."""
    task = await lives.create(db, somebody.user_id)
    line.writer.write(head("GET", f"{API}/tasks/{task.task_id}?wait=2", somebody) + afterwards)
    began = time.monotonic()
    async with asyncio.timeout(lives.PATIENCE):
        assert b" 200 " in await line.answer()
    assert time.monotonic() - began > 3 * PATIENCE


@pytest.mark.parametrize("reads", [False, True], ids=["nothing", "slowly"])
async def test_an_answer_that_is_not_taken_is_given_up(impatient: Api, somebody: User, reads: bool) -> None:
    """It holds a file open, and what was read of it in memory; who takes a little now and then is slow, no more."""
    url = (await somebody.upload(PHOTO + bytes(20 * 2**20))).json()["url"]
    parts = urlsplit(impatient.base_url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(lives.PATIENCE)
        await asyncio.to_thread(client.connect, (parts.hostname, parts.port))
        client.sendall(head("GET", url, somebody))
        port, server = client.getsockname()[1], psutil.Process(impatient.process.pid)

        def is_served() -> bool:
            return any(one.raddr and one.raddr.port == port for one in server.net_connections("tcp"))

        assert b" 200 " in await asyncio.to_thread(client.recv, 100)
        began = time.monotonic()
        while is_served() and time.monotonic() - began < (SOON if reads else 4 * SOON):
            if reads:
                await asyncio.to_thread(client.recv, 65_536)
            await asyncio.sleep(0.02)
        assert is_served() == reads
