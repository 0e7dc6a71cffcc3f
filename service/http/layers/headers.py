"""Headers that every answer has, also errors and files: what browsers may do with it, and what caches must know."""

from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

# Whatever names its own (a page that runs scripts, a file that may be shown on another site) keeps it.
DEFAULTS = {
    b"x-content-type-options": b"nosniff",
    # Addresses here are signed, or tell whose task it is.
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    # What belongs to a token or a session is nobody else's, also not whose who sits at the same browser next.
    b"cache-control": b"no-store",
    # Of no effect on requests that CORS_ORIGINS allows.
    b"cross-origin-resource-policy": b"same-origin",
}


class ResponseHeaders:
    """An ASGI layer that completes the headers of every response."""

    def __init__(self, app: ASGIApp, *, varies_by_origin: bool) -> None:
        self._app = app
        self._varies_by_origin = varies_by_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                completed: HTTPResponseStartEvent = {**message, "headers": self._complete(message)}  # pyright: ignore[reportAssignmentType]
                await send(completed)
            else:
                await send(message)

        await self._app(scope, receive, send_completed)

    def _complete(self, message: HTTPResponseStartEvent) -> list[tuple[bytes, bytes]]:
        headers = list(message["headers"])
        given = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in DEFAULTS.items() if name not in given]
        if self._varies_by_origin:
            # Also where no Origin was sent: a browser would give a page what it has cached for an <img>, and find it
            # without the header that lets the page read it.
            varies = [value for name, value in headers if name.lower() == b"vary"]
            if not any(b"origin" in value.lower() for value in varies):
                headers.append((b"vary", b"Origin"))
        return headers
