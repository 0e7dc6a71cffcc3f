"""AV1 (AV1 Bitstream & Decoding Process Specification): how large the frames of a picture's data are."""

# ruff: noqa: PLR2004 - the widths of fields are the format's own

from collections.abc import Iterator

from schema.pictures.boxes import Work
from schema.pictures.facts import CORRUPT, Content, invalid

_SEQUENCE_HEADER = 1
_LONGEST_HEADER = 512
"""Bytes. With all 32 operating points it has about 400."""


def frame_sizes(content: Content, start: int, end: int, work: Work) -> Iterator[tuple[int, int]]:
    """Width and height that each sequence header between `start` and `end` allows at most.

    Raises:
        UnacceptablePictureError: there are no such units.
    """
    while start < end:
        work.spend()
        head = content[start : min(start + 10, end)]
        at = 2 if head[0] & 4 else 1
        if head[0] & 2:
            size, at = _leb128(head, at)
        else:
            size = end - start - at
        if start + at + size > end:
            raise invalid(CORRUPT)
        if head[0] >> 3 & 15 == _SEQUENCE_HEADER:
            yield _size_in(content[start + at : start + at + min(size, _LONGEST_HEADER)])
        start += at + size


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(data[at : at + 8]):
        value |= (byte & 127) << 7 * number
        if byte < 128:
            return value, at + number + 1
    raise invalid(CORRUPT)


class _Bits:
    """The fields of a header; beyond its end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big") << 512
        self._left = 8 * len(data) + 512

    def take(self, count: int) -> int:
        self._left = max(self._left - count, 0)
        return self._value >> self._left & (1 << count) - 1


def _size_in(header: bytes) -> tuple[int, int]:
    """What a sequence header (5.5.1) says, read up to the largest frame's size."""
    bits = _Bits(header)
    bits.take(4)
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _pass_operating_points(bits)
    widths, heights = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(widths) + 1, bits.take(heights) + 1


def _pass_operating_points(bits: _Bits) -> None:
    delay = 0
    if bits.take(1):  # timing_info
        bits.take(64)
        if bits.take(1):
            zeros = 0
            while zeros < 32 and not bits.take(1):
                zeros += 1
            bits.take(zeros)
        if bits.take(1):  # decoder_model_info
            delay = bits.take(5) + 1
            bits.take(42)
    told = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay and bits.take(1):
            bits.take(2 * delay + 1)
        if told and bits.take(1):
            bits.take(4)
