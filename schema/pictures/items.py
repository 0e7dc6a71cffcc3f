"""HEIF (ISO/IEC 23008-12): the items of a file, their properties, references and places."""

# ruff: noqa: PLR2004 - versions, flags and the sizes of fields are the format's own

import msgspec

from schema.pictures.boxes import Box, Fields, Work, boxes_in
from schema.pictures.facts import CORRUPT, Content, invalid

_KEPT_REFERENCES = {b"dimg", b"auxl"}
"""What an image is derived from, and whose auxiliary image it is."""


class Place(msgspec.Struct, frozen=True):
    """Where an item's data lie: (start, end) of its parts in the file."""

    parts: tuple[tuple[int, int], ...]


class Items(msgspec.Struct, frozen=True):
    """A file's items by their ids: type, properties in the order in which they apply, and places.

    `references` are what refers, by type and item, and to which items: looked up, since each of many items may ask.
    """

    primary: int
    kinds: dict[int, bytes]
    properties: dict[int, list[Box]]
    places: dict[int, Place]
    references: dict[tuple[bytes, int], list[int]]
    every_property: list[Box]

    def referred(self, kind: bytes, item: int) -> list[int]:
        """The items that `item` refers to."""
        return self.references.get((kind, item), [])

    def referring(self, kind: bytes, item: int) -> list[int]:
        """The items that refer to `item`."""
        return [start for (name, start), ids in self.references.items() if name == kind and item in ids]


def items_in(content: Content, meta: Box, work: Work) -> Items:
    """The items that a `meta` box describes.

    Raises:
        UnacceptablePictureError: it is broken, or there is no primary one.
    """
    found: dict[bytes, Box] = {}
    for box in boxes_in(content, meta.start + 4, meta.end, work):
        if box.kind in found and box.kind in {b"pitm", b"iinf", b"iloc", b"iref", b"iprp", b"idat"}:
            raise invalid(CORRUPT)
        found[box.kind] = box
    if not {b"pitm", b"iinf", b"iloc", b"iprp"} <= found.keys():
        raise invalid(CORRUPT)
    every_property, properties = _properties(content, found[b"iprp"], work)
    primary = Fields(content, found[b"pitm"])
    wide = primary.version()[0] > 0
    return Items(
        primary=primary.number(4 if wide else 2),
        kinds=_kinds(content, found[b"iinf"], work),
        properties=properties,
        places=_places(content, found[b"iloc"], found.get(b"idat"), work),
        references=_references(content, found[b"iref"], work) if b"iref" in found else {},
        every_property=every_property,
    )


def _kinds(content: Content, box: Box, work: Work) -> dict[int, bytes]:
    fields = Fields(content, box)
    fields.number(2 if fields.version()[0] == 0 else 4)  # how many there are, which the boxes tell as well
    kinds: dict[int, bytes] = {}
    for entry in boxes_in(content, fields.at, box.end, work):
        if entry.kind != b"infe":
            continue
        told = Fields(content, entry)
        version, _ = told.version()
        if version < 2:
            raise invalid(CORRUPT)
        item = told.number(2 if version == 2 else 4)
        told.take(2)
        if item in kinds:
            raise invalid(CORRUPT)
        kinds[item] = told.take(4)
    return kinds


def _properties(content: Content, box: Box, work: Work) -> tuple[list[Box], dict[int, list[Box]]]:
    """All properties, and those of each item in the order in which they apply."""
    parts = list(boxes_in(content, box.start, box.end, work))
    containers = [part for part in parts if part.kind == b"ipco"]
    if len(containers) != 1:
        raise invalid(CORRUPT)
    every = list(boxes_in(content, containers[0].start, containers[0].end, work))
    of_items: dict[int, list[Box]] = {}
    for part in parts:
        if part.kind != b"ipma":
            continue
        fields = Fields(content, part)
        version, flags = fields.version()
        for _ in range(fields.number(4)):
            item = fields.number(2 if version == 0 else 4)
            count = fields.number(1)
            work.spend(1 + count)
            if item in of_items:
                raise invalid(CORRUPT)
            places = [fields.number(2) & 0x7FFF if flags & 1 else fields.number(1) & 0x7F for _ in range(count)]
            if any(place > len(every) for place in places):
                raise invalid(CORRUPT)
            of_items[item] = [every[place - 1] for place in places if place > 0]
    return every, of_items


def _references(content: Content, box: Box, work: Work) -> dict[tuple[bytes, int], list[int]]:
    wide = 4 if Fields(content, box).version()[0] > 0 else 2
    references: dict[tuple[bytes, int], list[int]] = {}
    for reference in boxes_in(content, box.start + 4, box.end, work):
        fields = Fields(content, reference)
        start, count = fields.number(wide), fields.number(2)
        work.spend(count)
        if reference.kind in _KEPT_REFERENCES:
            references.setdefault((reference.kind, start), []).extend(fields.number(wide) for _ in range(count))
    return references


def _places(content: Content, box: Box, idat: Box | None, work: Work) -> dict[int, Place]:
    fields = Fields(content, box)
    version, _ = fields.version()
    sizes = fields.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    whole = Box(b"file", 0, len(content))
    places: dict[int, Place] = {}
    for _ in range(fields.number(2 if version < 2 else 4)):
        item = fields.number(2 if version < 2 else 4)
        method = fields.number(2) & 15 if version > 0 else 0
        elsewhere = fields.number(2)
        base = fields.number(base_size)
        count = fields.number(2)
        work.spend(1 + count)
        parts: list[tuple[int, int]] = []
        for _ in range(count):
            if version > 0:
                fields.number(index_size)
            offset, length = base + fields.number(offset_size), fields.number(length_size)
            source = whole if method == 0 else idat
            if source is not None and method < 2 and not elsewhere:
                start = source.start + offset
                parts.append((start, start + length if length else source.end))
        places[item] = Place(tuple(parts))
    return places
