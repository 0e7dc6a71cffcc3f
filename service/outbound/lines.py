"""Connections to whoever somebody named: what comes in crumbs, or never gets to an answer, keeps nobody else waiting.

A parser that has a thousand little pieces at hand takes them without a pause, and everything else in its event loop
waits: for seconds, with a few connections over which somebody sends nothing but such.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, cast

import httpcore
import httpx

LONGEST_HEAD: Final = 65_536
"""Bytes before an answer's body: provisional answers, of which there may be any number, and the head."""

HEAD_READ: Final = 4096
"""Bytes of these that are parsed at once."""

FEW_PIECES: Final = 1000
LEAST_PIECE: Final = 128
"""A body may come in so many pieces, and in more if they have so many bytes on the average."""


class Line(httpcore.AsyncNetworkStream):
    """A connection's bytes, few at a time until there is an answer."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._came = 0
        self.answered = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        if self.answered:
            return await self._inner.read(max_bytes, timeout)
        data = await self._inner.read(min(max_bytes, HEAD_READ), timeout)
        self._came += len(data)
        if self._came > LONGEST_HEAD:
            raise httpcore.RemoteProtocolError("no answer, or none with a head of a usual size")
        await asyncio.sleep(0)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> "Line":
        return Line(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Network(httpcore.AsyncNetworkBackend):
    """Makes connections of this kind."""

    def __init__(self) -> None:
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Line:
        return Line(await self._inner.connect_tcp(host, port, timeout, local_address, socket_options))


class Transport(httpx.AsyncHTTPTransport):
    """httpx's own, over such connections.

    None is kept for the next request: it would be taken for any name at the same address.
    """

    def __init__(self) -> None:
        context = httpx.create_ssl_context()
        super().__init__(verify=context)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context, max_connections=None, max_keepalive_connections=0, network_backend=Network()
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        line = response.extensions.get("network_stream")
        if isinstance(line, Line):
            line.answered = True
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = Pieces(response.stream)
        return response


class Pieces(httpx.AsyncByteStream):
    """A body as it comes, others' affairs between its pieces."""

    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces, size = 0, 0
        async for piece in self._inner:
            pieces, size = pieces + 1, size + len(piece)
            if pieces > FEW_PIECES + size // LEAST_PIECE:
                raise httpx.RemoteProtocolError("what came is in pieces too small")
            yield piece
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        await self._inner.aclose()
