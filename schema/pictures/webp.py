"""WebP (RFC 9649)."""

# ruff: noqa: PLR2004 - the numbers are the format's own offsets, lengths and tags

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


def _webp_chunks(data: Content) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of its data) inside the RIFF. Raises UnacceptablePictureError when it runs past the file."""
    riff_end = 8 + int.from_bytes(data[4:8], "little")
    if riff_end > len(data):
        raise invalid(TRUNCATED)
    position = 12
    for _ in range(MAX_SEGMENTS):
        if position + 8 > riff_end:
            return
        start = position + 8
        end = start + int.from_bytes(data[position + 4 : start], "little")
        if end > riff_end:
            raise invalid(TRUNCATED)
        yield data[position : position + 4], start, end
        position = end + (end - start) % 2
    raise invalid(CORRUPT)


def _webp_frame(kind: bytes, head: bytes) -> tuple[int, int]:
    """The size that a VP8 (RFC 6386) or VP8L bitstream's first ten bytes tell. Raises UnacceptablePictureError."""
    if kind == b"VP8 " and len(head) == 10 and not head[0] & 1 and head[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(head) >= 5 and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise invalid(CORRUPT)


def judge_webp(data: Content, max_pixels: int) -> PictureFacts:
    canvas: tuple[int, int] | None = None
    orientation = 1
    pixels = False
    for kind, start, end in _webp_chunks(data):
        if kind == b"VP8X":
            head = data[start : min(end, start + 10)]
            if canvas is not None or len(head) < 10:
                raise invalid(CORRUPT)
            canvas = int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
            check_size(*canvas, max_pixels)
        elif kind in {b"VP8 ", b"VP8L"} and not pixels:
            frame = _webp_frame(kind, data[start : min(end, start + 10)])
            check_size(*frame, max_pixels)
            # A small canvas around a large picture is a lie about how much memory decoding takes.
            if canvas not in {None, frame}:
                raise invalid(CORRUPT)
            canvas, pixels = frame, True
        elif kind == b"ANMF":
            pixels = pixels or canvas is not None
        elif kind == b"EXIF":
            tiff = data[start : min(end, start + 65_536)]
            orientation = exif_orientation(tiff.removeprefix(b"Exif\0\0"))
    if canvas is None or not pixels:
        raise invalid(TRUNCATED)
    return facts_of("image/webp", "webp", canvas, orientation)
