"""JPEG (ITU T.81)."""

# ruff: noqa: PLR2004 - the numbers are the format's own offsets, lengths and tags

import re
from collections.abc import Iterator

from schema.pictures.facts import (
    CORRUPT,
    MAX_SEGMENTS,
    TRUNCATED,
    Content,
    PictureFacts,
    check_size,
    exif_orientation,
    facts_of,
    invalid,
)

MAX_SCANS = 100
"""Scans of a progressive JPEG, each a pass over all pixels when decoding. Encoders write about ten."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
"""The next marker. Fill (FF) may stand before it; decoders pass over whatever else does, and so does this."""
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The first marker after entropy-coded data, in which FF is stuffed with 00 and only restart markers occur."""
_SUPPORTED_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}  # lossless, hierarchical, arithmetic
_SOI, _EOI, _SOS, _APP1, _TEM = 0xD8, 0xD9, 0xDA, 0xE1, 0x01


def _jpeg_segments(data: Content) -> Iterator[tuple[int, int, int]]:
    """(marker, start and end of its payload) up to and with EOI. Raises UnacceptablePictureError if they end before."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            raise invalid(TRUNCATED)
        marker, start = data[found.end() - 1], found.end()
        if marker == _SOI:
            raise invalid(CORRUPT)
        if marker == _EOI:
            yield _EOI, start, start
            return
        position = start
        if marker == _TEM or 0xD0 <= marker <= 0xD7:
            continue
        length = int.from_bytes(data[start : start + 2], "big")
        end = start + length
        if start + 2 > len(data) or end > len(data):
            raise invalid(TRUNCATED)
        if length < 2:
            raise invalid(CORRUPT)
        yield marker, start + 2, end
        position = end
        if marker == _SOS:
            scanned = _AFTER_SCAN.search(data, end)
            if scanned is None:
                raise invalid(TRUNCATED)
            position = scanned.start()
    raise invalid(CORRUPT)


def judge_jpeg(data: Content, max_pixels: int) -> PictureFacts:
    size: tuple[int, int] | None = None
    orientation: int | None = None
    scans = 0
    for marker, start, end in _jpeg_segments(data):
        if marker in _OTHER_FRAMES:
            raise invalid("This kind of JPEG (lossless, hierarchical or arithmetic) isn't supported.")
        if marker in _SUPPORTED_FRAMES:
            if size is not None or end - start < 6:
                raise invalid(CORRUPT)
            precision, height, width, components = _jpeg_frame(data[start : start + 6])
            if precision != 8 or components not in {1, 3, 4}:
                raise invalid("This kind of JPEG isn't supported: it takes 8 bits per channel, grey, colour or CMYK.")
            check_size(width, height, max_pixels)
            size = (width, height)
        elif marker == _APP1 and orientation is None and data[start : start + 6] == b"Exif\0\0":
            orientation = exif_orientation(data[start + 6 : end])
        elif marker == _SOS:
            scans += 1
            if size is None or scans > MAX_SCANS:
                raise invalid(CORRUPT)
    # What follows EOI is the phone's: a motion photo's film, more pictures, a maker's notes.
    if size is None or scans == 0:
        raise invalid(CORRUPT)
    return facts_of("image/jpeg", "jpg", size, orientation or 1)


def _jpeg_frame(payload: bytes) -> tuple[int, int, int, int]:
    return payload[0], int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big"), payload[5]
