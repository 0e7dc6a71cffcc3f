"""HEIC and AVIF files put together from items, rightly or wrongly."""

import io
import struct
from collections.abc import Sequence
from typing import Any

import pillow_heif
from msgspec import Struct, structs
from PIL import Image

from schema.pictures.boxes import Work, boxes_in
from schema.pictures.items import items_in

_ESSENTIAL = {b"hvcC", b"av1C", b"clap", b"irot", b"imir"}
BRANDS = {b"hvc1": b"heic", b"av01": b"avif"}


class Item(Struct, frozen=True):
    """One item: `properties` are whole boxes, `references` are (type, ids)."""

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...]
    references: tuple[tuple[bytes, tuple[int, ...]], ...] = ()

    def without(self, *kinds: bytes) -> "Item":
        """The same without its properties of these types."""
        kept = tuple(one for one in self.properties if one[4:8] not in kinds)
        return structs.replace(self, properties=kept)

    def with_(self, *properties: bytes) -> "Item":
        """The same with more properties."""
        return structs.replace(self, properties=self.properties + properties)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def extent(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


def turn(quarters: int) -> bytes:
    """Anticlockwise."""
    return box(b"irot", bytes([quarters]))


def mirror(axis: int) -> bytes:
    """0: top and bottom, 1: left and right change."""
    return box(b"imir", bytes([axis]))


def aperture(width: int, height: int, across: tuple[int, int] = (0, 1), down: tuple[int, int] = (0, 1)) -> bytes:
    """What is shown: so much, its middle so far (a fraction) from the picture's."""
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, *across, *down))


def meaning(primaries: int, transfer: int) -> bytes:
    """How colours are meant, by the codes of H.273."""
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, 6, 0x80))


def saved(image: Image.Image, kind: bytes = b"hvc1", **options: Any) -> bytes:
    """The file that an encoder makes."""
    stream = io.BytesIO()
    if kind == b"hvc1":
        pillow_heif.from_pillow(image).save(
            stream, **({"quality": 90, "enc_params": {"preset": "ultrafast"}} | options)
        )
    else:
        image.save(stream, "AVIF", **({"quality": 90, "speed": 10} | options))
    return stream.getvalue()


def coded(image: Image.Image, kind: bytes = b"hvc1", **options: Any) -> Item:
    """The primary item of the file that an encoder makes, without its orientation."""
    content = saved(image, kind, **options)
    meta = next(one for one in boxes_in(content, 0, len(content), Work()) if one.kind == b"meta")
    items = items_in(content, meta, Work())
    data = b"".join(content[start:end] for start, end in items.places[items.primary].parts)
    properties = tuple(content[one.start - 8 : one.end] for one in items.properties[items.primary])
    return Item(kind, data, properties)


def grid(rows: int, columns: int, size: tuple[int, int], tiles: Sequence[int]) -> Item:
    """A picture of other items."""
    told = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)
    return Item(b"grid", told, (extent(*size),), ((b"dimg", tuple(tiles)),))


def heif(items: Sequence[Item], *, primary: int = 1, brand: bytes = b"heic") -> bytes:
    """A file of these items, whose ids are their places from 1 on."""
    name = full(b"hdlr", bytes(4), b"pict", bytes(13))
    entries = [
        full(b"infe", struct.pack(">HH", number, 0), item.kind, b"\0", version=2)
        for number, item in enumerate(items, 1)
    ]
    kinds = list(dict.fromkeys(one for item in items for one in item.properties))
    uses = [
        struct.pack(">HB", number, len(item.properties))
        + b"".join(
            struct.pack(">H", kinds.index(one) + 1 | 0x8000 * (one[4:8] in _ESSENTIAL)) for one in item.properties
        )
        for number, item in enumerate(items, 1)
    ]
    links = [
        box(kind, struct.pack(f">HH{len(ids)}H", number, len(ids), *ids))
        for number, item in enumerate(items, 1)
        for kind, ids in item.references
    ]
    fixed = [
        name,
        full(b"pitm", struct.pack(">H", primary)),
        full(b"iinf", struct.pack(">H", len(entries)), *entries),
        box(b"iprp", box(b"ipco", *kinds), full(b"ipma", struct.pack(">I", len(uses)), *uses, flags=1)),
        *([full(b"iref", *links)] if links else []),
    ]
    head = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    places = 8 + 8 + len(items) * 14
    offset = len(head) + 12 + sum(map(len, fixed)) + places + 8
    rows: list[bytes] = []
    for number, item in enumerate(items, 1):
        rows.append(struct.pack(">HHHII", number, 0, 1, offset, len(item.data)))
        offset += len(item.data)
    iloc = full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), *rows)
    return head + full(b"meta", *fixed, iloc) + box(b"mdat", *(item.data for item in items))
