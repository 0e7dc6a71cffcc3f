"""Small pictures of each kind, and broken ones."""

import io
import struct
import zlib

from PIL import Image

from tests.heif import saved


def picture(kind: str, width: int = 96, height: int = 80) -> bytes:
    image = Image.new("RGB", (width, height), (200, 120, 40))
    if kind == "HEIC":
        return saved(image)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def jpeg(width: int = 96, height: int = 80) -> bytes:
    return picture("JPEG", width, height)


def padded_jpeg(size: int) -> bytes:
    """A good JPEG of at least this many bytes: comments, which may hold anything, make up for the rest."""
    small = jpeg()
    comment = b"\xff\xfe" + struct.pack(">H", 65_535) + bytes(65_533)
    return small[:2] + comment * (size // len(comment) + 1) + small[2:]


def png_that_says(width: int, height: int) -> bytes:
    """A whole PNG with hardly any pixels, whose header claims more."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
