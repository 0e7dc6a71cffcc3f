"""HEIC and AVIF (ISO/IEC 23008-12, 23000-22): which item of the file is its picture, and how it is shown."""

# ruff: noqa: PLR2004 - the numbers are the formats' own offsets, lengths and tags

from collections.abc import Iterator
from fractions import Fraction

import msgspec

from schema.pictures.av1 import frame_sizes
from schema.pictures.boxes import Box, Fields, Work, boxes_in
from schema.pictures.colours import Colours, by_video_code
from schema.pictures.facts import (
    CORRUPT,
    TRUNCATED,
    Content,
    PictureFacts,
    check_pixels,
    check_size,
    facts_of,
    invalid,
    other_type,
)
from schema.pictures.items import Items, items_in

BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"miaf", b"avif", b"avis")
)
"""Brands of the family; which codec it is, the picture itself tells."""

_CODECS = {b"hvc1": ("image/heic", "heic", b"hvcC"), b"av01": ("image/avif", "avif", b"av1C")}
"""Of an item's type: content type, extension, and the property that sets its decoder up."""
_NEEDED = (b"meta", b"mdat", b"moov")
"""What a cut file lacks the end of."""
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_COPIED_AT_ONCE = 4096
"""Bytes, which take about as long as reading an entry."""
_TURNED = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}
"""EXIF's orientation for a mirror (0: top and bottom, 1: left and right change) after some quarters anticlockwise."""


def brands_of(head: bytes) -> frozenset[bytes]:
    """The brands that a file's first box names; none if it is of another family."""
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return frozenset((head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))))


def judge_heif(content: Content, max_pixels: int) -> PictureFacts:
    """The facts of the file's primary picture; whatever else is in it counts for nothing.

    Raises:
        UnacceptablePictureError: it can't be edited.
    """
    work = Work()
    # What a telephone adds behind them needn't be a box.
    top = list(boxes_in(content, 0, len(content), work, TRUNCATED, _NEEDED))
    metas = [box for box in top if box.kind == b"meta"]
    if not metas:
        if any(box.kind == b"moov" for box in top):
            raise other_type("Image sequences without a still picture aren't supported.")
        raise invalid(TRUNCATED)
    if len(metas) > 1:
        raise invalid(CORRUPT)
    items = items_in(content, metas[0], work)
    picture = _Picture(content, items, max_pixels, work)
    size, codec = picture.whole(items.primary)
    for item in items.referring(b"auxl", items.primary):
        if picture.is_alpha(item):
            picture.whole(item)
    return picture.shown(size, codec)


class _Picture:
    """The primary item of a file, and what it is made of."""

    def __init__(self, content: Content, items: Items, max_pixels: int, work: Work) -> None:
        self._content = content
        self._items = items
        self._max_pixels = max_pixels
        self._work = work
        # What isn't shown may be decoded all the same.
        for box in items.every_property:
            if box.kind == b"ispe":
                check_pixels(*self._extent(box), max_pixels)

    def whole(self, item: int) -> tuple[tuple[int, int], bytes]:
        """Size and codec of a coded picture or a grid of them, all of whose data are there."""
        kind = self._items.kinds.get(item)
        if kind is None:
            raise invalid(CORRUPT)
        if kind == b"grid":
            return self._grid(item)
        if kind in _CODECS:
            return self._coded(item, kind), kind
        raise other_type("This kind of HEIF image isn't supported.")

    def is_alpha(self, item: int) -> bool:
        """Whether an auxiliary picture is the transparency of another."""
        return any(
            self._content[box.start + 4 : min(box.end, box.start + 64)].startswith(_ALPHA)
            for box in self._items.properties.get(item, [])
            if box.kind == b"auxC"
        )

    def _grid(self, item: int) -> tuple[tuple[int, int], bytes]:
        told = self._data(item)[:12]
        if len(told) < 8:
            raise invalid(CORRUPT)
        wide = 4 if told[1] & 1 else 2
        rows, columns = told[2] + 1, told[3] + 1
        size = int.from_bytes(told[4 : 4 + wide], "big"), int.from_bytes(told[4 + wide : 4 + 2 * wide], "big")
        tiles = self._items.referred(b"dimg", item)
        kinds = {self._items.kinds.get(tile) for tile in tiles}
        codec = next(iter(kinds), None)
        if len(tiles) != rows * columns or len(kinds) != 1 or codec not in _CODECS or size != self._size(item):
            raise invalid(CORRUPT)
        sizes = {self._coded(tile, codec) for tile in dict.fromkeys(tiles)}
        width, height = next(iter(sizes))
        # All tiles alike, and none of them beyond the picture: they decode to little more than it has.
        across = width * (columns - 1) < size[0] <= width * columns
        down = height * (rows - 1) < size[1] <= height * rows
        if len(sizes) != 1 or not (across and down):
            raise invalid(CORRUPT)
        return size, codec

    def _coded(self, item: int, kind: bytes) -> tuple[int, int]:
        if not any(box.kind == _CODECS[kind][2] for box in self._items.properties.get(item, [])):
            raise invalid(CORRUPT)
        self._data(item)
        size = self._size(item)
        if kind == b"av01" and set(self._frame_sizes(item)) != {size}:
            raise invalid(CORRUPT)  # a small size over large frames is a lie about how much memory decoding takes
        return size

    def _frame_sizes(self, item: int) -> Iterator[tuple[int, int]]:
        parts = self._items.places[item].parts
        if len(parts) == 1:
            return frame_sizes(self._content, *parts[0], self._work)
        # Copied: many items may have the same parts.
        self._work.spend(sum(end - start for start, end in parts) // _COPIED_AT_ONCE)
        joined = b"".join(self._content[start:end] for start, end in parts)
        return frame_sizes(joined, 0, len(joined), self._work)

    def _size(self, item: int) -> tuple[int, int]:
        found = [self._extent(box) for box in self._items.properties.get(item, []) if box.kind == b"ispe"]
        if len(found) != 1:
            raise invalid(CORRUPT)
        return found[0]

    def _extent(self, box: Box) -> tuple[int, int]:
        fields = Fields(self._content, box)
        fields.version()
        return fields.number(4), fields.number(4)

    def _data(self, item: int) -> bytes:
        """The beginning of an item's data. Raises UnacceptablePictureError unless all of them are there."""
        place = self._items.places.get(item)
        if place is None or not place.parts:
            raise invalid(CORRUPT)
        if any(end > len(self._content) for _, end in place.parts):
            raise invalid(TRUNCATED)
        if sum(end - start for start, end in place.parts) > len(self._content):
            raise invalid(CORRUPT)  # the same bytes again and again
        start, end = place.parts[0]
        return self._content[start : min(end, start + 64)]

    def shown(self, size: tuple[int, int], codec: bytes) -> PictureFacts:
        """How the picture is displayed: cut to its clean aperture, turned, mirrored."""
        check_size(*size, self._max_pixels)
        properties = self._items.properties.get(self._items.primary, [])
        kinds = [box.kind for box in properties if box.kind in {b"clap", b"irot", b"imir"}]
        if kinds != sorted(set(kinds), key=(b"clap", b"irot", b"imir").index):
            raise invalid(CORRUPT)  # another order is another picture, and the decoders know this one only
        quarters, mirror, crop = 0, None, None
        for box in properties:
            if box.kind == b"clap":
                crop = _clean_aperture(Fields(self._content, box), size)
            elif box.kind == b"irot":
                quarters = Fields(self._content, box).number(1) & 3
            elif box.kind == b"imir":
                mirror = Fields(self._content, box).number(1) & 1
        content_type, extension, _ = _CODECS[codec]
        seen = size if crop is None else (crop[2] - crop[0], crop[3] - crop[1])
        check_size(*seen, self._max_pixels)
        facts = facts_of(content_type, extension, seen, _TURNED[mirror][quarters])
        return msgspec.structs.replace(facts, stored=size, crop=crop, colours=self._colours(properties))

    def _colours(self, properties: list[Box]) -> Colours | None:
        """What the picture's colours mean, or else its first tile's."""
        tiles = self._items.referred(b"dimg", self._items.primary)[:1]
        for told in (properties, *(self._items.properties.get(tile, []) for tile in tiles)):
            found = {self._content[box.start : box.start + 4]: box for box in told if box.kind == b"colr"}
            if found:
                break
        else:
            return None
        if b"prof" in found or b"rICC" in found or b"nclx" not in found:
            return None
        fields = Fields(self._content, found[b"nclx"])
        fields.take(4)
        return by_video_code(fields.number(2), fields.number(2))


def _clean_aperture(fields: Fields, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """What of a picture is to be seen: left, top, right, bottom. Raises UnacceptablePictureError for a part beyond."""
    values = [(fields.number(4), fields.number(4)) for _ in range(4)]
    if any(not below for _, below in values):
        raise invalid(CORRUPT)
    signed = [Fraction(above - (above >> 31 << 32), below) for above, below in values]
    box: list[int] = []
    for length, shown, offset in zip(size, signed[:2], signed[2:], strict=True):
        first = (length - shown) / 2 + offset
        start = int(first // 1)
        box += [start, start + round(shown)]
    left, right, top, bottom = box
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise invalid(CORRUPT)
    return left, top, right, bottom
