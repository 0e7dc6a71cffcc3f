"""Files whose headers say something odd, too much, or what isn't so."""

import struct
import zlib
from functools import cache
from typing import Literal

from PIL import Image, ImageCms

from tests.actors.engines.hostile import scenes
from tests.actors.engines.hostile.recipes import Fate, Hostile, Random, opens, recipe
from tests.actors.engines.hostile.writing import (
    frame_at,
    jpeg_segment,
    jpeg_with,
    png,
    png_chunks,
    png_header,
    riff,
    riff_chunks,
    saved,
    tiff,
    webp_canvas,
)

_LAID = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""How Pillow (Image.Transpose) lays an upright picture down for each of EXIF's orientations."""


@recipe
def _orientation(rng: Random) -> Hostile:
    image = scenes.person(rng)
    orientation = rng.randint(1, 8)
    laid = image.transpose(Image.Transpose(_LAID[orientation])) if orientation > 1 else image
    exif = b"Exif\0\0" + tiff((0x0112, 3, 1, orientation), order=rng.choice("<>"))
    return opens(saved(laid, rng.choice(["JPEG", "PNG", "WEBP"]), exif=exif, quality=92), image)


@recipe
def _orientation_elsewhere(rng: Random) -> Hostile:
    image = scenes.person(rng)
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{rng.randint(2, 8)}"/></x:xmpmeta>'.encode()
    return opens(saved(image, rng.choice(["JPEG", "WEBP"]), xmp=xmp, quality=92), image)


@recipe
def _broken_exif(rng: Random) -> Hostile:
    image = scenes.person(rng)
    block = rng.choice([
        b"",
        rng.randbytes(rng.randint(1, 400)),
        b"II*\0" + rng.randbytes(60),
        tiff((0x0112, 3, 1, rng.choice([0, 9, 300, 65535]))),
        tiff((0x0112, 2, 2**31, 0xFFFFFFFF), (0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0x0201, 4, 1, 2**32 - 1)),
        tiff((0x8769, 13, 2**32 - 1, 4))[:20],
        b"MM\0*" + b"\xff" * 300,
        tiff((0x0112, 3, rng.choice([0, 2]), 6)),
        tiff((0x0112, rng.choice([1, 2, 4, 5, 6, 8, 9, 13]), 1, 6), order=rng.choice("<>")),
    ])  # fmt: skip
    return Hostile(jpeg_with(saved(image, "JPEG"), jpeg_segment(0xE1, b"Exif\0\0" + block)), Fate.OPENS)


def _profile(space: Literal["LAB", "XYZ", "sRGB"]) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # pyright: ignore[reportUnknownArgumentType]


@recipe
def _absurd_profile(rng: Random) -> Hostile:
    image = scenes.person(rng)
    good = _profile(rng.choice(["LAB", "XYZ", "sRGB"]))
    harmed = bytearray(good)
    for _ in range(rng.randint(1, 30)):
        harmed[rng.randrange(len(harmed))] = rng.randrange(256)
    profile = rng.choice([rng.randbytes(600), good[: len(good) // 2], bytes(harmed), good, b"\0" * 300_000])
    return Hostile(saved(image, rng.choice(["JPEG", "PNG", "WEBP"]), icc_profile=profile), Fate.OPENS)


@recipe
def _more_behind_its_end(rng: Random) -> Hostile:
    image = scenes.person(rng)
    behind = rng.choice(
        [rng.randbytes(5000), b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(500), b"\0\0\0\x18ftyp"]
    )
    return opens(saved(image, rng.choice(["JPEG", "PNG"]), quality=92) + behind, image)


@recipe
def _script_in_front(rng: Random) -> Hostile:
    image = scenes.person(rng)
    comment = jpeg_segment(0xFE, b"*/=alert(1);/*<?php system('id') ?>" + rng.randbytes(9))
    return opens(jpeg_with(saved(image, "JPEG", quality=92), comment, b"\xff" * 20 + comment), image)


@cache
def _bomb() -> bytes:
    return zlib.compress(bytes(30_000_000), 9)


@recipe
def _bomb_of_text(rng: Random) -> Hostile:
    chunks = png_chunks(saved(scenes.person(rng), "PNG"))
    packed = _bomb()
    text = rng.choice([(b"zTXt", b"a\0\0" + packed), (b"iTXt", b"a\0\1\0\0\0" + packed), (b"iCCP", b"a\0\0" + packed)])
    return Hostile(png([chunks[0], *[text] * rng.choice([1, 5]), *chunks[1:]]), Fate.ANY)


@recipe
def _bomb_of_pixels(rng: Random) -> Hostile:
    packed = _bomb()
    return Hostile(png([png_header(rng.randint(64, 99), 99), (b"IDAT", packed), (b"IEND", b"")]), Fate.ANY)


@recipe
def _declared_too_large(rng: Random) -> Hostile:
    width, height = rng.choice(
        [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (6400, 6400), (2**32 - 1, 1), (65_535, 65_000)]
    )
    if max(width, height) < 2**16 and rng.random() < 0.5:
        content = bytearray(saved(scenes.person(rng), "JPEG"))
        at = frame_at(bytes(content)) + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
        return Hostile(bytes(content), Fate.INVALID)
    if width < 2**16 and rng.random() < 0.5:
        body = riff_chunks(saved(scenes.person(rng), "WEBP", method=0))
        return Hostile(riff([webp_canvas(width, height), *body]), Fate.INVALID)
    return Hostile(
        png([png_header(width, height), (b"IDAT", zlib.compress(bytes(9999))), (b"IEND", b"")]), Fate.INVALID
    )


@recipe
def _declared_otherwise(rng: Random) -> Hostile:
    image = scenes.person(rng)
    width, height = rng.randint(64, 2000), rng.randint(64, 2000)
    kind = rng.choice(["JPEG", "PNG", "WEBP"])
    if kind == "JPEG":
        content = bytearray(saved(image, "JPEG"))
        at = frame_at(bytes(content)) + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
        return Hostile(bytes(content), Fate.ANY)
    if kind == "WEBP":
        flags = rng.choice([0, 2, 0x10, 0xFF])
        return Hostile(riff([webp_canvas(width, height, flags), *riff_chunks(saved(image, "WEBP"))]), Fate.ANY)
    depth, colour = rng.choice([(8, 0), (8, 2), (8, 3), (8, 4), (8, 6), (16, 0), (16, 6), (1, 0), (4, 3)])
    chunks = png_chunks(saved(image, "PNG"))
    return Hostile(png([png_header(width, height, depth=depth, colour=colour), *chunks[1:]]), Fate.ANY)


@recipe
def _odd_frame(rng: Random) -> Hostile:
    content = bytearray(saved(scenes.person(rng), "JPEG"))
    at = frame_at(bytes(content))
    if rng.random() < 0.5:
        content[at + 1] = rng.choice([0xC3, 0xC5, 0xC9, 0xCA, 0xCB])  # lossless, hierarchical, arithmetic
    else:
        content[at + 4] = rng.choice([0, 1, 12, 16])  # bits
    return Hostile(bytes(content), Fate.INVALID)


@recipe
def _endless_scans(rng: Random) -> Hostile:
    content = saved(scenes.person(rng), "JPEG", progressive=True)
    scan = content[content.index(b"\xff\xda") : -2]
    return Hostile(content[:-2] + scan * 101 + content[-2:], Fate.INVALID)
