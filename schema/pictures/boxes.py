"""ISO base media file format (ISO/IEC 14496-12): boxes and their fields, read in bounded time from any bytes."""

from collections.abc import Collection, Iterator

import msgspec

from schema.pictures.facts import CORRUPT, MAX_SEGMENTS, Content, invalid

_HEADER, _WITH_LARGE_SIZE = 8, 16
_TO_THE_END, _LARGE = 0, 1
"""What a size may say instead."""


class Box(msgspec.Struct, frozen=True):
    """A box: its type, start and end of its payload in the file."""

    kind: bytes
    start: int
    end: int


class Work:
    """How much more may be read of one file: every box, entry and reference counts."""

    def __init__(self) -> None:
        self._left = MAX_SEGMENTS

    def spend(self, count: int = 1) -> None:
        """Raises UnacceptablePictureError when the file keeps its reader busy."""
        self._left -= count
        if self._left < 0:
            raise invalid(CORRUPT)


def boxes_in(
    content: Content,
    start: int,
    end: int,
    work: Work,
    overrun: str = CORRUPT,
    needed: Collection[bytes] | None = None,
) -> Iterator[Box]:
    """The boxes from `start` to `end`. Raises UnacceptablePictureError, saying `overrun` when one goes beyond.

    Where the types that are `needed` are told, one of another type that goes beyond is none: it ends them.
    """
    while start + _HEADER <= end:
        work.spend()
        size = int.from_bytes(content[start : start + 4], "big")
        header = _HEADER
        if size == _LARGE:
            header = _WITH_LARGE_SIZE
            size = int.from_bytes(content[start + _HEADER : min(start + header, end)], "big")
        elif size == _TO_THE_END:
            size = end - start
        kind = content[start + 4 : start + 8]
        if start + max(size, header) > end:
            if needed is not None and kind not in needed:
                return
            raise invalid(overrun)
        if size < header:
            raise invalid(CORRUPT)
        yield Box(kind, start + header, start + size)
        start += size


class Fields:
    """The fields of a box, one after the other; big-endian."""

    def __init__(self, content: Content, box: Box) -> None:
        self._content = content
        self._at = box.start
        self._end = box.end

    @property
    def at(self) -> int:
        """Where in the file the next field starts."""
        return self._at

    @property
    def more(self) -> bool:
        """Whether there is anything left."""
        return self._at < self._end

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises UnacceptablePictureError when the box ends before them."""
        if self._at + size > self._end:
            raise invalid(CORRUPT)
        self._at += size
        return self._content[self._at - size : self._at]

    def number(self, size: int) -> int:
        """The next number, unsigned. Raises UnacceptablePictureError when the box ends before it."""
        return int.from_bytes(self.take(size), "big")

    def version(self) -> tuple[int, int]:
        """Version and flags, with which a full box starts."""
        return self.number(1), self.number(3)
