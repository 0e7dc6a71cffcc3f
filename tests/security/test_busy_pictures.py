"""Pictures that are only there to keep whoever judges them busy: one process judges everybody's, under one lock."""

import struct
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from PIL import Image

from schema.pictures.facts import UnacceptablePictureError
from schema.pictures.judging import judge_picture
from tests.heif import Item, box, coded, full, grid, heif

SECONDS = 1.0
"""Of processor time; each takes a tenth of it at most."""

SIDE = 128
ALPHA = full(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def filled_jpeg() -> bytes:
    """Where a marker should be there is fill, and nothing else."""
    return b"\xff\xd8" + b"\xff" * 50_000


def stuffed_jpeg() -> bytes:
    return b"\xff\xd8\xff" + b"\0\xff" * 5_000_000


def many_grids() -> bytes:
    """Each is the transparency of one picture, and made of the same tile."""
    picture = coded(Image.new("RGB", (SIDE, SIDE)))
    of_one = grid(1, 1, (SIDE, SIDE), [2])
    alpha = Item(b"grid", of_one.data, (*of_one.properties, ALPHA), ((b"dimg", (2,)), (b"auxl", (1,))))
    return heif([picture, picture, *[alpha] * 5000])


def many_copies() -> bytes:
    """Each is the transparency of one picture, and has the same megabytes in two parts."""
    count, size = 3000, 9_000_000
    picture = coded(Image.new("RGB", (SIDE, SIDE)), b"av01")
    alpha = Item(picture.kind, b"", (*picture.properties, ALPHA), ((b"auxl", (1,)),))
    content = heif([picture, *[alpha] * count], brand=b"avif")
    meta, old = content.index(b"meta") - 4, content.index(b"iloc") - 4
    longer = count * 8
    start = content.index(b"mdat") + 4 + longer
    padding = b"\x7a" + bytes([size >> shift & 127 | 128 * (shift < 21) for shift in (0, 7, 14, 21)]) + bytes(size)
    data = picture.data + padding
    middle = len(data) // 2
    rows = [struct.pack(">HHHII", 1, 0, 1, start, len(picture.data))] + [
        struct.pack(">HHHIIII", item, 0, 2, start, middle, start + middle, len(data) - middle)
        for item in range(2, count + 2)
    ]
    length = struct.unpack_from(">I", content, meta)[0] + longer
    head = content[:meta] + struct.pack(">I", length) + content[meta + 4 : old]
    return head + full(b"iloc", b"\x44\0", struct.pack(">H", count + 1), *rows) + box(b"mdat", data)


@pytest.mark.parametrize("make", [filled_jpeg, stuffed_jpeg, many_grids, many_copies])
def test_no_picture_keeps_its_judge_busy(make: Callable[[], bytes]) -> None:
    content = make()
    started = time.process_time()
    with suppress(UnacceptablePictureError):
        judge_picture(content, 40_000_000)
    assert time.process_time() - started < SECONDS
