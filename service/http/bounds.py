"""Bounds on what uvicorn leaves unbounded: how long a request's head may get, and how slowly a request may come."""

import asyncio
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LONGEST_HEAD: Final = 65_536
"""Bytes that may come without completing a head or bringing anything of a body: uvicorn would keep them all."""

HEAD_WITHIN = 30.0
"""Seconds from a connection's first moment, or a request's first byte, to the end of the request's head."""

BODY_PATIENCE = 60.0
SLOWEST_BODY = 1000
"""A body may come at this many bytes a second, and fall behind by that many seconds."""

TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Gives up a connection that only ever goes on, or hardly does: anybody could hold memory and sockets, unnamed."""

    _idle_bytes = 0
    _progress = False
    _due: float | None = None
    """When the peer must have sent what is awaited; None while it is our turn, or nobody's: an idle connection's
    time-out is uvicorn's."""

    @property
    def has_begun_head(self) -> bool:
        """Whether a part of a request's head has come, or something that may become one."""
        return self._idle_bytes > 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._due = self.loop.time() + HEAD_WITHIN

    def data_received(self, data: bytes) -> None:
        self._progress = False
        if self._due is None:
            self._due = self.loop.time() + HEAD_WITHIN
        super().data_received(data)
        self._idle_bytes = 0 if self._progress else self._idle_bytes + len(data)
        if self._idle_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        self._due = self.loop.time() + HEAD_WITHIN
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._progress = True
        self._due = self.loop.time() + BODY_PATIENCE
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress = True
        if self._due is not None:
            self._due = min(self._due + len(body) / SLOWEST_BODY, self.loop.time() + BODY_PATIENCE)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        self._due = None
        super().on_message_complete()

    def give_up_if_overdue(self) -> None:
        """Close the connection if its peer is too slow; to be called every second or so."""
        now = self.loop.time()
        if self._due is None or self._due > now or self.transport.is_closing():
            return
        if self.flow.read_paused:
            # It is we who don't read.
            self._due = now + BODY_PATIENCE
            return
        # None before the first request, whatever its type says.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        running = None if cycle is None or cycle.response_complete else cycle
        if running is not None and not running.more_body:
            # What comes now belongs to a next request, which is looked at when this one is answered.
            return
        if self.has_begun_head or (running is not None and not running.response_started):
            # Not to a connection on which nothing was asked: a browser that opened it early would show this.
            self.transport.write(TOO_SLOW)
        self.transport.close()
