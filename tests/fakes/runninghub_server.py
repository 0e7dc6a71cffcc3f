"""The sockets of the RunningHub that isn't: JSON and forms in, JSON out, and a host of results."""

import json
import re
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

from msgspec import Struct

CHUNK = b"\0" * 65_536
FILES = "/files/"


class Answer(Struct, frozen=True):
    """Bytes with a status; a lost one is made and not sent: the connection breaks."""

    status: int
    content: bytes
    lost: bool = False


class SentFile(Protocol):
    """What the host of results has under a name; an endless one never stops."""

    content: bytes
    status: int
    headers: Any
    endless: bool


class Hub(Protocol):
    """What answers."""

    def answer(self, path: str, body: dict[str, Any], upload: bytes | None) -> Answer: ...

    def file(self, name: str) -> SentFile: ...


def handler_of(hub: Any) -> type[BaseHTTPRequestHandler]:
    """What `http.server` calls for each request."""
    answering: Hub = hub

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body, upload = _understood(self.headers.get("Content-Type", ""), content)
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = answering.answer(self.path, ({"apiKey": bearer} if bearer else {}) | body, upload)
            if answer.lost:
                self.close_connection = True
                return
            self._send(answer.status, {"Content-Type": "application/json"}, answer.content)

        def do_GET(self) -> None:
            sent = answering.file(self.path.removeprefix(FILES))
            if sent.endless:
                _pour(self)
            else:
                self._send(sent.status, sent.headers, sent.content)

        def _send(self, status: int, headers: Any, content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Nobody reads it."""

    return Handler


def _pour(handler: BaseHTTPRequestHandler) -> None:
    """Bytes, until nobody takes them any more."""
    handler.close_connection = True
    handler.send_response(200)
    handler.end_headers()
    with suppress(ConnectionError):
        while True:
            handler.wfile.write(CHUNK)


def _understood(content_type: str, content: bytes) -> tuple[dict[str, Any], bytes | None]:
    """A body's fields, and its file."""
    kind, _, boundary = content_type.partition("; boundary=")
    if kind != "multipart/form-data":
        return json.loads(content or b"{}"), None
    fields: dict[str, Any] = {}
    upload = None
    for part in content.split(f"--{boundary}".encode())[1:-1]:
        head, _, value = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        assert name is not None
        if b"filename=" in head:
            upload = value
        else:
            fields[name[1].decode()] = value.decode()
    return fields, upload
