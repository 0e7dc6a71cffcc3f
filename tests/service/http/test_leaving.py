"""What becomes of connections when their process is asked to stop; tests/chaos replaces whole processes under load."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.settings import Settings
from tests import lives
from tests.service.http.serving import Api, serving

ASKED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Generator[Api]:
    with serving(settings, tmp_path / "api.log") as api:
        yield api


class Line:
    """A connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answer(self) -> bytes:
        """One answer's head, in lower case."""
        async with asyncio.timeout(lives.PATIENCE):
            told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = next(line for line in told.split(b"\r\n") if line.startswith(b"content-length: "))
            await self._reader.readexactly(int(length.split()[1]))
        return told

    async def closed(self) -> None:
        """Return when the service has closed it, without another word."""
        async with asyncio.timeout(lives.PATIENCE):
            assert await self._reader.read() == b""


@pytest.fixture
async def line(api: Api) -> AsyncGenerator[Line]:
    parts = urlsplit(api.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    yield Line(reader, writer)
    writer.transport.abort()


async def ask_to_stop(api: Api) -> None:
    """Return when the process takes its leave."""
    api.process.send_signal(signal.SIGTERM)

    async def leaving() -> bool:
        return "Shutting down" in api.log.read_text()

    await lives.until(leaving)


async def ended(api: Api) -> None:
    assert await asyncio.to_thread(api.process.wait, 10) == 0
    assert "Traceback" not in api.log.read_text()


@pytest.mark.parametrize("used", [False, True], ids=["never used", "used before"])
async def test_an_idle_connection_may_ask_once_more(api: Api, line: Line, used: bool) -> None:
    if used:
        line.writer.write(ASKED)
        assert b"connection: close" not in await line.answer()
    else:
        # Whoever is answered on another connection shows that this one, made before, is known as well.
        parts = urlsplit(api.base_url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(ASKED)
        await Line(reader, writer).answer()
        writer.transport.abort()
    await ask_to_stop(api)
    line.writer.write(ASKED)
    assert b"connection: close" in await line.answer()
    await line.closed()
    await ended(api)


async def test_an_idle_connection_that_asks_nothing_holds_nobody_up(api: Api, line: Line) -> None:
    line.writer.write(ASKED)
    await line.answer()
    await ask_to_stop(api)
    asked = time.monotonic()
    await line.closed()
    await ended(api)
    assert time.monotonic() - asked < 4


async def test_a_request_of_which_a_part_has_come_is_answered(api: Api, line: Line) -> None:
    line.writer.write(ASKED)
    await line.answer()
    line.writer.write(ASKED[:20])
    await ask_to_stop(api)
    await asyncio.sleep(1.5)  # longer than an idle connection stays
    line.writer.write(ASKED[20:])
    assert b"connection: close" in await line.answer()
    await ended(api)
