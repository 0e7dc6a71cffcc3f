"""Bounds on what uvicorn leaves unbounded: how long a request's head may get, and how slowly a client may go on."""

import asyncio
import select
from http import HTTPStatus
from typing import ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.http.crowd import Crowd
from service.http.layers.proxies import network_of
from service.http.lingering import LingeringTransport

LONGEST_HEAD: Final = 65_536
"""Bytes of a head, or that may come without completing one or bringing anything of a body: uvicorn keeps them all."""

LONGEST_TARGET: Final = 8192
MOST_HEADERS: Final = 100
"""Each costs us more than the client that sends it."""

FEW_PIECES: Final = 500
LEAST_PIECE: Final = 128
"""What arrives at once may hold so many pieces of a body, and as many more as have so many bytes. Each costs the same
time, in which nobody else is served, and a client that streams sends thousands of bytes in each."""

MOST_PIPELINED: Final = 50
"""Requests that wait behind one on their connection. Beyond, and while they wait, nothing more of it is read."""

HEAD_WITHIN = 30.0
"""Seconds from a connection's first moment, or a request's first byte, to the end of the request's head."""

PATIENCE = 60.0
SLOWEST = 1000
"""A body may come, and an answer be taken, at this many bytes a second, and fall behind by that many seconds."""


class Overwhelming(Exception):  # noqa: N818 - what it is
    """What came is worth no more of our time; the parser stops at it, and uvicorn takes it for what isn't HTTP."""


class BoundedHttp(HttpToolsProtocol):
    """Gives up a connection that only ever goes on, or hardly does: anybody could hold memory and sockets, unnamed."""

    crowd: ClassVar[Crowd] = Crowd(open_files=1024)
    """Those of this process who owe us a request."""

    network = ""
    """Where the peer is, to limits per address."""

    _line: LingeringTransport
    """What `transport` is, by its own type."""

    _idle_bytes = 0
    _head_bytes = 0
    _progress = False
    _in_message = False
    """Whether the peer has begun a request and not ended it."""

    _refused = False
    _pieces_left = 0
    """Pieces of a body that what has just arrived may still hold."""

    _due: float | None = None
    """When the peer must have sent what is awaited; None while it is our turn, or nobody's: an idle connection's
    time-out is uvicorn's."""

    _taken_by: float | None = None
    """When the peer must have taken something of what waits to be sent; None while nothing waits."""

    _untaken = 0

    @property
    def has_begun_head(self) -> bool:
        """Whether a part of a request's head has come, or something that may become one."""
        return self._idle_bytes > 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._line = LingeringTransport(transport, self.loop, lambda: self._in_message or self.has_begun_head)
        now = self.loop.time()
        self._due = now + HEAD_WITHIN
        has_room = self.crowd.make_room(len(self.connections))
        super().connection_made(self._line)
        self.network = network_of(self.client[0] if self.client else None)
        if has_room:
            self.crowd.waits(self, now)
        else:
            self._answer_and_close(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leaves(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._line.lingers:
            self._line.drop(data)
            return
        self._progress = False
        if self._due is None:
            now = self.loop.time()
            self._due = now + HEAD_WITHIN
            if not self._is_answering():
                self.crowd.waits(self, now)
        self._pieces_left = FEW_PIECES + len(data) // LEAST_PIECE
        super().data_received(data)
        self._idle_bytes = 0 if self._progress else self._idle_bytes + len(data)
        if self._idle_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        self._due = self.loop.time() + HEAD_WITHIN
        self._in_message = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._progress = True
        self._due = self.loop.time() + PATIENCE
        if len(self.url) > LONGEST_TARGET:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif len(self.headers) > MOST_HEADERS or self._head_bytes > LONGEST_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self.crowd.leaves(self)
            super().on_headers_complete()
            if len(self.pipeline) > MOST_PIPELINED:
                self._line.close_now()
                raise Overwhelming

    def on_body(self, body: bytes) -> None:
        self._pieces_left -= 1
        if self._pieces_left < 0:
            if self._is_answering() and self.cycle.response_started:
                self._line.close_now()
            raise Overwhelming
        if self._refused:
            return
        self._progress = True
        if self._due is not None:
            self._due = _later(self._due, len(body), self.loop.time())
        if self.cycle.response_complete:
            # Answered already: the rest is read so that the answer isn't lost, but not for ever.
            self._line.drop(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._refused:
            return
        self._progress = True
        self._due = None
        super().on_message_complete()
        if self.cycle.response_complete:
            self.crowd.rests(self, self.loop.time())

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline:
            # uvicorn reads on with each answer, however many requests wait here.
            self.flow.pause_reading()
        if not self.transport.is_closing() and not self.pipeline:
            (self.crowd.waits if self._in_message else self.crowd.rests)(self, self.loop.time())

    def has_news(self) -> bool:
        poller = select.poll()
        poller.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def show_out(self) -> None:
        self._line.close_now()

    def give_up_if_overdue(self) -> None:
        """Close the connection if its peer is too slow; to be called every second or so."""
        now = self.loop.time()
        self._give_up_if_untaken(now)
        self._line.give_up_if_overdue()
        if self._due is None or self._due > now or self.transport.is_closing():
            return
        if self.flow.read_paused:
            # It is we who don't read.
            self._due = now + PATIENCE
            return
        cycle = self._running()
        if cycle is not None and not cycle.more_body:
            # What comes now belongs to a next request, which is looked at when this one is answered.
            return
        if self.has_begun_head or (cycle is not None and not cycle.response_started):
            # Not to a connection on which nothing was asked: a browser that opened it early would show this.
            self.transport.write(_bare_answer(HTTPStatus.REQUEST_TIMEOUT))
        self._line.close_now()

    def _give_up_if_untaken(self, now: float) -> None:
        """A client that doesn't read holds its answer, and what makes it, in memory."""
        untaken = self._line.get_write_buffer_size()
        if untaken:
            untaken += self._line.sent_and_not_taken()
        if untaken == 0:
            self._taken_by = None
        elif self._taken_by is None or untaken > self._untaken:
            # Something more was written: that happens only when enough has been taken.
            self._taken_by = now + PATIENCE
        else:
            self._taken_by = _later(self._taken_by, self._untaken - untaken, now)
            if self._taken_by < now:
                self._line.abort()
        self._untaken = untaken

    def _running(self) -> RequestResponseCycle | None:
        """The request that isn't answered yet."""
        # None before the first request, whatever its type says.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _is_answering(self) -> bool:
        return self._running() is not None

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer a request that nothing else is to see."""
        self._refused = True
        if self._is_answering():
            # An earlier request's answer is on its way, and would be mixed with this one.
            self._line.close_now()
        else:
            self._answer_and_close(status)

    def _answer_and_close(self, status: HTTPStatus) -> None:
        self.transport.write(_bare_answer(status))
        self.transport.close()


def _later(due: float, size: int, now: float) -> float:
    """Until when to wait, after so many bytes have passed."""
    return min(due + size / SLOWEST, now + PATIENCE)


def _bare_answer(status: HTTPStatus) -> bytes:
    return f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()
