"""Whoever is fetched from, or told of a task, and answers in crumbs for as long as it can: others don't wait for it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from service.outbound.guard import outbound_client
from service.outbound.lines import FEW_PIECES, LEAST_PIECE, Pieces

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SMALL, ENOUGH = b"1\r\nx\r\n", b"80\r\n" + bytes(LEAST_PIECE) + b"\r\n"


@asynccontextmanager
async def saying(begin: bytes, again: bytes, times: int | None = None, end: bytes = b"") -> AsyncGenerator[str]:
    """A server that says this to whoever comes, and its URL."""
    saying_it: set[asyncio.Task[None] | None] = set()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        saying_it.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            for _ in range(times or 10**9):
                writer.write(again)
                await writer.drain()
            writer.write(end)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(say, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    for one in filter(None, saying_it):
        one.cancel()
        await asyncio.wait({one})


async def fetched(url: str) -> bytes:
    async with asyncio.timeout(20), outbound_client(allow_private=True, seconds=10) as client:
        return (await client.get(url)).content


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        pytest.param(b"", b"HTTP/1.1 100 \r\n\r\n" * 1000, id="provisional answers"),
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100, id="with headers"),
        pytest.param(CHUNKED, SMALL * 1000, id="a byte at a time"),
        pytest.param(OK, b"a: b\r\n" * 1000, id="headers"),
    ],
)
async def test_what_comes_in_crumbs_is_given_up(begin: bytes, again: bytes) -> None:
    async with saying(begin, again) as url:
        with pytest.raises(httpx.RemoteProtocolError):
            await fetched(url)


@pytest.mark.parametrize(
    ("begin", "again", "times", "end", "size"),
    [
        pytest.param(CHUNKED, SMALL, FEW_PIECES - 1, b"0\r\n\r\n", FEW_PIECES - 1, id="a few small pieces"),
        pytest.param(CHUNKED, ENOUGH, 5000, b"0\r\n\r\n", 5000 * LEAST_PIECE, id="many of some size"),
        pytest.param(b"HTTP/1.1 103 \r\n\r\n" * 20 + CHUNKED, ENOUGH, 10, b"0\r\n\r\n", 10 * LEAST_PIECE, id="hints"),
        pytest.param(OK + b"Content-Length: 9000000\r\n\r\n", bytes(9000), 1000, b"", 9_000_000, id="a photo"),
    ],
)
async def test_what_does_not_is_taken(begin: bytes, again: bytes, times: int, end: bytes, size: int) -> None:
    async with saying(begin, again, times, end) as url:
        assert len(await fetched(url)) == size


async def test_others_have_their_turn_between_two_pieces() -> None:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(50):
                yield b"x"

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    seen = [turns async for _ in Pieces(Body())]
    beside.cancel()
    assert len(set(seen)) == len(seen) == 50
