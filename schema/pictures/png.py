"""PNG (W3C PNG, third edition)."""

# ruff: noqa: PLR2004 - the numbers are the format's own offsets, lengths and tags

import zlib
from collections.abc import Iterator
from typing import cast

import msgspec

from schema.pictures.colours import Chromaticities, Colours, by_code, by_measure
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

_CHECKED_AT_ONCE = 1 << 20
_COLOURS = {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"}
_BIT_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Those allowed, per colour type."""


def png_chunks(data: Content) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of its data) up to and with IEND. Raises UnacceptablePictureError if they end before."""
    position = 8
    for _ in range(MAX_SEGMENTS):
        head = data[position : position + 8]
        start, kind = position + 8, head[4:]
        end = start + int.from_bytes(head[:4], "big")
        if len(head) < 8 or end + 4 > len(data):
            raise invalid(TRUNCATED)
        # An upper-case letter marks a chunk that no reader may skip: decoders give up when its checksum is wrong.
        if kind[:1].isupper() and _crc(data, position + 4, end) != int.from_bytes(data[end : end + 4], "big"):
            raise invalid("The image is damaged: a checksum is wrong.")
        yield kind, start, end
        if kind == b"IEND":
            return
        position = end + 4
    raise invalid(CORRUPT)


def _crc(data: Content, start: int, end: int) -> int:
    crc = 0
    for position in range(start, end, _CHECKED_AT_ONCE):
        crc = zlib.crc32(data[position : min(position + _CHECKED_AT_ONCE, end)], crc)
    return crc


def judge_png(data: Content, max_pixels: int) -> PictureFacts:
    size: tuple[int, int] | None = None
    orientation = 1
    pixels = False
    told: dict[bytes, bytes] = {}
    for kind, start, end in png_chunks(data):
        if (kind == b"IHDR") != (size is None):
            raise invalid(CORRUPT)
        if kind == b"IHDR":
            header = data[start : min(end, start + 14)]
            if len(header) != 13 or header[8] not in _BIT_DEPTHS.get(header[9], ()) or header[10:12] != b"\0\0":
                raise invalid(CORRUPT)
            size = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
            check_size(*size, max_pixels)
        elif kind == b"IDAT":
            pixels = True
        elif kind in _COLOURS and not pixels:
            told.setdefault(kind, data[start : min(end, start + 32)])
        elif kind == b"eXIf":
            orientation = exif_orientation(data[start : min(end, start + 65_536)])
    if size is None or not pixels:
        raise invalid(TRUNCATED)
    facts = facts_of("image/png", "png", size, orientation)
    return msgspec.structs.replace(facts, colours=_colours(told))


def _colours(told: dict[bytes, bytes]) -> Colours | None:
    """What the chunks about colours say; the first of them in this order counts."""
    codes = told.get(b"cICP", b"")
    if len(codes) == 4 and codes[2:] == b"\0\1":  # RGB in its full range, as every PNG is
        return by_code(codes[0], codes[1])
    if b"iCCP" in told or b"sRGB" in told or len(told.get(b"gAMA", b"")) != 4:
        return None
    numbers = told.get(b"cHRM", b"")
    whole = len(numbers) == 32
    chromaticities = tuple(int.from_bytes(numbers[at : at + 4], "big") / 100_000 for at in range(0, 32, 4))
    return by_measure(
        int.from_bytes(told[b"gAMA"], "big") / 100_000, cast("Chromaticities", chromaticities) if whole else None
    )
