"""What kinds of files are opened, and which are refused with a sentence for the person who sent them."""

import io
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.pictures.profile import srgb_profile
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode
from tests.actors.engines.hostile.writing import (
    frame_at,
    jpeg_with,
    png,
    png_chunks,
    png_header,
    raw_png,
    riff,
    riff_chunks,
    saved,
    tiff,
)
from tests.actors.engines.scenes import HOPPER, loaded

MAX_PIXELS = 1_000_000


def opened(path: Path, long_edge: int = 1024) -> Picture:
    return open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=long_edge)


def refusal(path: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        opened(path)
    assert caught.value.code is FailureCode.IMAGE_DECODE_FAILED
    assert caught.value.message.startswith("The source image ")
    assert caught.value.details == {"image": "source"}
    return caught.value


def ramp(width: int = 96, height: int = 64) -> NDArray[Any]:
    """Red grows to the right, green downwards."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)[None, :]
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    return image


def close_to(picture: Picture, wanted: NDArray[Any], tolerance: float = 6) -> bool:
    return picture.image.shape == wanted.shape and bool(
        np.abs(picture.image.astype(np.int32) - wanted.astype(np.int32)).mean() < tolerance
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_the_three_formats(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(ramp()).save(tmp_path / f"a.{suffix}", quality=95)
    assert close_to(opened(tmp_path / f"a.{suffix}"), ramp())


def test_a_larger_picture_is_reduced_and_a_smaller_one_left(tmp_path: Path) -> None:
    Image.fromarray(ramp(900, 600)).save(tmp_path / "a.jpg", quality=95)
    assert close_to(opened(tmp_path / "a.jpg", 96), ramp())
    assert opened(tmp_path / "a.jpg", 2000).image.shape == (600, 900, 3)


@pytest.mark.parametrize("orientation", [1, 6])
def test_of_a_reference_the_part_that_covers_is_left(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = ramp(900, 600) if orientation == 1 else np.rot90(ramp(900, 600))
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    picture = open_picture(
        tmp_path / "a.png", role="reference", max_pixels=MAX_PIXELS, long_edge=None, cover=(100, 300)
    )
    assert (picture.width, picture.height) == (100, 300)
    wanted = np.asarray(Image.fromarray(ramp(900, 600)).resize((450, 300)))[:, 175:275]
    assert close_to(picture, wanted, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    wanted = ramp()
    stored = {
        1: wanted,
        2: wanted[:, ::-1],
        3: wanted[::-1, ::-1],
        4: wanted[::-1],
        5: wanted.transpose(1, 0, 2),
        6: np.rot90(wanted, 1),
        7: np.rot90(wanted, 2).transpose(1, 0, 2),
        8: np.rot90(wanted, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    assert close_to(opened(tmp_path / "a.jpg"), wanted)


def test_exif_behind_the_pixels_counts_and_xmp_does_not(tmp_path: Path) -> None:
    chunks = png_chunks(saved(Image.fromarray(np.ascontiguousarray(ramp()[::-1])), "PNG"))
    (tmp_path / "a.png").write_bytes(png([*chunks[:-1], (b"eXIf", tiff((0x0112, 3, 1, 4))), chunks[-1]]))
    assert close_to(opened(tmp_path / "a.png"), ramp(), 1)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="4"/></x:xmpmeta>'
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", xmp=xmp, quality=95)
    assert close_to(opened(tmp_path / "a.jpg"), ramp())


def test_cmyk_grey_palette_and_bits(tmp_path: Path) -> None:
    grey = np.array(Image.fromarray(ramp()).convert("L"))
    Image.fromarray(ramp()).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert close_to(opened(tmp_path / "cmyk.jpg"), ramp())
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "grey16.png")
    for name in ("grey.png", "grey16.png"):
        assert close_to(opened(tmp_path / name), grey[..., None].repeat(3, 2), 1)
    Image.fromarray(ramp()).quantize(256).save(tmp_path / "palette.png")
    assert close_to(opened(tmp_path / "palette.png"), ramp(), 12)
    Image.fromarray(grey > 127).save(tmp_path / "bits.png")
    assert set(np.unique(opened(tmp_path / "bits.png").image)) == {0, 255}


def test_sixteen_bits_of_colour(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(raw_png(ramp().astype(np.uint16) * 257, depth=16, colour=2))
    assert close_to(opened(tmp_path / "a.png"), ramp(), 1)


def test_alpha_is_kept_and_shown_on_white(tmp_path: Path) -> None:
    values = np.dstack([ramp(), np.full((64, 96), 255, np.uint8)])
    values[:, :48, 3] = 0
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = opened(tmp_path / "a.png")
    assert picture.alpha is not None
    assert picture.alpha[:, :48].max() == 0
    assert picture.alpha[:, 48:].min() == 1
    assert (picture.image[:, :48] == 255).all()
    assert (picture.image[:, 48:] == ramp()[:, 48:]).all()


@pytest.mark.parametrize("mode", ["LA", "P", "L"])
def test_other_ways_to_be_transparent(tmp_path: Path, mode: str) -> None:
    if mode == "LA":
        image = Image.new("LA", (64, 64), (90, 0))
    else:
        image = Image.new(mode, (64, 64), 0)
        image.info["transparency"] = 0
    image.save(tmp_path / "a.png")
    assert (opened(tmp_path / "a.png").image == 255).all()


@pytest.mark.parametrize("depth", [1, 8, 16])
def test_one_grey_that_is_transparent(tmp_path: Path, depth: int) -> None:
    values = np.zeros((64, 64, 1), np.uint16)
    values[:, 32:] = 2**depth - 1
    content = raw_png(values, depth=depth, colour=0, extra=[(b"tRNS", bytes(2))])
    (tmp_path / "a.png").write_bytes(content)
    picture = opened(tmp_path / "a.png")
    assert picture.alpha is not None
    assert (picture.alpha == (values[..., 0] > 0)).all()
    assert (picture.image == 255).all()


@pytest.mark.parametrize("transparent", [False, True])
def test_a_webp_is_decoded_to_the_last_bit(tmp_path: Path, *, transparent: bool) -> None:
    values = np.dstack([ramp(), np.full((64, 96), 200, np.uint8)])[..., : 3 + transparent]
    Image.fromarray(values).save(tmp_path / "a.webp", lossless=True, exact=True)
    picture = opened(tmp_path / "a.webp")
    assert (picture.colours == values[..., :3]).all()
    assert (picture.alpha is not None) == transparent


@pytest.mark.parametrize("suffix", ["webp", "png"])
def test_of_an_animation_the_first_picture(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(ramp()), Image.new("RGB", (96, 64), "blue")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], quality=95)
    assert close_to(opened(tmp_path / f"a.{suffix}"), ramp())


def test_colours_are_converted_to_srgb(tmp_path: Path) -> None:
    # sRGB with its red and green primaries in each other's place.
    tags = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    profile = re.sub(b"rXYZ|gXYZ", lambda tag: tags[tag[0]], srgb_profile().tobytes())
    Image.fromarray(ramp()).save(tmp_path / "with.png", icc_profile=profile)
    Image.fromarray(ramp()).save(tmp_path / "broken.png", icc_profile=b"nonsense")
    assert close_to(opened(tmp_path / "with.png"), ramp()[..., [1, 0, 2]], 2)
    assert close_to(opened(tmp_path / "broken.png"), ramp(), 1)


def test_what_is_cut_short_or_no_picture_is_refused(tmp_path: Path) -> None:
    content = HOPPER.read_bytes()
    (tmp_path / "short.jpg").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.jpg").write_text("I am no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    buffer = io.BytesIO()
    Image.fromarray(ramp()).save(buffer, "GIF")
    (tmp_path / "gif.png").write_bytes(buffer.getvalue())
    assert "is incomplete: its end is missing" in refusal(tmp_path / "short.jpg").message
    assert "The file is empty" in refusal(tmp_path / "empty.png").message
    for name in ("text.jpg", "gif.png"):
        assert "JPEG, PNG, WebP, HEIC or AVIF" in refusal(tmp_path / name).message


def test_a_picture_with_broken_pixels_is_refused(tmp_path: Path) -> None:
    chunks = png_chunks(saved(Image.fromarray(ramp()), "PNG"))
    harmed = [
        (kind, content[:20] + b"\xff" * len(content[20:]) if kind == b"IDAT" else content) for kind, content in chunks
    ]
    (tmp_path / "a.png").write_bytes(png(harmed))
    assert "damaged or incomplete" in refusal(tmp_path / "a.png").message
    chunks = riff_chunks(saved(Image.fromarray(ramp()), "WEBP", lossless=True))
    (tmp_path / "a.webp").write_bytes(riff([(kind, content[: len(content) // 2]) for kind, content in chunks]))
    assert "damaged or incomplete" in refusal(tmp_path / "a.webp").message


JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarted": {"restart_marker_blocks": 3},
    "grey": {"mode": "L"},
    "inks": {"mode": "CMYK"},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_a_jpeg_whose_data_end_before_its_picture_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    image = loaded(HOPPER).convert(options.get("mode", "RGB"))
    content = saved(image, "JPEG", **{key: value for key, value in options.items() if key != "mode"})
    (tmp_path / "whole.jpg").write_bytes(jpeg_with(content, b"\xff\xed\0\4ab") + b"what a telephone adds")
    assert opened(tmp_path / "whole.jpg").image.shape[:2] == (image.height, image.width)
    at = frame_at(content) + 5
    scan = content.rindex(b"\xff\xda")
    for short in (
        content[:at] + (image.height + 16).to_bytes(2, "big") + content[at + 2 :],
        content[: scan + (len(content) - scan) // 2] + b"\xff\xd9",
        content[: content.index(b"\xff\xda") + 60] + b"\xff\xd9",
    ):
        (tmp_path / "short.jpg").write_bytes(short)
        assert "damaged or incomplete" in refusal(tmp_path / "short.jpg").message


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_whose_data_end_before_its_picture_is_refused(tmp_path: Path, depth: int, *, interlaced: bool) -> None:
    values = ramp().astype(np.uint16) * (257 if depth == 16 else 1)
    chunks = png_chunks(raw_png(values, depth=depth, colour=2, interlaced=interlaced))
    rows = zlib.decompress(dict(chunks)[b"IDAT"])
    for kept, word in ((len(rows), None), (len(rows) - 1, "damaged"), (len(rows) // 2, "damaged"), (9, "damaged")):
        packed = zlib.compress(rows[:kept])
        (tmp_path / "a.png").write_bytes(png([chunks[0], (b"IDAT", packed[:7]), (b"IDAT", packed[7:]), chunks[-1]]))
        if word is None:
            assert close_to(opened(tmp_path / "a.png"), ramp(), 1)
        else:
            assert word in refusal(tmp_path / "a.png").message


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png([png_header(30_000, 30_000), (b"IDAT", b""), (b"IEND", b"")]))
    assert "too many pixels" in refusal(tmp_path / "bomb.png").message


def test_too_small_or_too_narrow_is_refused(tmp_path: Path) -> None:
    for name, size, why in (("small.png", (63, 80), "too small"), ("narrow.png", (2000, 70), "too narrow")):
        Image.new("RGB", size).save(tmp_path / name)
        assert why in refusal(tmp_path / name).message


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        opened(tmp_path / "gone.jpg")
    assert caught.value.code is FailureCode.IMAGE_NOT_FOUND
