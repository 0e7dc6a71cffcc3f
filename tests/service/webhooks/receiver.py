"""A receiver of webhooks over real sockets, that behaves as it is told."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct
from standardwebhooks.webhooks import Webhook

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Came(Struct, frozen=True):
    """A request as it came."""

    headers: dict[str, str]
    body: bytes

    def verified_by(self, secret: str) -> dict[str, Any]:
        """The body, if its signature is right; raises otherwise."""
        Webhook(secret).verify(self.body, self.headers)
        return msgspec.json.decode(self.body)


Behaviour = Callable[[Came, asyncio.StreamWriter], Awaitable[None]]


def answers(answer: bytes = OK) -> Behaviour:
    async def answer_it(_: Came, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return answer_it


def status(code: int, *headers: str) -> Behaviour:
    lines = [f"HTTP/1.1 {code} As told", "Content-Length: 0", *headers, "", ""]
    return answers("\r\n".join(lines).encode())


async def hang(_came: Came, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


class Receiver:
    """`behave` may be changed at any time; `came` are the requests so far."""

    def __init__(self) -> None:
        self.behave: Behaviour = answers()
        self.came: list[Came] = []
        self.at_once = 0
        """The most that were being answered at a time."""
        self.url = ""
        self._now = 0
        self._connected: set[asyncio.StreamWriter] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:]) if name}
            came = Came(headers, await reader.readexactly(int(headers.get("content-length", "0"))))
            self.came.append(came)
            self._now = len(self._connected)
            self.at_once = max(self.at_once, self._now)
            await self._behave_until_it_leaves(came, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connected.discard(writer)
            self._now = len(self._connected)
            writer.close()

    async def let_go(self) -> None:
        """Hang up on whoever is still there."""
        while self._connected:
            for writer in self._connected:
                writer.close()
            await asyncio.sleep(0)

    async def _behave_until_it_leaves(
        self, came: Came, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        behaving, leaving = asyncio.ensure_future(self.behave(came, writer)), asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait({behaving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for one in {behaving, leaving} - done:
            one.cancel()
        await asyncio.gather(behaving, leaving, return_exceptions=True)


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.let_go()
