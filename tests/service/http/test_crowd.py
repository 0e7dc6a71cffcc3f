"""Half-sent requests, however many, shut nobody out: the oldest make room."""

import asyncio
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from service.http.crowd import GRACE, MOST_PER_ADDRESS, MOST_WAITING, RESERVED_FILES, Crowd
from service.settings import Settings
from tests.security.raw import PATIENCE
from tests.service.http.looking import eventually
from tests.service.http.serving import Api, serving

MANY = 1200


class Guest:
    """A connection that only notes what becomes of it."""

    def __init__(self, network: str) -> None:
        self.network = network
        self.news = False
        self.is_out = False

    def has_news(self) -> bool:
        return self.news

    def show_out(self) -> None:
        self.is_out = True


def guests(count: int) -> list[Guest]:
    return [Guest("192.0.2.1") for _ in range(count)]


def left(some: list[Guest]) -> list[Guest]:
    return [guest for guest in some if not guest.is_out]


def test_an_address_keeps_its_newest_and_others_keep_theirs() -> None:
    crowd, many, one = Crowd(5000), guests(MOST_PER_ADDRESS + 30), Guest("192.0.2.2")
    for guest in (one, *many):
        crowd.waits(guest, 0.0)
    crowd.thin_out(GRACE - 0.1)
    assert len(left(many)) == len(many)
    crowd.thin_out(GRACE + 0.1)
    assert left(many) == many[30:]
    assert not one.is_out


def test_all_together_are_bounded() -> None:
    crowd, many = Crowd(5000), [Guest(f"192.0.2.{n}") for n in range(MOST_WAITING + 7)]
    for guest in many:
        crowd.waits(guest, 0.0)
    crowd.thin_out(GRACE + 0.1)
    assert left(many) == many[7:]


def test_who_is_served_is_counted_no_longer() -> None:
    crowd, many = Crowd(5000), guests(MOST_PER_ADDRESS + 30)
    for guest in many:
        crowd.waits(guest, 0.0)
    for guest in many[:20]:
        crowd.leaves(guest)
    for guest in many[20:30]:
        crowd.rests(guest, 1.0)
    crowd.thin_out(GRACE + 0.1)
    assert left(many) == many


def test_what_has_arrived_and_was_not_read_yet_is_not_lost() -> None:
    crowd, many = Crowd(5000), guests(MOST_PER_ADDRESS + 1)
    many[0].news = True
    for guest in many:
        crowd.waits(guest, 0.0)
    crowd.thin_out(GRACE + 0.1)
    assert [guest.is_out for guest in many[:3]] == [False, True, False]


def test_files_that_run_out_make_room_first_of_those_who_wait_then_of_those_who_rest() -> None:
    crowd = Crowd(2 * RESERVED_FILES)
    assert crowd.make_room(RESERVED_FILES - 1)
    resting, waiting = Guest("192.0.2.1"), Guest("192.0.2.2")
    crowd.rests(resting, 0.0)
    crowd.waits(waiting, 1.0)
    assert crowd.make_room(RESERVED_FILES)
    assert (waiting.is_out, resting.is_out) == (True, False)
    assert crowd.make_room(RESERVED_FILES)
    assert resting.is_out
    assert not crowd.make_room(RESERVED_FILES)


FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, {hard}))
"""


@pytest.fixture(scope="module", params=["1024", "resource.getrlimit(resource.RLIMIT_NOFILE)[1]"], ids=["few", "many"])
def crowded(http_settings: Settings, request: pytest.FixtureRequest, logs: Path) -> Generator[Api]:
    """With 1,024 open files and no more to be had, and with as many as the system gives."""
    with serving(http_settings, logs / "crowd.log", before=FILES.format(hard=request.param)) as api:
        yield api


async def half_a_head(api: Api) -> asyncio.StreamWriter:
    parts = urlsplit(api.base_url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-")
    return writer


async def test_half_sent_heads_shut_nobody_out(crowded: Api) -> None:
    held: list[asyncio.StreamWriter] = []
    process = psutil.Process(crowded.process.pid)
    try:
        for _ in range(MANY // 100):
            held += await asyncio.gather(*(half_a_head(crowded) for _ in range(100)))
            async with httpx.AsyncClient(base_url=crowded.base_url) as client:
                began = time.monotonic()
                answer = await client.get("/livez", timeout=PATIENCE)
                assert answer.status_code == 200
                assert time.monotonic() - began < PATIENCE / 4

        async def thinned() -> bool:
            return len(process.net_connections("tcp")) < MOST_PER_ADDRESS + 20

        await eventually(thinned, "fewer half-sent requests of one address")
    finally:
        for writer in held:
            writer.transport.abort()
    assert "Traceback" not in crowded.log.read_text()
