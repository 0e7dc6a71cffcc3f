"""Judging uploads: real pictures pass with their facts, everything else is refused with the reason."""

import io
import re
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from schema.models.problems import ProblemCode
from schema.pictures.facts import MAX_ASPECT, MAX_SEGMENTS, MIN_SIDE, PictureFacts
from service.files.judging import UnacceptableImage, judge

MAX_PIXELS = 40_000_000
FORMATS = {"JPEG": ("image/jpeg", "jpg"), "PNG": ("image/png", "png"), "WEBP": ("image/webp", "webp")}


def picture(kind: str, size: tuple[int, int] = (120, 80), mode: str = "RGB", **options: Any) -> bytes:
    stream = io.BytesIO()
    gradient = Image.linear_gradient("L").resize(size)
    gradient.convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x010F] = "A camera"
    block[0x0112] = orientation
    return block.tobytes()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + png_chunk(b"IEND", b"")
    )


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def canvas(width: int, height: int) -> bytes:
    return bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def segments(*parts: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in parts)


def frame(width: int, height: int, *, precision: int = 8, components: int = 3) -> bytes:
    return struct.pack(">BHHB", precision, height, width, components) + b"\1\x11\0" * components


def facts(tmp_path: Path, content: bytes, max_pixels: int = MAX_PIXELS) -> PictureFacts:
    path = tmp_path / "upload"
    path.write_bytes(content)
    return judge(path, max_pixels=max_pixels)


def refusal(tmp_path: Path, content: bytes, max_pixels: int = MAX_PIXELS) -> UnacceptableImage:
    with pytest.raises(UnacceptableImage) as caught:
        facts(tmp_path, content, max_pixels)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True, "quality": 95}),
        ("JPEG", "RGB", {"restart_marker_blocks": 1, "icc_profile": b"\xff\xd9" * 40_000, "comment": b"\xff\xd9\xff"}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {"compress_level": 0}),
        ("PNG", "P", {}),
        ("PNG", "1", {}),
        ("PNG", "LA", {}),
        ("PNG", "I;16", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("WEBP", "RGBA", {"quality": 50}),
        ("WEBP", "RGB", {"icc_profile": b"odd" * 5}),
    ],
)
def test_real_pictures_pass(tmp_path: Path, kind: str, mode: str, options: dict[str, Any]) -> None:
    content_type, extension = FORMATS[kind]
    content = picture(kind, mode=mode, **options)
    assert facts(tmp_path, content) == PictureFacts(content_type, extension, 120, 80, (120, 80))


def test_animations_pass_as_their_first_picture(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (100, 90), colour) for colour in ("red", "green", "blue")]
    for kind, (content_type, extension) in FORMATS.items():
        if kind == "JPEG":
            continue
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
        assert facts(tmp_path, stream.getvalue()) == PictureFacts(content_type, extension, 100, 90, (100, 90))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_the_displayed_one(tmp_path: Path, kind: str, orientation: int) -> None:
    found = facts(tmp_path, picture(kind, exif=exif(orientation)))
    assert (found.width, found.height) == ((120, 80) if orientation <= 4 else (80, 120))


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_of_exif_are_read(tmp_path: Path, order: str) -> None:
    tiff = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    found = facts(tmp_path, picture("JPEG", exif=b"Exif\0\0" + tiff))
    assert (found.width, found.height) == (80, 120)


@pytest.mark.parametrize(("kind", "count", "turned"), [(3, 0, False), (3, 2, False), (2, 1, False), (4, 1, True)])
def test_an_orientation_counts_only_as_one_number(tmp_path: Path, kind: int, count: int, *, turned: bool) -> None:
    for order, start in ((">", b"MM"), ("<", b"II")):
        value = struct.pack(f"{order}I", 6) if kind == 4 else struct.pack(f"{order}HH", 6, 0)
        tiff = start + struct.pack(f"{order}HIHHHI", 42, 8, 1, 0x0112, kind, count) + value + bytes(4)
        assert facts(tmp_path, picture("JPEG", exif=b"Exif\0\0" + tiff)).width == (80 if turned else 120)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_a_nonsensical_orientation_counts_for_nothing(tmp_path: Path, orientation: int) -> None:
    tiff = b"II" + struct.pack("<HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    assert facts(tmp_path, picture("JPEG", exif=b"Exif\0\0" + tiff)).width == 120


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.png"
    path.write_bytes(picture("JPEG"))
    assert judge(path, max_pixels=MAX_PIXELS).content_type == "image/jpeg"


def test_what_phones_put_behind_a_jpeg_is_accepted(tmp_path: Path) -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 100
    assert facts(tmp_path, picture("JPEG") + film).width == 120
    assert facts(tmp_path, picture("JPEG") + picture("JPEG", (300, 300))).width == 120
    stream = io.BytesIO()
    Image.new("RGB", (100, 90)).save(stream, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    assert facts(tmp_path, stream.getvalue()) == PictureFacts("image/jpeg", "jpg", 100, 90, (100, 90))


@pytest.mark.parametrize("stray", [bytes(5), b"not a segment", b"\xff\x00 stuffed", b"\xff" * 9])
def test_what_stands_between_the_segments_of_a_jpeg_is_passed_over(tmp_path: Path, stray: bytes) -> None:
    content = picture("JPEG", progressive=True)
    plain = np.asarray(Image.open(io.BytesIO(content)))
    starts = [at.start() for at in re.finditer(rb"\xff[\xc2\xc4\xda\xdb\xd9]", content)]
    for at in starts:
        strewn = content[:at] + stray + content[at:]
        assert facts(tmp_path, strewn).width == 120
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(strewn))), plain)  # as decoders have it


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (picture("GIF"), "GIF"),
        (picture("BMP"), "BMP"),
        (picture("TIFF"), "TIFF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "Videos"),
        (b'<?xml version="1.0"?>\n<SVG xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"just some text that somebody named holiday.jpg", "isn't an image"),
        (b"\xff\xd8", "isn't an image"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "isn't an image"),
        (b"\x89PNG", "isn't an image"),
        (b"\0", "isn't an image"),
    ],
)
def test_other_formats_are_named_and_refused(tmp_path: Path, content: bytes, word: str) -> None:
    refused = refusal(tmp_path, content)
    assert refused.code is ProblemCode.INVALID_FILE_TYPE
    assert word in refused.message
    assert "JPEG, PNG, WebP, HEIC or AVIF" in refused.message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    refused = refusal(tmp_path, b"")
    assert (refused.code, refused.message) == (ProblemCode.INVALID_IMAGE, "The file is empty.")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_pictures_are_refused(tmp_path: Path, kind: str, share: float) -> None:
    content = picture(kind, (400, 300))
    refused = refusal(tmp_path, content[: int(len(content) * share)])
    assert refused.code is ProblemCode.INVALID_IMAGE
    assert "incomplete" in refused.message


@pytest.mark.parametrize("kind", FORMATS)
def test_not_a_single_byte_may_be_missing(tmp_path: Path, kind: str) -> None:
    options: dict[str, Any] = {"progressive": True} if kind == "JPEG" else {"exif": exif(6)}
    content = picture(kind, (64, 64), **options)
    assert facts(tmp_path, content).height == 64
    for length in range(12, len(content)):
        assert refusal(tmp_path, content[:length]).code is ProblemCode.INVALID_IMAGE


@pytest.mark.parametrize(
    "bomb",
    [
        png(30_000, 30_000),
        png(30_000, 30_000)[:33],
        b"\xff\xd8" + segments((0xC0, frame(30_000, 30_000))),
        riff((b"VP8X", canvas(30_000, 30_000))),
        riff((b"VP8L", b"\x2f" + (16_383 | 16_383 << 14).to_bytes(4, "little"))),
    ],
)
def test_too_many_pixels_are_refused_before_anything_else(tmp_path: Path, bomb: bytes) -> None:
    refused = refusal(tmp_path, bomb)
    assert refused.code is ProblemCode.INVALID_IMAGE
    assert "too many pixels" in refused.message
    assert "40,000,000" in refused.message


def test_the_limit_itself_is_accepted(tmp_path: Path) -> None:
    assert facts(tmp_path, picture("PNG"), max_pixels=9600).width == 120
    assert "9,599" in refusal(tmp_path, picture("PNG"), max_pixels=9599).message


@pytest.mark.parametrize("kind", FORMATS)
def test_tiny_pictures_are_refused(tmp_path: Path, kind: str) -> None:
    assert facts(tmp_path, picture(kind, (MIN_SIDE, MIN_SIDE))).width == 64
    for size in ((63, 500), (500, 63), (1, 1)):
        refused = refusal(tmp_path, picture(kind, size))
        assert refused.code is ProblemCode.INVALID_IMAGE
        assert "at least 64 pixels" in refused.message


@pytest.mark.parametrize("kind", FORMATS)
def test_narrow_strips_are_refused(tmp_path: Path, kind: str) -> None:
    assert facts(tmp_path, picture(kind, (MIN_SIDE, MAX_ASPECT * MIN_SIDE))).height == 1280
    refused = refusal(tmp_path, picture(kind, (MAX_ASPECT * MIN_SIDE + 1, MIN_SIDE)))
    assert refused.code is ProblemCode.INVALID_IMAGE
    assert "too narrow: 1,281 x 64" in refused.message


SCAN = (0xDA, b"\3\1\0\2\x11\3\x11\0\x3f\0")
END = b"\xff\xd9"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"\xff\xd8\xff\xd9", id="nothing between start and end"),
        pytest.param(b"\xff\xd8" + segments(SCAN) + END, id="pixels before the header"),
        pytest.param(b"\xff\xd8" + segments((0xC0, frame(99, 99))) + END, id="no pixels"),
        pytest.param(b"\xff\xd8" + segments((0xC0, frame(0, 99)), SCAN) + END, id="no width"),
        pytest.param(b"\xff\xd8" + segments((0xC0, frame(99, 99)), (0xC2, frame(99, 99))) + END, id="two headers"),
        pytest.param(b"\xff\xd8" + segments((0xC0, b"\x08\0")) + END, id="short header"),
        pytest.param(b"\xff\xd8" + segments((0xC0, frame(99, 99, components=2))) + END, id="two channels"),
        pytest.param(b"\xff\xd8" + segments((0xC1, frame(99, 99, precision=12))) + END, id="12 bits"),
        pytest.param(b"\xff\xd8" + segments((0xC3, frame(99, 99)), SCAN) + END, id="lossless"),
        pytest.param(b"\xff\xd8\xff\xe0\0\1" + segments((0xC0, frame(99, 99)), SCAN) + END, id="segment of length 1"),
        pytest.param(b"\xff\xd8\xff\xd8" + segments((0xC0, frame(99, 99)), SCAN) + END, id="two starts"),
        pytest.param(b"\xff\xd8\xff\xe0\0\4xx????" + END, id="no marker where one should be"),
        pytest.param(b"\xff\xd8" + segments((0xC2, frame(99, 99)), *[SCAN] * 101) + END, id="a bomb of scans"),
        pytest.param(b"\xff\xd8" + segments((0xFE, b"")) * (MAX_SEGMENTS + 1) + END, id="endless comments"),
        pytest.param(png(0, 100), id="png without a width"),
        pytest.param(png(100, 100, depth=3), id="png of 3 bits"),
        pytest.param(png(100, 100, colour=5), id="png of an unknown colour type"),
        pytest.param(png(100, 100).replace(b"IHDR", b"IHDX", 1), id="png without a header"),
        pytest.param(png(100, 100, extra=png_chunk(b"IHDR", bytes(13))), id="png with two headers"),
        pytest.param(png(100, 100)[:-12], id="png without an end"),
        pytest.param(png(100, 100).replace(b"IDAT", b"teXt"), id="png without pixels"),
        pytest.param(png(100, 100, extra=png_chunk(b"teSt", b"") * MAX_SEGMENTS), id="png of endless chunks"),
        pytest.param(png(100, 100, extra=b"\xff\xff\xff\xffteSt"), id="png chunk past the end"),
        pytest.param(riff((b"VP8X", canvas(100, 100))), id="webp canvas without a picture"),
        pytest.param(riff((b"VP8X", b"\0")), id="webp with a short canvas"),
        pytest.param(riff((b"VP8 ", bytes(10))), id="webp without a start code"),
        pytest.param(riff((b"VP8L", b"\x2f")), id="webp with a short bitstream"),
        pytest.param(riff((b"EXIF", bytes(5000))), id="webp without a picture"),
        pytest.param(riff(*[(b"JUNK", b"")] * (MAX_SEGMENTS + 1)), id="webp of endless chunks"),
    ],
)
def test_broken_pictures_are_refused(tmp_path: Path, broken: bytes) -> None:
    assert refusal(tmp_path, broken).code is ProblemCode.INVALID_IMAGE


def test_a_small_webp_canvas_around_a_large_picture_is_refused(tmp_path: Path) -> None:
    large = b"\x2f" + (4999 | 4999 << 14).to_bytes(4, "little")
    assert refusal(tmp_path, riff((b"VP8X", canvas(100, 100)), (b"VP8L", large))).code is ProblemCode.INVALID_IMAGE


def test_a_damaged_png_header_is_seen_by_its_checksum(tmp_path: Path) -> None:
    content = bytearray(picture("PNG"))
    content[19] ^= 1  # the width
    assert "checksum" in refusal(tmp_path, bytes(content)).message
    content = bytearray(picture("PNG"))
    content[-20] ^= 1  # the pixels
    assert "checksum" in refusal(tmp_path, bytes(content)).message


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_damage_anywhere_is_an_answer_and_never_a_crash(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(picture(kind, (64, 64), exif=exif(6)))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[position] = data.draw(st.integers(0, 255))
    with suppress(UnacceptableImage):
        found = facts(tmp_path, bytes(content))
        assert found.width * found.height <= MAX_PIXELS


def test_a_large_file_takes_no_memory(tmp_path: Path) -> None:
    content = picture("JPEG")
    path = tmp_path / "large"
    path.write_bytes(content[:-2] + b"\xff" * 10_000_000 + b"\0\xff\0" * 5_000_000 + END)
    tracemalloc.start()
    try:
        assert judge(path, max_pixels=MAX_PIXELS).width == 120
        path.write_bytes(png(100, 100, extra=png_chunk(b"iTXt", bytes(20_000_000)) + png_chunk(b"TEST", bytes(10**7))))
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert judge(path, max_pixels=MAX_PIXELS).width == 100
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 2_500_000
