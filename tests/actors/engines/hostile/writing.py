"""Image files taken apart into chunks and put together again, rightly or wrongly."""

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

# Pillow guesses how large a progressive JPEG gets, and fails where noise at a high quality is larger.
ImageFile.MAXBLOCK = 1 << 22

SIGNATURE = b"\x89PNG\r\n\x1a\n"
Chunk = tuple[bytes, bytes]
"""Its type and its content."""

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass of an interlaced PNG: first column and row, and the steps between them."""


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow makes of `image`."""
    stream = io.BytesIO()
    if kind == "PNG":
        options.setdefault("compress_level", 1)
    image.save(stream, kind, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(chunks: Iterable[Chunk]) -> bytes:
    """A file of these chunks, with right checksums."""
    return SIGNATURE + b"".join(png_chunk(kind, content) for kind, content in chunks)


def png_chunks(content: bytes) -> list[Chunk]:
    """The chunks of a sound file."""
    found: list[Chunk] = []
    position = len(SIGNATURE)
    while position < len(content):
        end = position + 8 + int.from_bytes(content[position : position + 4], "big")
        found.append((content[position + 4 : position + 8], content[position + 8 : end]))
        position = end + 4
    return found


def png_header(width: int, height: int, *, depth: int = 8, colour: int = 2, interlaced: bool = False) -> Chunk:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)


def raw_png(
    values: NDArray[Any], *, depth: int, colour: int, extra: Iterable[Chunk] = (), interlaced: bool = False
) -> bytes:
    """A PNG of `values` (h, w, channels), one sample an entry, which Pillow can't write: 16 bits, few bits, Adam7."""
    passes = [values[y::dy, x::dx] for x, y, dx, dy in _ADAM7] if interlaced else [values]
    rows = b"".join(b"\0" + _packed(row, depth) for part in passes if part.size for row in part)
    height, width = values.shape[:2]
    header = png_header(width, height, depth=depth, colour=colour, interlaced=interlaced)
    return png([header, *extra, (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")])


def _packed(row: NDArray[Any], depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    samples = row.astype(np.uint8).ravel()
    bits = np.unpackbits(samples[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits.ravel()).tobytes()


def riff(chunks: Iterable[Chunk]) -> bytes:
    """A WebP file of these chunks."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def riff_chunks(content: bytes) -> list[Chunk]:
    """The chunks of a sound WebP file."""
    found: list[Chunk] = []
    position = 12
    while position < len(content):
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        found.append((content[position : position + 4], content[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return found


def webp_canvas(width: int, height: int, flags: int = 0) -> Chunk:
    return b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_parts(content: bytes) -> tuple[list[bytes], bytes]:
    """The segments between SOI and the first scan, and all that follows them."""
    parts: list[bytes] = []
    position = 2
    while content[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        parts.append(content[position:end])
        position = end
    return parts, content[position:]


def jpeg_with(content: bytes, *segments: bytes) -> bytes:
    """The same file with these segments in front."""
    return content[:2] + b"".join(segments) + content[2:]


def frame_at(content: bytes) -> int:
    """Where a JPEG's frame header (its marker FF C0, C1 or C2) starts."""
    parts, _ = jpeg_parts(content)
    before = 2
    for part in parts:
        if part[1] in {0xC0, 0xC1, 0xC2}:
            return before
        before += len(part)
    raise AssertionError("no frame header")


def tiff(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """An EXIF block of (tag, type, count, value or offset) entries."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(entries))
    body = b""
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        body += struct.pack(f"{order}HHI", tag, kind, count)
        body += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    return head + body + bytes(4)
