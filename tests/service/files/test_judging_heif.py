"""Judging HEIC and AVIF: the size as displayed, by the boxes alone; hostile ones are refused, quickly."""

import struct
import time
from collections.abc import Callable
from functools import cache

import pytest
from PIL import Image

from schema.models.problems import ProblemCode
from schema.pictures.facts import PictureFacts, UnacceptablePictureError
from schema.pictures.judging import judge_picture
from tests.heif import BRANDS, Item, aperture, box, coded, extent, full, grid, heif, mirror, saved, turn

MAX_PIXELS = 40_000_000
KINDS = {b"hvc1": ("image/heic", "heic"), b"av01": ("image/avif", "avif")}


@cache
def item(kind: bytes = b"hvc1", size: tuple[int, int] = (120, 80)) -> Item:
    return coded(Image.linear_gradient("L").resize(size).convert("RGB"), kind)


def file(*items: Item, kind: bytes = b"hvc1", primary: int = 1) -> bytes:
    return heif(items, primary=primary, brand=BRANDS[kind])


def facts(content: bytes, max_pixels: int = MAX_PIXELS) -> PictureFacts:
    return judge_picture(content, max_pixels)


def refusal(content: bytes, max_pixels: int = MAX_PIXELS) -> UnacceptablePictureError:
    with pytest.raises(UnacceptablePictureError) as caught:
        facts(content, max_pixels)
    return caught.value


def seen(content: bytes) -> tuple[int, int]:
    found = facts(content)
    return found.width, found.height


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_what_encoders_write_passes(kind: bytes, mode: str) -> None:
    content = saved(Image.linear_gradient("L").resize((120, 80)).convert(mode), kind)
    assert facts(content) == PictureFacts(*KINDS[kind], 120, 80, (120, 80))
    generic = content[:8] + b"mif1" + content[12:]
    assert facts(generic).content_type == KINDS[kind][0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_the_displayed_one(kind: bytes) -> None:
    for quarters in range(4):
        for axis in (None, 0, 1):
            flips = [] if axis is None else [mirror(axis)]
            content = file(item(kind).with_(turn(quarters), *flips), kind=kind)
            assert seen(content) == ((80, 120) if quarters % 2 else (120, 80))
    cut = item(kind).with_(aperture(90, 70), turn(1))
    assert seen(file(cut, kind=kind)) == (70, 90)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_is_as_large_as_it_says(kind: bytes) -> None:
    tile = item(kind, (128, 128))
    tiles = (2, 3, 4, 5, 6, 7)
    whole = grid(2, 3, (300, 200), tiles)
    assert seen(file(whole, *[tile] * 6, kind=kind)) == (300, 200)
    assert seen(file(whole.with_(turn(1)), *[tile] * 6, kind=kind)) == (200, 300)
    assert seen(file(*[tile] * 6, grid(2, 3, (300, 200), tuple(range(1, 7))), kind=kind, primary=7)) == (300, 200)
    for wrong in (
        grid(2, 3, (300, 200), tiles[:-1]),
        grid(2, 3, (400, 200), tiles),
        grid(2, 3, (256, 200), tiles),
        grid(2, 3, (300, 128), tiles),
        grid(2, 3, (300, 200), (2, 3, 4, 5, 6, 1)),
        grid(2, 3, (300, 200), (2, 3, 4, 5, 6, 99)),
        grid(2, 3, (300, 200), tiles).without(b"ispe").with_(extent(128, 128)),
    ):
        assert refusal(file(wrong, *[tile] * 6, kind=kind)).code is ProblemCode.INVALID_IMAGE


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_primary_picture_counts(kind: bytes) -> None:
    others = item(kind, (200, 100)), item(kind, (64, 64))
    assert seen(file(others[0], item(kind), others[1], kind=kind, primary=2)) == (120, 80)
    assert refusal(file(*others, kind=kind, primary=3)).code is ProblemCode.INVALID_IMAGE


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_pixels_are_refused_wherever_they_are_told(kind: bytes) -> None:
    plain, large = item(kind), extent(30_000, 30_000)
    bombs = [file(plain.without(b"ispe").with_(large), kind=kind), file(plain, Item(b"hvc1", b"", (large,)), kind=kind)]
    for bomb in bombs:
        refused = refusal(bomb)
        assert refused.code is ProblemCode.INVALID_IMAGE
        assert "too many pixels: 30,000 x 30,000" in refused.message
    assert facts(file(plain, kind=kind), 9600).width == 120
    assert "9,599" in refusal(file(plain, kind=kind), 9599).message


@pytest.mark.parametrize("told", [(64, 64), (120, 64), (2400, 1600)])
def test_frames_of_another_size_than_was_told_are_refused(told: tuple[int, int]) -> None:
    """AV1's decoders go by their own header; HEVC's is bounded by what is told here."""
    lie = item(b"av01").without(b"ispe").with_(extent(*told))
    assert refusal(file(lie, kind=b"av01")).code is ProblemCode.INVALID_IMAGE
    behind = Item(b"av01", item(b"av01").data + item(b"av01", (640, 640)).data, item(b"av01").properties)
    assert refusal(file(behind, kind=b"av01")).code is ProblemCode.INVALID_IMAGE


def test_sizes_that_cannot_be_edited_are_refused() -> None:
    for size, word in (((63, 500), "too small"), ((64, 1281), "too narrow"), ((0, 100), "damaged")):
        assert word in refusal(file(item().without(b"ispe").with_(extent(*size)))).message
    assert "too small" in refusal(file(item().with_(aperture(120, 60)))).message


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_single_byte_may_be_missing(kind: bytes) -> None:
    content = file(item(kind), kind=kind)
    assert facts(content).height == 80
    for length in range(28, len(content)):
        assert refusal(content[:length]).code is ProblemCode.INVALID_IMAGE
    # A box that runs to the end doesn't tell where that should be, but the picture does.
    endless = content[: (at := content.index(b"mdat") - 4)] + bytes(4) + content[at + 4 :]
    assert facts(endless).height == 80
    assert "incomplete" in refusal(endless[:-1]).message


def test_what_follows_the_picture_may_be_anything() -> None:
    content = file(item())
    large = struct.pack(">I4sQ", 1, b"mpvd", 16 + 5000) + bytes(5000)
    assert facts(content + box(b"free", bytes(99)) + large).width == 120
    assert facts(content + bytes(3)).width == 120
    for trailer in (b"SEFT and whatever a telephone's maker notes", b"\xff" * 40, struct.pack(">I4s", 5000, b"mpvd")):
        assert facts(content + trailer).width == 120


def test_other_files_of_the_family_are_named() -> None:
    film = box(b"ftyp", b"mp42", bytes(4), b"mp42", b"isom") + box(b"moov", bytes(50))
    assert "Videos" in refusal(film).message
    sequence = box(b"ftyp", b"avis", bytes(4), b"avis", b"msf1") + box(b"moov", bytes(50))
    assert "sequences" in refusal(sequence).message
    inside = file(Item(b"jpeg", b"\xff\xd8", (extent(99, 99),)))
    assert "kind of HEIF" in refusal(inside).message
    overlay = file(Item(b"iovl", bytes(20), (extent(99, 99),), ((b"dimg", (2,)),)), item())
    for refused in map(refusal, (film, sequence, inside, overlay)):
        assert refused.code is ProblemCode.INVALID_FILE_TYPE
        assert "JPEG, PNG, WebP, HEIC or AVIF" in refused.message


def changed(old: bytes, new: bytes, content: bytes | None = None) -> bytes:
    content = file(item()) if content is None else content
    assert content.count(old) >= 1
    return content.replace(old, new, 1)


NAME = box(b"ftyp", b"heic", bytes(4), b"mif1", b"heic")
PLACE = b"iloc\0\0\0\0\x44\0\0\1\0\1"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda: NAME, id="nothing but a name"),
        pytest.param(lambda: NAME + full(b"meta"), id="an empty meta"),
        pytest.param(lambda: NAME + full(b"meta", struct.pack(">I4s", 7, b"pitm")), id="a box smaller than its head"),
        pytest.param(lambda: NAME + struct.pack(">I4sQ", 1, b"meta", 5), id="a large box smaller than its head"),
        pytest.param(lambda: NAME + struct.pack(">I4s", 1, b"meta"), id="half a large size"),
        pytest.param(lambda: NAME + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1), id="the largest size"),
        pytest.param(lambda: NAME + box(b"free") * 200_000, id="endless boxes"),
        pytest.param(lambda: NAME + full(b"meta", *[box(b"meta")] * 200_000), id="endless boxes in one"),
        pytest.param(lambda: NAME + full(b"meta") * 2, id="two metas"),
        pytest.param(lambda: changed(b"pitm\0\0\0\0\0\1", b"pitm\0\0\0\0\0\7"), id="a primary item that isn't there"),
        pytest.param(lambda: changed(b"pitm", b"free"), id="no primary item"),
        pytest.param(lambda: changed(b"hdlr", b"iloc"), id="two tables of places"),
        pytest.param(lambda: changed(PLACE[:-2], b"iloc\0\0\0\0\x44\0\xff\xff"), id="a table too short"),
        pytest.param(lambda: changed(PLACE + b"\0\0", PLACE + b"\0\1"), id="a place elsewhere"),
        pytest.param(lambda: changed(b"ipma\0\0\0\1\0\0\0\1", b"ipma\0\0\0\1\xff\xff\xff\xff"), id="endless uses"),
        pytest.param(lambda: changed(b"infe\2", b"infe\0"), id="an old entry"),
        pytest.param(lambda: file(item().without(b"ispe")), id="no size"),
        pytest.param(lambda: file(item().with_(extent(99, 99))), id="two sizes"),
        pytest.param(lambda: file(item().without(b"hvcC")), id="nothing to set the decoder up"),
        pytest.param(lambda: file(item().with_(mirror(0), turn(1))), id="a mirror before a turn"),
        pytest.param(lambda: file(item().with_(turn(1), turn(2))), id="two turns"),
        pytest.param(lambda: file(item().with_(aperture(121, 80))), id="more shown than there is"),
        pytest.param(lambda: file(item().with_(aperture(100, 80, (90, 1)))), id="the middle beyond the picture"),
        pytest.param(lambda: file(item().with_(aperture(100, 80, (0, 0)))), id="a fraction of nothing"),
        pytest.param(lambda: file(grid(1, 1, (120, 80), (1,))), id="a grid of itself"),
        pytest.param(lambda: file(grid(256, 255, (60_000, 600), (2,) * 65_280), item()), id="a grid of one tile"),
    ],
)  # fmt: skip
def test_broken_or_hostile_ones_are_refused_at_once(broken: Callable[[], bytes]) -> None:
    content = broken()
    began = time.process_time()
    assert refusal(content).code is ProblemCode.INVALID_IMAGE
    assert time.process_time() - began < 2


def test_a_large_file_costs_no_time() -> None:
    """What isn't looked at is passed over."""
    content = file(item())
    began = time.process_time()
    assert facts(content + box(b"mdat", bytes(50_000_000))).width == 120
    assert time.process_time() - began < 1
