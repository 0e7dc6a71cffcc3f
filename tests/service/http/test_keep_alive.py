"""KEEP_ALIVE_SECONDS: how long a connection on which nothing is asked stays."""

import asyncio
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.settings import Settings
from tests.running import PATIENCE
from tests.service.http.serving import Api, serving

SECONDS = 1
ASKED = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def forgetful(http_settings: Settings, logs: Path) -> Generator[Api]:
    with serving(http_settings, logs / "forgetful.log", {"KEEP_ALIVE_SECONDS": str(SECONDS)}) as running:
        yield running


async def idle_for(api: Api, at_most: float) -> float:
    """Seconds that a connection stays after an answer."""
    parts = urlsplit(api.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(ASKED)
        await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE)
        began = time.monotonic()
        try:
            assert await asyncio.wait_for(reader.read(), at_most) == b""
        except TimeoutError:
            return at_most
        return time.monotonic() - began
    finally:
        writer.transport.abort()


async def test_it_is_as_long_as_it_was_set_to(forgetful: Api) -> None:
    assert SECONDS - 0.1 < await idle_for(forgetful, PATIENCE) < SECONDS + 5


async def test_by_default_it_outlasts_a_while(api: Api) -> None:
    """Longer than uvicorn's own five seconds, after which a balancer would send a request into nothing."""
    assert await idle_for(api, 6.0) == 6.0
