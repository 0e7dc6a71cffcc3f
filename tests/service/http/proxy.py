"""A door between the API and one of its servers, which a test can shut."""

import asyncio
import ctypes
import socket
import struct
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

CHUNK = 65_536

SO_ATTACH_FILTER, BPF_RET = 26, 6
"""Of Linux. A filter that returns at once, and 0, takes nothing of what arrives."""


class Proxy:
    """Passes TCP on to a server. Shut, it breaks connections and refuses new ones; silent, it passes nothing on."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._speaks = asyncio.Event()
        self._way = 0.0
        self._thread.start()
        self.let_through()
        user = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{self._port}").geturl()

    def shut(self) -> None:
        self._do(self._shut())

    def fall_silent(self) -> None:
        self._loop.call_soon_threadsafe(self._speaks.clear)

    def move_away(self, seconds: float) -> None:
        """From now on every piece takes so long, in either direction."""
        self._way = seconds

    def vanish(self) -> None:
        """Nothing that arrives by connections there are is even acknowledged any more; later ones pass (Linux)."""
        self._do(self._vanish())

    def let_through(self) -> None:
        self._way = 0.0
        self._loop.call_soon_threadsafe(self._speaks.set)
        if self._listener is None:
            self._do(self._listen())

    def close(self) -> None:
        self.shut()
        self._do(self._end_everything())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._listener is not None:
            listener, self._listener = self._listener, None
            # A server that is closed while it accepts somebody leaves that socket open.
            for socket in listener.sockets:
                self._loop.remove_reader(socket)
            await asyncio.sleep(0)
            listener.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _vanish(self) -> None:
        program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RET, 0, 0, 0))
        for writer in self._open:
            filter_ = struct.pack("HL", 1, ctypes.addressof(program))
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filter_)

    async def _end_everything(self) -> None:
        """A connection that was being accepted while the door shut has a task by now, or gets one.

        A task takes its first step before it is cancelled: what it was given is closed by nobody else.
        """
        myself = asyncio.current_task()
        for _ in range(3):
            await asyncio.sleep(0)
            running = asyncio.all_tasks() - {myself}
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            # Broken transports close in the loop's next round.
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._pumps.add(task)
        self._open.add(writer)

        def forget(_: asyncio.Task[None]) -> None:
            """Also of a task that was cancelled before its first step."""
            self._pumps.discard(task)
            self._open.discard(writer)
            writer.transport.abort()

        task.add_done_callback(forget)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._open.add(there_writer)
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._open.discard(there_writer)
            there_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._speaks.wait()
                await asyncio.sleep(self._way)
                writer.write(data)
                await writer.drain()
        # Either side's end is the end of both.
        writer.transport.abort()


@contextmanager
def proxied(url: str) -> Generator[Proxy]:
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
