"""A bound on what uvicorn leaves unbounded: a request's head, its chunks' extensions, its trailers."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD: Final = 65_536
"""Bytes that may come without completing a head or bringing anything of a body: uvicorn would keep them all."""


class BoundedHttp(HttpToolsProtocol):
    """Gives up a connection that only ever goes on: anybody could otherwise fill the memory, without a token."""

    _idle_bytes = 0
    _progress = False

    def data_received(self, data: bytes) -> None:
        self._progress = False
        super().data_received(data)
        self._idle_bytes = 0 if self._progress else self._idle_bytes + len(data)
        if self._idle_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The request's head is too long.")

    def on_headers_complete(self) -> None:
        self._progress = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._progress = True
        super().on_message_complete()
