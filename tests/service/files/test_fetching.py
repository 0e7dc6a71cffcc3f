"""Uploads by URL: the guard's refusals and the receiver's faults have codes, and nothing is left behind."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from service.files import fetching
from service.files.fetching import MOST_AT_ONCE, Fetcher
from service.outbound.guard import GuardedTransport
from service.refusals import Refused

PUBLIC = "93.184.215.14"
MOST = 100_000

Answer = Callable[[httpx.Request], httpx.Response]


class Body(httpx.AsyncByteStream):
    """So many pieces, as long as somebody reads."""

    def __init__(self, pieces: int, *, breaks: bool = False) -> None:
        self.pieces, self.breaks, self.read = pieces, breaks, 0

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        for _ in range(self.pieces):
            self.read += 1
            yield b"x" * 10_000
        if self.breaks:
            raise httpx.RemoteProtocolError("closed in the middle")


def fetcher(answer: Answer, directory: Path) -> Fetcher:
    async def resolve(host: str) -> list[str]:
        return ["10.0.0.1"] if host.startswith("ours") else [PUBLIC]

    transport = GuardedTransport(allow_private=False, resolve=resolve, inner=httpx.MockTransport(answer))
    return Fetcher(allow_private=False, max_bytes=MOST, directory=directory, transport=transport)


def left_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def answering(status: int, body: Body, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, headers=named, stream=body)


def redirecting(location: str) -> Answer:
    return answering(302, Body(0), Location=location)


async def test_what_is_there_comes_with_its_name_and_leaves_nothing(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/p":
            return httpx.Response(301, headers={"Location": "/photos/M%C3%BCnchen.jpg?size=l"}, stream=Body(0))
        return httpx.Response(200, stream=Body(3))

    async with fetcher(answer, tmp_path).fetch("usr_1", "https://a.example/p", "source") as received:
        assert (received.filename, received.purpose, received.size) == ("München.jpg", "source", 30_000)
        assert received.path.read_bytes() == b"x" * 30_000
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "answer", "code", "words"),
    [
        ("http://127.0.0.1/", redirecting("/"), Code.URL_NOT_ALLOWED, "public"),
        ("file:///etc/passwd", redirecting("/"), Code.URL_NOT_ALLOWED, "http"),
        ("https://ours.example/", redirecting("/"), Code.URL_NOT_ALLOWED, "private"),
        ("https://a.example/", redirecting("http://[::1]/"), Code.URL_NOT_ALLOWED, "public"),
        ("https://a.example/", redirecting("https://ours.example/"), Code.URL_NOT_ALLOWED, "private"),
        ("https://a.example/", redirecting("javascript:x"), Code.URL_NOT_ALLOWED, "http"),
        ("https://a.example/", redirecting("https://xn--a/"), Code.URL_NOT_ALLOWED, "http"),
        ("https://a.example/", redirecting("/"), Code.URL_UNREACHABLE, "redirects more than 3 times"),
        ("https://a.example/", answering(404, Body(1)), Code.URL_UNREACHABLE, "answered 404"),
        ("https://a.example/", answering(204, Body(0)), Code.URL_UNREACHABLE, "answered 204"),
        (
            "https://a.example/",
            answering(200, Body(2, breaks=True)),
            Code.URL_UNREACHABLE,
            "connection broke",
        ),
        (
            "https://a.example/",
            answering(200, Body(0), Content_Length="1000000000"),
            Code.FILE_TOO_LARGE,
            "too large",
        ),
    ],
)
async def test_what_can_not_be_fetched_says_what_came_back(
    tmp_path: Path, url: str, answer: Answer, code: Code, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        async with fetcher(answer, tmp_path).fetch("usr_1", url, None):
            pytest.fail("it was fetched")
    assert refused.value.code is code
    assert words in refused.value.message
    assert left_in(tmp_path) == []


async def test_too_much_is_not_read_to_its_end(tmp_path: Path) -> None:
    flood = Body(1_000_000)
    with pytest.raises(Refused) as refused:
        async with fetcher(answering(200, flood), tmp_path).fetch("usr_1", "https://a.example/", None):
            pytest.fail("it was fetched")
    assert refused.value.code is Code.FILE_TOO_LARGE
    assert flood.read <= MOST / 10_000 + 1


async def test_what_hangs_is_given_up_and_a_user_has_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FETCHED_WITHIN", 0.3)

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    at = fetcher(hang, tmp_path)  # pyright: ignore[reportArgumentType] - httpx takes coroutines as well

    async def code(user_id: str) -> Code:
        with pytest.raises(Refused) as refused:
            async with at.fetch(user_id, "https://a.example/", None):
                pytest.fail("it was fetched")
        return refused.value.code

    one = [code("usr_1") for _ in range(MOST_AT_ONCE + 1)]
    codes = await asyncio.gather(*one, code("usr_2"))
    assert codes.count(Code.RATE_LIMITED) == 1
    assert codes[-1] is Code.URL_UNREACHABLE
    assert await code("usr_1") is Code.URL_UNREACHABLE
