"""Colours that a file tells without an ICC profile come out as the browser shows them."""

import base64
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser

from actors.engines.local.pictures.opening import open_picture
from tests.actors.engines.hostile.writing import Chunk, png, png_chunks, saved
from tests.heif import coded, heif, meaning
from tests.journeys.browsing import browser, needs_chromium

__all__ = ["browser"]

SIDE = 48
GREYS = tuple((value,) * 3 for value in (0, 20, 60, 128, 255))
SHOWN = (*GREYS, (200, 40, 40), (40, 200, 40), (40, 40, 200), (240, 200, 160))
P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
HAS_PROFILE = (b"sRGB", b"\0")

_LOOK = """async ([content, count, side]) => {
    const image = new Image();
    image.src = content;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const seen = i => Array.from(context.getImageData(side * i + side / 2, side, 1, 1).data.slice(0, 3));
    return [...Array(count).keys()].map(seen);
}"""


def gamma(value: float) -> Chunk:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def primaries(*values: float) -> Chunk:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


def codes(*values: int) -> Chunk:
    return b"cICP", bytes(values)


PNGS: dict[str, list[Chunk]] = {
    "nothing": [],
    "linear": [gamma(1)],
    "nearly sRGB": [gamma(0.45)],
    "another gamma": [gamma(0.35)],
    "a gamma of nothing": [gamma(0)],
    "primaries alone": [primaries(*P3)],
    "primaries and a gamma": [gamma(0.45455), primaries(*P3)],
    "impossible primaries": [gamma(0.45455), primaries(*[0] * 8)],
    "sRGB before a gamma": [HAS_PROFILE, gamma(1), primaries(*P3)],
    "Display P3": [codes(12, 13, 0, 1)],
    "Display P3 before sRGB": [codes(12, 13, 0, 1), HAS_PROFILE],
    "BT.709": [codes(1, 1, 0, 1)],
    "BT.2020": [codes(9, 14, 0, 1)],
    "linear by code": [codes(1, 8, 0, 1)],
    "unspecified": [codes(2, 2, 0, 1)],
    "narrow range": [codes(12, 13, 0, 0)],
}
VIDEO_CODES = ((12, 13), (12, 2), (1, 8), (1, 1), (2, 2))


def colours() -> Image.Image:
    return Image.fromarray(np.array(SHOWN, np.uint8).repeat(SIDE, 0)[None].repeat(2 * SIDE, 0))


def told(chunks: list[Chunk], mode: str = "RGB") -> bytes:
    first, *rest = png_chunks(saved(colours().convert(mode), "PNG"))
    return png([first, *chunks, *rest])


def opened(directory: Path, content: bytes) -> NDArray[Any]:
    (directory / "a").write_bytes(content)
    picture = open_picture(directory / "a", role="source", max_pixels=1_000_000, long_edge=1024)
    return picture.image[SIDE, SIDE // 2 :: SIDE].astype(np.int32)


@needs_chromium
async def test_pictures_look_as_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    files = {name: ("png", told(chunks)) for name, chunks in PNGS.items()}
    files["linear grey"] = "png", told([gamma(1)], "L")
    plain = coded(colours(), b"av01", subsampling="4:4:4", quality=100).without(b"colr")
    for primary, transfer in VIDEO_CODES:
        content = heif([plain.with_(meaning(primary, transfer))], brand=b"avif")
        files[f"AVIF of {primary}, {transfer}"] = "avif", content
    page = await browser.new_page()
    faults: list[str] = []
    for name, (kind, content) in files.items():
        address = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        seen = np.array(await page.evaluate(_LOOK, [address, len(SHOWN), SIDE]))
        ours = opened(tmp_path, content)
        if np.abs(seen - ours).max() > 2:
            faults.append(f"{name}: {seen.tolist()} there, {ours.tolist()} here")
    await page.close()
    assert faults == []


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_keeps_its_greys(tmp_path: Path, transfer: int) -> None:
    """Darker than it looks as sRGB, brighter where it is bright: nothing washed out."""
    plain = coded(colours(), b"hvc1").without(b"colr")
    shown = opened(tmp_path, heif([plain.with_(meaning(9, transfer))]))[: len(GREYS)]
    assert (np.ptp(shown, axis=1) <= 2).all()
    assert (shown[1:3, 0] < (10, 45)).all()
    assert 90 < shown[3, 0] < 140
    assert shown[4, 0] > 250
