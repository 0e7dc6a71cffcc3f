"""A request names one host (RFC 9112, 3.2): with two, a proxy and we could read two different requests."""

import re
from http import HTTPStatus

import msgspec
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

from schema.models.problems import Problem, ProblemCode
from service.http.layers.context import request_id_of
from service.http.problems import LONGEST_INSTANCE, MEDIA_TYPE

HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]{0,5})?")


class OneHost:
    """An ASGI layer: 400 for no Host (HTTP/1.0 may leave it out), for several, and for what isn't host[:port]."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _names_one_host(scope):
            await self._app(scope, receive, send)
            return
        body = msgspec.json.encode(
            Problem(
                title=HTTPStatus.BAD_REQUEST.phrase,
                status=HTTPStatus.BAD_REQUEST,
                detail="A request takes one Host header: a name or an address, and perhaps a port.",
                instance=scope["path"][:LONGEST_INSTANCE],
                code=ProblemCode.INVALID_REQUEST,
                request_id=request_id_of(scope),
            )
        )
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": HTTPStatus.BAD_REQUEST,
            "headers": headers,
        }
        end: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
        await send(start)
        await send(end)


def _names_one_host(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if not hosts:
        return scope["http_version"] == "1.0"
    return len(hosts) == 1 and HOST.fullmatch(hosts[0].strip()) is not None
