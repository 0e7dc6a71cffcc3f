"""HTTP as no client library would send it."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from msgspec import Struct

from tests.service.http.serving import Api

PATIENCE = 20.0


class RawAnswer(Struct, frozen=True):
    """What came back; `status` is 0 when the server closed the connection without a word."""

    status: int
    sent: int
    text: bytes


async def send_raw(api: Api, pieces: Iterable[bytes], *, stop_at: int = 2**40, to_the_end: bool = False) -> RawAnswer:
    """Send piece after piece until the server answers or closes, or `stop_at` bytes were taken; then read its answer.

    `to_the_end` reads whatever comes until the server closes.
    """
    parts = urlsplit(api.base_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    reading = asyncio.create_task(_read(reader, to_the_end=to_the_end))
    sent = 0
    try:
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                for piece in pieces:
                    if reading.done() or sent >= stop_at:
                        break
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
                    # Where the kernel takes everything at once drain() doesn't wait, and an answer would go unseen.
                    await asyncio.sleep(0)
            text = await reading
            match = re.match(rb"HTTP/1\.1 (\d{3})", text)
            return RawAnswer(int(match[1]) if match else 0, sent, text)
    finally:
        reading.cancel()
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader, *, to_the_end: bool) -> bytes:
    """One answer, by the length it says, or everything. A connection that breaks ends it."""
    text = bytearray()
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            text += piece
            head, end, body = bytes(text).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]) and not to_the_end:
                break
    return bytes(text)
