"""Whether an upload is a picture Darkroom can edit: judged by its content and structure, without decoding a pixel.

JPEG (ITU T.81), PNG (W3C PNG, third edition) and WebP (RFC 9649) are walked from segment to segment over a memory map,
so neither a large file nor a hostile one costs memory; nothing is decompressed.
"""

# ruff: noqa: PLR2004 - the numbers are the formats' own offsets, lengths and tags

import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from schema.models.problems import ProblemCode
from service.refusals import Refused

MIN_SIDE = 64
"""Pixels; below this no face or person can be made out."""
MAX_ASPECT = 20
"""No photo is so much longer than it is wide, and no engine edits one."""
MAX_SEGMENTS = 100_000
"""Segments or chunks in one file. Real files have hundreds; more are only there to keep a reader busy."""
MAX_SCANS = 100
"""Scans of a progressive JPEG, each a pass over all pixels when decoding. Encoders write about ten."""

_TRUNCATED = "The image is incomplete: its end is missing. Please upload it again."
_CORRUPT = "The image is damaged: its header can't be read."
_CHECKED_AT_ONCE = 1 << 20


class ImageFacts(msgspec.Struct, frozen=True):
    """What an image is: width and height in pixels as displayed (EXIF orientation applied), extension without a dot."""

    content_type: str
    width: int
    height: int
    extension: str


class UnacceptableImage(Refused):
    """The file can't be edited: INVALID_FILE_TYPE or INVALID_IMAGE, and a sentence that says why."""


def judge(path: Path, *, max_pixels: int) -> ImageFacts:
    """Say what the image in `path` is. Blocks while it reads: call it in a thread.

    Raises:
        UnacceptableImage: it isn't a JPEG, PNG or WebP, is truncated or corrupt, or its size isn't acceptable.
    """
    with path.open("rb") as file:
        if not file.read(1):
            raise _invalid("The file is empty.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _judge(data, max_pixels)


def _judge(data: mmap.mmap, max_pixels: int) -> ImageFacts:
    if data[:3] == b"\xff\xd8\xff":
        return _judge_jpeg(data, max_pixels)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _judge_png(data, max_pixels)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _judge_webp(data, max_pixels)
    found = _other_format(data[:1024])
    raise UnacceptableImage(
        ProblemCode.INVALID_FILE_TYPE,
        f"{found} Please upload a JPEG, PNG or WebP image.",
    )


def _other_format(head: bytes) -> str:
    """A sentence about a file that is none of ours, naming what people send by mistake."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}:
            return "HEIC images aren't supported."
        return "AVIF images aren't supported." if brand in {b"avif", b"avis"} else "Videos aren't supported."
    for start, name in ((b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"%PDF", "PDF")):
        if head.startswith(start):
            return f"{name} files aren't supported."
    return "SVG images aren't supported." if b"<svg" in head.lower() else "The file isn't an image we can read."


def _invalid(message: str) -> UnacceptableImage:
    return UnacceptableImage(ProblemCode.INVALID_IMAGE, message)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises UnacceptableImage for a size that can't be edited."""
    if width == 0 or height == 0:
        raise _invalid(_CORRUPT)
    if width * height > max_pixels:
        raise _invalid(
            f"The image has too many pixels: {width:,} x {height:,} is {width * height:,}, "
            f"and at most {max_pixels:,} are accepted."
        )
    if min(width, height) < MIN_SIDE:
        raise _invalid(
            f"The image is too small: {width} x {height} pixels. Both sides need at least {MIN_SIDE} pixels."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _invalid(
            f"The image is too narrow: {width:,} x {height:,} pixels. "
            f"The longer side may be at most {MAX_ASPECT} times the shorter."
        )


def _facts(content_type: str, extension: str, size: tuple[int, int], orientation: int) -> ImageFacts:
    width, height = size if orientation < 5 else (size[1], size[0])  # 5 to 8 lie on their side
    return ImageFacts(content_type, width, height, extension)


def _orientation(tiff: bytes) -> int:
    """The Orientation (1 to 8) that an EXIF block's first directory tells; 1 when it doesn't, or is broken."""
    order = "little" if tiff[:2] == b"II" else "big"
    start = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[start : start + 2], order)
    for offset in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = (int.from_bytes(tiff[at : at + 2], order) for at in (offset, offset + 2))
        if tag == 0x0112:
            length = {3: 2, 4: 4}.get(kind, 0) * (int.from_bytes(tiff[offset + 4 : offset + 8], order) == 1)
            value = int.from_bytes(tiff[offset + 8 : offset + 8 + length], order)
            return value if 1 <= value <= 8 else 1
    return 1


# JPEG ---------------------------------------------------------------------------------------------------------------

_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The first marker after entropy-coded data, in which FF is stuffed with 00 and only restart markers occur."""
_SUPPORTED_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}  # lossless, hierarchical, arithmetic
_SOI, _EOI, _SOS, _APP1, _TEM = 0xD8, 0xD9, 0xDA, 0xE1, 0x01


def _jpeg_segments(data: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """(marker, start and end of its payload) up to and with EOI. Raises UnacceptableImage when they end before it."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        head = data[position : position + 4]
        if len(head) >= 2 and (head[0] != 0xFF or head[1] in {0x00, _SOI}):
            raise _invalid(_CORRUPT)
        if len(head) >= 2 and head[1] == _EOI:
            yield _EOI, position + 2, position + 2
            return
        if len(head) >= 2 and (head[1] == _TEM or 0xD0 <= head[1] <= 0xD7):
            position += 2
            continue
        end = position + 2 + int.from_bytes(head[2:4], "big")
        if len(head) < 4 or end > len(data):
            raise _invalid(_TRUNCATED)
        if end < position + 4:
            raise _invalid(_CORRUPT)
        yield head[1], position + 4, end
        position = end
        if head[1] == _SOS:
            found = _AFTER_SCAN.search(data, end)
            if found is None:
                raise _invalid(_TRUNCATED)
            position = found.start()
    raise _invalid(_CORRUPT)


def _judge_jpeg(data: mmap.mmap, max_pixels: int) -> ImageFacts:
    size: tuple[int, int] | None = None
    orientation: int | None = None
    scans = 0
    for marker, start, end in _jpeg_segments(data):
        if marker in _OTHER_FRAMES:
            raise _invalid("This kind of JPEG (lossless, hierarchical or arithmetic) isn't supported.")
        if marker in _SUPPORTED_FRAMES:
            if size is not None or end - start < 6:
                raise _invalid(_CORRUPT)
            precision, height, width, components = _jpeg_frame(data[start : start + 6])
            if precision != 8 or components not in {1, 3, 4}:
                raise _invalid("This kind of JPEG isn't supported: it takes 8 bits per channel, grey, colour or CMYK.")
            _check_size(width, height, max_pixels)
            size = (width, height)
        elif marker == _APP1 and orientation is None and data[start : start + 6] == b"Exif\0\0":
            orientation = _orientation(data[start + 6 : end])
        elif marker == _SOS:
            scans += 1
            if size is None or scans > MAX_SCANS:
                raise _invalid(_CORRUPT)
    # What follows EOI is the phone's: a motion photo's film, more pictures, a maker's notes.
    if size is None or scans == 0:
        raise _invalid(_CORRUPT)
    return _facts("image/jpeg", "jpg", size, orientation or 1)


def _jpeg_frame(payload: bytes) -> tuple[int, int, int, int]:
    return payload[0], int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big"), payload[5]


# PNG ----------------------------------------------------------------------------------------------------------------

_BIT_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Those allowed, per colour type."""


def _png_chunks(data: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of its data) up to and with IEND. Raises UnacceptableImage when they end before it."""
    position = 8
    for _ in range(MAX_SEGMENTS):
        head = data[position : position + 8]
        start, kind = position + 8, head[4:]
        end = start + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end + 4 > len(data):
            raise _invalid(_TRUNCATED)
        # An upper-case letter marks a chunk that no reader may skip: decoders give up when its checksum is wrong.
        if kind[:1].isupper() and _crc(data, position + 4, end) != int.from_bytes(data[end : end + 4], "big"):
            raise _invalid("The image is damaged: a checksum is wrong.")
        yield kind, start, end
        if kind == b"IEND":
            return
        position = end + 4
    raise _invalid(_CORRUPT)


def _crc(data: mmap.mmap, start: int, end: int) -> int:
    crc = 0
    for position in range(start, end, _CHECKED_AT_ONCE):
        crc = zlib.crc32(data[position : min(position + _CHECKED_AT_ONCE, end)], crc)
    return crc


def _judge_png(data: mmap.mmap, max_pixels: int) -> ImageFacts:
    size: tuple[int, int] | None = None
    orientation = 1
    pixels = False
    for kind, start, end in _png_chunks(data):
        if (kind == b"IHDR") != (size is None):
            raise _invalid(_CORRUPT)
        if kind == b"IHDR":
            header = data[start : min(end, start + 14)]
            if len(header) != 13 or header[8] not in _BIT_DEPTHS.get(header[9], ()) or header[10:12] != b"\0\0":
                raise _invalid(_CORRUPT)
            size = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
            _check_size(*size, max_pixels)
        elif kind == b"IDAT":
            pixels = True
        elif kind == b"eXIf":
            orientation = _orientation(data[start : min(end, start + 65_536)])
    if size is None or not pixels:
        raise _invalid(_TRUNCATED)
    return _facts("image/png", "png", size, orientation)


# WebP ---------------------------------------------------------------------------------------------------------------


def _webp_chunks(data: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of its data) inside the RIFF. Raises UnacceptableImage when it runs past the file."""
    riff_end = 8 + int.from_bytes(data[4:8], "little")
    if riff_end > len(data):
        raise _invalid(_TRUNCATED)
    position = 12
    for _ in range(MAX_SEGMENTS):
        if position + 8 > riff_end:
            return
        start = position + 8
        end = start + int.from_bytes(data[position + 4 : start], "little")
        if end > riff_end:
            raise _invalid(_TRUNCATED)
        yield data[position : position + 4], start, end
        position = end + (end - start) % 2
    raise _invalid(_CORRUPT)


def _webp_frame(kind: bytes, head: bytes) -> tuple[int, int]:
    """The size that a VP8 (RFC 6386) or VP8L bitstream's first ten bytes tell. Raises UnacceptableImage."""
    if kind == b"VP8 " and len(head) == 10 and not head[0] & 1 and head[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise _invalid(_CORRUPT)


def _judge_webp(data: mmap.mmap, max_pixels: int) -> ImageFacts:
    canvas: tuple[int, int] | None = None
    orientation = 1
    pixels = False
    for kind, start, end in _webp_chunks(data):
        if kind == b"VP8X":
            head = data[start : min(end, start + 10)]
            if canvas is not None or len(head) < 10:
                raise _invalid(_CORRUPT)
            canvas = int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
            _check_size(*canvas, max_pixels)
        elif kind in {b"VP8 ", b"VP8L"} and not pixels:
            frame = _webp_frame(kind, data[start : min(end, start + 10)])
            _check_size(*frame, max_pixels)
            # A small canvas around a large picture is a lie about how much memory decoding takes.
            if canvas not in {None, frame}:
                raise _invalid(_CORRUPT)
            canvas, pixels = frame, True
        elif kind == b"ANMF":
            pixels = pixels or canvas is not None
        elif kind == b"EXIF":
            tiff = data[start : min(end, start + 65_536)]
            orientation = _orientation(tiff.removeprefix(b"Exif\0\0"))
    if canvas is None or not pixels:
        raise _invalid(_TRUNCATED)
    return _facts("image/webp", "webp", canvas, orientation)
