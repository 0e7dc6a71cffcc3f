"""HEAD wherever GET is (RFC 9110, 9.3.2): the same answer, headers and all, without its body."""

import asyncio

from litestar.types import (
    ASGIApp,
    HTTPDisconnectEvent,
    HTTPResponseBodyEvent,
    Message,
    Receive,
    Scope,
    Send,
)

from service.http.layers.context import Received

END: HTTPResponseBodyEvent = {"type": "http.response.body", "body": b"", "more_body": False}
GONE: HTTPDisconnectEvent = {"type": "http.disconnect"}


class HeadAsGet:
    """An ASGI layer: what is inside sees a GET, by a client that hangs up when it has the headers.

    So a file isn't read from the storage to be thrown away, and a stream ends.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        answered = asyncio.Event()

        async def receive_until_answered() -> Received:
            if answered.is_set():
                return GONE
            return await receive()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send(END)
                answered.set()

        await self._app({**scope, "method": "GET"}, receive_until_answered, send_head)  # pyright: ignore[reportArgumentType]
