"""What every request gets, whatever becomes of it: an id, headers that others add, a line in the log."""

import re
import time
from secrets import token_hex

import structlog
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPResponseStartEvent,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from service.http.layers.proxies import client_address

REQUEST_ID = re.compile(rb"\A[A-Za-z0-9_.:-]{1,64}\Z")
LONGEST_PATH = 200
QUIET_PATHS = {"/livez", "/readyz", "/metrics"}

log = structlog.get_logger("darkroom.access")

Received = HTTPReceiveMessage | WebSocketReceiveMessage
"""Put together once: an annotation of a function within a function is computed each time."""


def request_id_of(scope: Scope) -> str:
    """The id of the request: the caller's `X-Request-Id` if it is a plain word, else one of ours."""
    return scope["state"]["request_id"]


def add_header(scope: Scope, name: str, value: str) -> None:
    """Add a header to the response, whoever makes it."""
    scope["state"]["headers"].append((name.lower().encode("latin-1"), value.encode("latin-1")))


def has_hung_up(scope: Scope) -> bool:
    """Whether the client went away before it was answered: that its request then fails is no fault of ours."""
    return scope["state"]["hung_up"]


def note_user(scope: Scope, user_id: str) -> None:
    """Whose request it is, for the log."""
    scope["state"]["user_id"] = user_id


class RequestContext:
    """Around everything that answers: requests that match no route, or fail, pass through it too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if REQUEST_ID.match(given) else token_hex(8)
        headers: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode())]
        # uvicorn shares one state among all requests of a lifespan: a request's own must be a copy.
        state = {**scope.get("state", {}), "request_id": request_id, "headers": headers, "hung_up": False}
        scope["state"] = state
        status, answered = 0, False

        async def receive_watched() -> Received:
            message = await receive()
            if message["type"] == "http.disconnect" and not answered:
                state["hung_up"] = True
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = int(message["status"])
                start: HTTPResponseStartEvent = {**message, "headers": [*message["headers"], *headers]}  # pyright: ignore[reportAssignmentType]
                await send(start)
            else:
                answered = message["type"] == "http.response.body" and not message.get("more_body", False)
                await send(message)

        started = time.perf_counter()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive_watched, send_with_headers)
        finally:
            if scope["path"] not in QUIET_PATHS:
                # The path only, as it was sent: a signed URL's query would let a reader of the log load the picture,
                # and a decoded line break would let a client write lines of its own.
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["raw_path"][:LONGEST_PATH].decode("latin-1"),
                    status=status,
                    milliseconds=round((time.perf_counter() - started) * 1000, 1),
                    address=client_address(scope),
                    **({"user": state["user_id"]} if "user_id" in state else {}),
                    **({"hung_up": True} if state["hung_up"] else {}),
                )
            structlog.contextvars.clear_contextvars()
