"""How an answer is sent, and how a connection is closed whose peer is still sending: it reads our answer first.

A socket that is closed with unread bytes in it is reset, and the answer that was on its way is lost. nginx, which
speaks HTTP/1.0 to us by default, makes a 502 of that.

uvicorn writes an answer's head and its body one after the other; here they go to the system together, once.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Final

MOST_UNREAD: Final = 2**27
"""Bytes of a body that nobody wants any more which are taken in: clients that send all of it before they listen."""

LINGER_SECONDS = 60.0
SILENCE_SECONDS = 5.0
"""For so long in all, and so long without a byte, such a client is waited for."""

MOST_HELD: Final = 65_536
"""Bytes of an answer that wait for the rest of it, until whoever writes it pauses."""


class LingeringTransport(asyncio.Transport):
    """A connection's transport; `close` says that nothing more comes from us, and waits for the peer's end.

    Only while `is_sending` says that the peer has begun something. Whoever owns it hands in what arrives then, and
    calls `give_up_if_overdue` every second or so.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        is_sending: Callable[[], bool],
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._is_sending = is_sending
        self._end: float | None = None
        self._due = 0.0
        self._dropped = 0
        self._held: list[bytes | bytearray | memoryview] = []
        self._held_bytes = 0

    @property
    def lingers(self) -> bool:
        """Whether what arrives is only taken in to be thrown away."""
        return self._end is not None

    def close(self) -> None:
        if self.is_closing():
            return
        self._send()
        if not self._is_sending():
            self._transport.close()
            return
        now = self._loop.time()
        self._end, self._due = now + LINGER_SECONDS, now + SILENCE_SECONDS
        self._transport.write_eof()
        self._transport.resume_reading()

    def close_now(self) -> None:
        """Close, whatever the peer does."""
        self._send()
        self._transport.close()

    def drop(self, data: bytes) -> None:
        """Throw away what arrived meanwhile."""
        self._dropped += len(data)
        if self._dropped > MOST_UNREAD:
            self._transport.close()
        elif self._end is not None:
            self._due = min(self._loop.time() + SILENCE_SECONDS, self._end)

    def give_up_if_overdue(self) -> None:
        """Close a connection that lingers and is silent, or goes on for too long."""
        if self.lingers and self._due < self._loop.time():
            self._transport.close()

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.lingers:
            # What still makes an answer then makes it for nobody.
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MOST_HELD:
            self._send()
        elif len(self._held) == 1:
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        if held and not self._transport.is_closing():
            # Not `writelines`: asyncio's own, from Python 3.12 on, lets nobody pause however much waits, and never gets
            # rid of an empty piece.
            self._transport.write(b"".join(held))

    def get_write_buffer_size(self) -> int:
        return self._held_bytes + self._transport.get_write_buffer_size()

    def sent_and_not_taken(self) -> int:
        """Bytes that the system has taken from us and the peer not from it: megabytes, for a peer that is slow.

        Only Linux tells; elsewhere it looks as if nothing moved until a good part of them is gone.
        """
        if sys.platform != "linux":
            return 0
        import fcntl  # noqa: PLC0415 - Windows has none
        import termios  # noqa: PLC0415

        try:
            told = fcntl.ioctl(self.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            # Closed a moment ago, and not taken off the list yet.
            return 0
        return int.from_bytes(told, sys.byteorder)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
