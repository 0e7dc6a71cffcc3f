"""No request that somebody's URL causes reaches our own network, whatever names and redirects lead to."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from service.outbound import resolving
from service.outbound.fetching import TooManyRedirects, fetched
from service.outbound.guard import AddressNotAllowed, GuardedTransport, outbound_client
from service.outbound.resolving import resolve
from service.outbound.urls import NotAllowed
from tests.running import NO_TLS

PUBLIC = "93.184.215.14"
OTHER_PUBLIC = "2606:4700:4700::1111"
Answer = Callable[[httpx.Request], httpx.Response]


class Net:
    """Names that lead somewhere, and what is there."""

    def __init__(self, names: dict[str, list[list[str]]], answer: Answer = lambda _: httpx.Response(200)) -> None:
        self._names: dict[str, Iterator[list[str]]] = {name: iter(answers) for name, answers in names.items()}
        self._answer = answer
        self.reached: list[httpx.Request] = []

    async def resolve(self, host: str) -> list[str]:
        return next(self._names[host]) if host in self._names else await resolve(host)

    def client(self) -> httpx.AsyncClient:
        transport = GuardedTransport(allow_private=False, resolve=self.resolve, inner=httpx.MockTransport(self._handle))
        return outbound_client(allow_private=False, seconds=1, transport=transport)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.reached.append(request)
        return self._answer(request)


async def test_a_name_is_looked_up_once_and_what_was_judged_is_called() -> None:
    net = Net({"a.example": [[PUBLIC], ["127.0.0.1"]]})
    async with net.client() as client:
        await client.post("https://a.example/hook?x=1", content=b"{}")
        with pytest.raises(AddressNotAllowed):
            await client.post("https://a.example/hook?x=1", content=b"{}")
    (request,) = net.reached
    assert str(request.url) == f"https://{PUBLIC}/hook?x=1"
    assert request.headers["Host"] == "a.example"
    assert request.extensions["sni_hostname"] == "a.example"
    assert request.read() == b"{}"


@pytest.mark.parametrize(
    "ours",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::"),  # noqa: S104
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1%eth0", "fd00::1", "ff02::1"),
    ],
)
async def test_one_address_of_ours_among_the_answers_is_enough(ours: str) -> None:
    net = Net({"a.example": [[PUBLIC, ours], [ours]]})
    async with net.client() as client:
        for _ in range(2):
            with pytest.raises(AddressNotAllowed, match=r"a\.example"):
                await client.get("http://a.example/")
    assert net.reached == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.0.0.1", "[::1]", "0"]
)
async def test_every_spelling_is_judged_as_what_it_leads_to(host: str) -> None:
    net = Net({})
    async with net.client() as client:
        with pytest.raises(AddressNotAllowed):
            await client.get(f"http://{host}:8080/")
    assert net.reached == []


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == PUBLIC:
            raise httpx.ConnectError("down", request=request)
        return httpx.Response(204)

    net = Net({"a.example": [[PUBLIC, OTHER_PUBLIC], [PUBLIC]]}, answer)
    async with net.client() as client:
        assert (await client.get("http://a.example/")).status_code == 204
        with pytest.raises(httpx.ConnectError):
            await client.get("http://a.example/")


async def test_the_certificate_asked_for_is_the_names() -> None:
    said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.set_result(await reader.read(2000))
        writer.close()

    async def lead_here(_host: str) -> list[str]:
        return ["127.0.0.1"]

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = GuardedTransport(
            allow_private=True, resolve=lead_here, inner=httpx.AsyncHTTPTransport(verify=NO_TLS)
        )
        async with outbound_client(allow_private=True, seconds=10, transport=transport) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"https://hooks.example:{port}/")
    assert b"hooks.example" in await said


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("http://127.0.0.1/secret", NotAllowed),
        ("http://[::ffff:10.0.0.1]/", NotAllowed),
        ("http://2130706433/", NotAllowed),
        ("http://user:word@b.example/", NotAllowed),
        ("http://ours.example/", AddressNotAllowed),
        ("ftp://b.example/", NotAllowed),
    ],
)
async def test_a_redirect_is_judged_like_the_first_address(target: str, refusal: type[Exception]) -> None:
    net = Net(
        {"a.example": [[PUBLIC]], "ours.example": [["10.0.0.1"]]},
        lambda _: httpx.Response(302, headers={"Location": target}),
    )
    async with net.client() as client:
        with pytest.raises(refusal):
            async with fetched(client, "https://a.example/photo.jpg", allow_private=False):
                pytest.fail("it was asked")
    assert len(net.reached) == 1


async def test_so_many_redirects_and_no_more() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        left = int(request.url.path[1:])
        return httpx.Response(302, headers={"Location": f"/{left - 1}"}) if left else httpx.Response(200, content=b"it")

    net = Net({"a.example": [[PUBLIC]] * 8}, answer)
    async with net.client() as client:
        async with fetched(client, "https://a.example/3", allow_private=False) as response:
            assert await response.aread() == b"it"
        with pytest.raises(TooManyRedirects):
            async with fetched(client, "https://a.example/4", allow_private=False):
                pytest.fail("it was followed")


async def test_nothing_is_remembered_and_nothing_followed_by_itself() -> None:
    net = Net(
        {"a.example": [[PUBLIC]] * 2},
        lambda _: httpx.Response(302, headers={"Location": "/there", "Set-Cookie": "who=me"}),
    )
    async with net.client() as client:
        for _ in range(2):
            assert (await client.get("https://a.example/")).status_code == 302
    assert [request.headers.get("Cookie") for request in net.reached] == [None, None]


async def test_each_request_has_a_connection_of_its_own_and_asks_for_bodies_as_they_are() -> None:
    """One that is kept would be taken for any name at that address, one for https with the first one's certificate."""
    came: list[list[bytes]] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        came.append([])
        while (line := await reader.readline()) != b"":
            came[-1].append(line)
            if line == b"\r\n":
                writer.write(b"HTTP/1.1 204 Kept\r\nConnection: keep-alive\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with outbound_client(allow_private=True, seconds=10) as client:
            for _ in range(2):
                assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 204
        await asyncio.gather(*filter(None, serving))
    assert [lines.count(b"Accept-Encoding: identity\r\n") for lines in came] == [1, 1]


async def test_look_ups_that_hang_keep_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    while resolving._free.acquire(blocking=False):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as if that many hung
        taken += 1
    try:
        assert taken == resolving.MOST_LOOKUPS
        with pytest.raises(socket.gaierror):
            await resolve("localhost")
        assert await resolve(PUBLIC) == [PUBLIC]
    finally:
        for _ in range(taken):
            resolving._free.release()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    assert await resolve("localhost")

    def fail(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        await resolve("nowhere.example")
