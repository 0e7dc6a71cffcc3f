"""HEIC and AVIF as the engine opens them: their primary picture, as it is displayed."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from msgspec import structs
from numpy.typing import NDArray
from PIL import Image, ImageOps

from actors.engines.local.pictures.decoding import decode
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode
from schema.pictures.judging import judge_picture
from tests.actors.engines.scenes import ASTRONAUT, loaded
from tests.heif import BRANDS, Item, aperture, coded, extent, grid, heif, mirror, saved, turn

KINDS = list(BRANDS)
MAX_PIXELS = 1_000_000
QUARTERS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


@cache
def photo() -> Image.Image:
    return loaded(ASTRONAUT).convert("RGB").resize((320, 256))


def file(*items: Item, kind: bytes, primary: int = 1) -> bytes:
    return heif(items, primary=primary, brand=BRANDS[kind])


def opened(directory: Path, content: bytes) -> Picture:
    """The picture, of the size that the upload was told to have."""
    (directory / "a").write_bytes(content)
    facts = judge_picture(content, MAX_PIXELS)
    picture = open_picture(directory / "a", role="source", max_pixels=MAX_PIXELS, long_edge=1024)
    assert (picture.width, picture.height) == (facts.width, facts.height)
    return picture


def looks_like(picture: Picture, wanted: Image.Image) -> bool:
    values: NDArray[Any] = np.asarray(wanted.convert("RGB")).astype(np.int32)
    return picture.image.shape == values.shape and bool(np.abs(picture.image - values).mean() < 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", *KINDS], ids=str)
def test_nothing_is_decoded_that_is_of_another_size_than_was_judged(kind: str | bytes) -> None:
    """Of this and all other formats: the bound on pixels is the judge's, who may be deceived."""
    stream = io.BytesIO()
    if isinstance(kind, str):
        photo().save(stream, kind)
    content = stream.getvalue() if isinstance(kind, str) else saved(photo(), kind)
    facts = judge_picture(content, MAX_PIXELS)
    smaller = structs.replace(facts, width=64, height=64, stored=(64, 64))
    with pytest.raises(OSError, match="size"):
        decode(content, smaller, (64, 64))


@pytest.mark.parametrize("kind", KINDS)
def test_turned_mirrored_and_cut_ones_as_displayed(tmp_path: Path, kind: bytes) -> None:
    item = coded(photo(), kind)
    for quarters, turned in enumerate(QUARTERS):
        for axis, mirrored in ((None, None), (0, ImageOps.flip), (1, ImageOps.mirror)):
            wanted = photo() if turned is None else photo().transpose(turned)
            wanted = wanted if mirrored is None else mirrored(wanted)
            flips = [] if axis is None else [mirror(axis)]
            assert looks_like(opened(tmp_path, file(item.with_(turn(quarters), *flips), kind=kind)), wanted)
    cut = item.with_(aperture(200, 100, (-20, 1), (30, 1)), turn(1))
    wanted = photo().crop((40, 108, 240, 208)).transpose(Image.Transpose.ROTATE_90)
    assert looks_like(opened(tmp_path, file(cut, kind=kind)), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_is_put_together(tmp_path: Path, kind: bytes) -> None:
    tiles = [coded(photo().crop((x, y, x + 160, y + 128)), kind) for y in (0, 128) for x in (0, 160)]
    whole = grid(2, 2, (310, 250), (2, 3, 4, 5))
    assert looks_like(opened(tmp_path, file(whole, *tiles, kind=kind)), photo().crop((0, 0, 310, 250)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGBA", "L", "LA"])
def test_transparency_and_grey(tmp_path: Path, kind: bytes, mode: str) -> None:
    image = photo().convert(mode)
    if mode != "L":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    wanted = Image.new("RGBA", image.size, "white")
    wanted.alpha_composite(image.convert("RGBA"))
    picture = opened(tmp_path, saved(image, kind))
    assert (picture.alpha is not None) == (mode != "L")
    assert looks_like(picture, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_of_several_pictures_the_primary_one(tmp_path: Path, kind: bytes) -> None:
    other = coded(Image.new("RGB", (640, 128), "blue"), kind)
    content = file(other, coded(photo(), kind), other, kind=kind, primary=2)
    assert looks_like(opened(tmp_path, content), photo())


def test_of_an_animation_the_primary_picture(tmp_path: Path) -> None:
    stream = io.BytesIO()
    more = Image.new("RGB", photo().size, "blue")
    photo().save(stream, "AVIF", save_all=True, append_images=[more], quality=90, speed=10)
    assert stream.getvalue()[8:12] == b"avis"
    assert looks_like(opened(tmp_path, stream.getvalue()), photo())


def test_more_bits_than_eight(tmp_path: Path) -> None:
    values = np.asarray(photo()).astype(np.uint16) * 257
    stream = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", photo().size, values.tobytes()).save(stream, quality=90)
    assert looks_like(opened(tmp_path, stream.getvalue()), photo())


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_its_header_is_refused(tmp_path: Path, kind: bytes) -> None:
    item = coded(photo(), kind)
    data = item.data
    wrong = [Item(kind, some, item.properties) for some in (data[: len(data) // 2], data[:50], bytes(len(data)))]
    if kind == b"hvc1":
        wrong += [item.without(b"ispe").with_(extent(*size)) for size in ((640, 512), (64, 64))]
    for damaged in wrong:
        (tmp_path / "a").write_bytes(file(damaged, kind=kind))
        with pytest.raises(EngineError) as caught:
            open_picture(tmp_path / "a", role="source", max_pixels=MAX_PIXELS, long_edge=1024)
        assert caught.value.code is FailureCode.IMAGE_DECODE_FAILED
        assert "is damaged" in caught.value.message
