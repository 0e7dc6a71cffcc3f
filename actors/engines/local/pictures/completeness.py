"""Whether a file's data reach to the end of its picture: decoders fill what is missing with grey, and say nothing."""

import zlib
from collections.abc import Iterator

import simplejpeg

from schema.pictures.png import png_chunks

_INFLATED_AT_ONCE = 1 << 18
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of PNG's colour types."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of each pass of an interlaced PNG: first column and row, and the steps between them."""
_MISSING = ("premature end", "instead of RST", "bad Huffman code")
"""What libjpeg warns of when data are missing or no picture's. It warns of harmless things as well."""


def demand_whole_png(content: bytes) -> None:
    """Raises OSError, zlib.error: the pixels of a PNG end before its picture does."""
    wanted = _inflated_size(content[16:29])
    inflater = zlib.decompressobj()
    for kind, start, end in png_chunks(content):
        if kind != b"IDAT":
            continue
        packed = content[start:end]
        while packed and not inflater.eof:
            wanted -= len(inflater.decompress(packed, _INFLATED_AT_ONCE))
            if wanted <= 0:
                return
            packed = inflater.unconsumed_tail
    raise OSError("the data of the PNG end before its picture")


def _inflated_size(header: bytes) -> int:
    """The bytes of all rows, each after one that names its filter, by what IHDR says."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _CHANNELS[header[9]]
    return sum((1 + (across * bits + 7) // 8) * down for across, down in _passes(width, height, interlaced=header[12]))


def _passes(width: int, height: int, *, interlaced: int) -> Iterator[tuple[int, int]]:
    """The sizes of a PNG's passes that have any pixels."""
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        size = (width - left + right - 1) // right, (height - top + down - 1) // down
        if min(size) > 0:
            yield size


def demand_whole_jpeg(content: bytes) -> None:
    """Raises ValueError: the data of a JPEG are damaged, or end before its picture does."""
    inks = simplejpeg.decode_jpeg_header(content, strict=False)[2] in {"CMYK", "YCCK"}
    try:
        # At an eighth of its size, without colours: what takes time is reading all data.
        simplejpeg.decode_jpeg(content, "CMYK" if inks else "GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:
        if any(words in str(error) for words in _MISSING):
            raise
