"""How a process that is asked to stop takes leave of its connections: no request is lost on one that is kept open.

uvicorn closes idle connections at once, and with them requests that have arrived and weren't read yet.
"""

import asyncio
from typing import ClassVar

from service.http.bounds import BoundedHttp

LAST_CALL = 1.0
"""Seconds that an idle connection stays when the process is asked to stop: who asks something meanwhile is answered,
and told in the answer that it was the last one here."""


class LeavingHttp(BoundedHttp):
    """Closes a connection after an answer that says so, or when nothing was asked on it for a while.

    What is left is HTTP/1.1's own: a request that is on its way while its idle connection is being closed.
    """

    leaving: ClassVar[bool] = False
    """Whether this process is to end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.leaving:
            # Accepted just before the listener was closed.
            self.shutdown()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.leaving and not self._refused:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        if not self._is_answering():
            self.loop.call_later(LAST_CALL, self._close_if_idle)
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._line.lingers:
            self._line.close_now()
        elif not (self.transport.is_closing() or self._is_answering() or self.has_begun_head or self.has_news()):
            # What waits in the socket is read, and answered, as soon as we are done here.
            self.transport.close()
