"""Images that people, their broken disks and attackers send: a thousand of them from a seed, each with its fate."""

import random
import string
import struct
import zlib
from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import cache
from typing import Literal

import numpy as np
from msgspec import Struct, structs
from PIL import Image, ImageCms, ImageEnhance, ImageOps

from tests.actors.engines import hostile_scenes as scenes
from tests.actors.engines.hostile_bytes import (
    SIGNATURE,
    frame_at,
    jpeg_parts,
    jpeg_segment,
    jpeg_with,
    png,
    png_chunk,
    png_chunks,
    png_header,
    raw_png,
    riff,
    riff_chunks,
    saved,
    tiff,
    webp_canvas,
)

Random = random.Random


class Fate(Enum):
    """What has to come of an upload."""

    OPENS = auto()
    OTHER_TYPE = auto()
    INVALID = auto()
    """Refused when it is uploaded."""
    ANY = auto()
    """Damaged somewhere: opened or refused, whichever the damage allows."""


class Hostile(Struct, frozen=True):
    """A file as it is sent. `truth` is how an opened one has to look, turned upright, within `tolerance` of 255."""

    content: bytes
    fate: Fate
    truth: Image.Image | None = None
    tolerance: float = 5
    name: str = ""


Recipe = Callable[[Random], Hostile]
_RECIPES: dict[str, Recipe] = {}
RARE = 12
"""Every so many rounds the slow ones come too."""
_RARE: set[str] = set()


def hostile_images(seed: int, count: int) -> Iterator[Hostile]:
    """`count` images, each kind about equally often."""
    made = turn = 0
    while made < count:
        for kind, recipe in _RECIPES.items():
            if made == count:
                return
            if kind in _RARE and turn % RARE:
                continue
            image = recipe(Random(f"{seed}/{kind}/{turn}"))
            yield structs.replace(image, name=f"{seed}-{turn:02}-{kind}")
            made += 1
        turn += 1


def _recipe(make: Recipe) -> Recipe:
    _RECIPES[make.__name__.strip("_")] = make
    return make


def _rare(make: Recipe) -> Recipe:
    _RARE.add(make.__name__.strip("_"))
    return _recipe(make)


def _opens(content: bytes, truth: Image.Image | None = None, tolerance: float = 5) -> Hostile:
    return Hostile(content, Fate.OPENS, truth, tolerance)


# What is to be seen --------------------------------------------------------------------------------------------------


@_recipe
def _plain_jpeg(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    options = {"progressive": rng.random() < 0.5, "subsampling": rng.randrange(3)}
    content = saved(image, "JPEG", quality=rng.randint(40, 95), restart_marker_blocks=rng.choice([0, 1, 7]), **options)
    return _opens(content, image, 8)


@_recipe
def _plain_png(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    return _opens(saved(image, "PNG"), image, 1)


@_recipe
def _plain_webp(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    return _opens(saved(image, "WEBP", quality=rng.randint(30, 95), method=0, lossless=rng.random() < 0.3), image, 8)


def _seen(image: Image.Image) -> Hostile:
    return _opens(saved(image, "JPEG", quality=92), image)


@_recipe
def _one_colour(rng: Random) -> Hostile:
    colour = rng.choice([(0, 0, 0), (255, 255, 255), (128, 128, 128), tuple(rng.randbytes(3))])
    return _opens(saved(image := Image.new("RGB", (rng.randint(64, 500), rng.randint(64, 500)), colour), "PNG"), image)


@_recipe
def _turned_person(rng: Random) -> Hostile:
    turn = rng.choice([Image.Transpose.FLIP_LEFT_RIGHT, *[getattr(Image.Transpose, f"ROTATE_{n}") for n in (90, 180)]])
    return _seen(scenes.person(rng).transpose(turn))


@_recipe
def _leaning_person(rng: Random) -> Hostile:
    image = scenes.person(rng).rotate(rng.uniform(-80, 80), expand=rng.random() < 0.5)
    image.thumbnail((700, 700))
    return _seen(image)


@_recipe
def _dark_or_bright_person(rng: Random) -> Hostile:
    return _seen(ImageEnhance.Brightness(scenes.person(rng)).enhance(rng.choice([0.02, 0.08, 0.2, 3, 8])))


@_recipe
def _pale_or_negative_person(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return _seen(ImageOps.invert(image) if rng.random() < 0.4 else ImageEnhance.Contrast(image).enhance(0.05))


@_recipe
def _two_people(rng: Random) -> Hostile:
    return _seen(scenes.side_by_side(scenes.person(rng), scenes.person(rng)))


@_recipe
def _part_of_a_person(rng: Random) -> Hostile:
    return _seen(scenes.part(rng, scenes.person(rng)))


@_recipe
def _face_filling_the_frame(rng: Random) -> Hostile:
    return _seen(scenes.face(rng))


@_recipe
def _small_person(rng: Random) -> Hostile:
    return _seen(scenes.small_person(rng))


@_recipe
def _noisy_person(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return _seen(Image.blend(image, scenes.noise(rng, image.size), rng.uniform(0.2, 0.9)))


# Ways to keep colours ------------------------------------------------------------------------------------------------


@_recipe
def _grey(rng: Random) -> Hostile:
    image = scenes.anything(rng).convert("L")
    return _opens(saved(image, rng.choice(["JPEG", "PNG"]), quality=92), image.convert("RGB"))


@_recipe
def _cmyk(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return _opens(saved(image.convert("CMYK"), "JPEG", quality=95, progressive=rng.random() < 0.3), image)


@_recipe
def _ycck(rng: Random) -> Hostile:
    image = scenes.person(rng)
    inks = image.convert("CMYK")
    first = Image.merge("RGB", inks.split()[:3]).convert("YCbCr")
    # Pillow inverts what it writes; libjpeg turns YCC into inverted inks.
    stored = Image.merge("CMYK", [ImageOps.invert(channel) for channel in first.split()] + [inks.getchannel("K")])
    content = saved(stored, "JPEG", quality=95, subsampling=0)
    at = content.index(b"\xff\xee\0\x0eAdobe") + 15
    return _opens(content[:at] + b"\2" + content[at + 1 :], image)


@_recipe
def _sixteen_bits(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    values = np.asarray(image).astype(np.uint16) * 257
    interlaced = rng.random() < 0.5
    if rng.random() < 0.4:
        grey = np.asarray(image.convert("L"))
        content = raw_png(grey[..., None].astype(np.uint16) * 257, depth=16, colour=0, interlaced=interlaced)
        return _opens(content, image.convert("L").convert("RGB"), 1)
    if rng.random() < 0.4:
        values = np.dstack([values, np.full(values.shape[:2], 65535, np.uint16)])
    return _opens(raw_png(values, depth=16, colour=2 if values.shape[2] == 3 else 6, interlaced=interlaced), image, 1)


@_recipe
def _interlaced(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    return _opens(raw_png(np.asarray(image), depth=8, colour=2, interlaced=True), image, 1)


@_recipe
def _palette(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    colours = rng.choice([2, 4, 16, 256])
    few = image.quantize(colours, Image.Quantize.FASTOCTREE)
    return _opens(saved(few, "PNG", bits={2: 1, 4: 2, 16: 4, 256: 8}[colours]), few.convert("RGB"), 1)


@_recipe
def _palette_with_transparency(rng: Random) -> Hostile:
    few = scenes.anything(rng).quantize(64, Image.Quantize.FASTOCTREE)
    clear = rng.randrange(8)
    shown = few.convert("RGB")
    shown.paste((255, 255, 255), mask=few.point([255 * (value == clear) for value in range(256)], "L"))
    gone = clear if rng.random() < 0.5 else bytes(255 * (value != clear) for value in range(64))
    return _opens(saved(few, "PNG", transparency=gone), shown, 1)


@_recipe
def _few_bits(rng: Random) -> Hostile:
    image = scenes.anything(rng).convert("L")
    depth = rng.choice([1, 2, 4])
    values = np.asarray(image) >> (8 - depth)
    shown = (values.astype(np.float32) * 255 / (2**depth - 1)).round().astype(np.uint8)
    extra: list[tuple[bytes, bytes]] = []
    if depth == 1 and rng.random() < 0.5:  # Pillow compares 2 and 4 bits with 8
        clear = int(values[0, 0])
        extra, shown = [(b"tRNS", struct.pack(">H", clear))], np.where(values == clear, 255, shown).astype(np.uint8)
    content = raw_png(values[..., None], depth=depth, colour=0, extra=extra)
    return _opens(content, Image.fromarray(shown).convert("RGB"), 1)


@_recipe
def _one_clear_colour(rng: Random) -> Hostile:
    values = np.asarray(scenes.person(rng)).copy()
    values[: rng.randint(20, 60)] = clear = np.array([1, 2, 3], np.uint8)
    shown = np.where((values == clear).all(axis=2, keepdims=True), 255, values).astype(np.uint8)
    if rng.random() < 0.5:
        extra = (b"tRNS", struct.pack(">3H", 1, 2, 3))
        return _opens(raw_png(values, depth=8, colour=2, extra=[extra]), Image.fromarray(shown), 1)
    extra = (b"tRNS", struct.pack(">3H", 257, 514, 771))
    return _opens(raw_png(values * np.uint16(257), depth=16, colour=2, extra=[extra]), Image.fromarray(shown), 1)


@_recipe
def _alpha(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    alpha = scenes.alpha(rng, image.size)
    shown = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    image.putalpha(alpha)
    content = saved(image, "PNG") if rng.random() < 0.6 else saved(image, "WEBP", lossless=True, method=0, exact=True)
    return _opens(content, shown, 2)


@_recipe
def _grey_with_alpha(rng: Random) -> Hostile:
    image = scenes.anything(rng).convert("L")
    alpha = scenes.alpha(rng, image.size)
    shown = Image.composite(image, Image.new("L", image.size, 255), alpha).convert("RGB")
    image.putalpha(alpha)
    return _opens(saved(image, "PNG"), shown, 2)


@_recipe
def _cut_out(rng: Random) -> Hostile:
    person = scenes.lone_cut_out(rng)
    shown = Image.new("RGB", person.size, "white")
    shown.paste(person, mask=person)
    return _opens(saved(person, rng.choice(["PNG", "WEBP"]), lossless=True, method=0), shown, 3)


@_recipe
def _animation(rng: Random) -> Hostile:
    frames = [scenes.person(rng)]
    frames += [scenes.noise(rng, frames[0].size) for _ in range(rng.randint(1, 3))]
    content = saved(frames[0], rng.choice(["PNG", "WEBP"]), save_all=True, append_images=frames[1:], quality=80)
    return _opens(content, frames[0])


@_recipe
def _more_pictures_in_one(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return _opens(saved(image, "MPO", save_all=True, append_images=[scenes.noise(rng, (100, 100))]), image)


# What a header may say -----------------------------------------------------------------------------------------------

_LAID = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""How Pillow (Image.Transpose) lays an upright picture down for each of EXIF's orientations."""


@_recipe
def _orientation(rng: Random) -> Hostile:
    image = scenes.person(rng)
    orientation = rng.randint(1, 8)
    laid = image.transpose(Image.Transpose(_LAID[orientation])) if orientation > 1 else image
    exif = b"Exif\0\0" + tiff((0x0112, 3, 1, orientation), order=rng.choice("<>"))
    return _opens(saved(laid, rng.choice(["JPEG", "PNG", "WEBP"]), exif=exif, quality=92), image)


@_recipe
def _orientation_elsewhere(rng: Random) -> Hostile:
    image = scenes.person(rng)
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{rng.randint(2, 8)}"/></x:xmpmeta>'.encode()
    return _opens(saved(image, rng.choice(["JPEG", "WEBP"]), xmp=xmp, quality=92), image)


@_recipe
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


@_recipe
def _absurd_profile(rng: Random) -> Hostile:
    image = scenes.person(rng)
    good = _profile(rng.choice(["LAB", "XYZ", "sRGB"]))
    harmed = bytearray(good)
    for _ in range(rng.randint(1, 30)):
        harmed[rng.randrange(len(harmed))] = rng.randrange(256)
    profile = rng.choice([rng.randbytes(600), good[: len(good) // 2], bytes(harmed), good, b"\0" * 300_000])
    return Hostile(saved(image, rng.choice(["JPEG", "PNG", "WEBP"]), icc_profile=profile), Fate.OPENS)


@_recipe
def _more_behind_its_end(rng: Random) -> Hostile:
    image = scenes.person(rng)
    behind = rng.choice(
        [rng.randbytes(5000), b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(500), b"\0\0\0\x18ftyp"]
    )
    return _opens(saved(image, rng.choice(["JPEG", "PNG"]), quality=92) + behind, image)


@_recipe
def _script_in_front(rng: Random) -> Hostile:
    image = scenes.person(rng)
    comment = jpeg_segment(0xFE, b"*/=alert(1);/*<?php system('id') ?>" + rng.randbytes(9))
    return _opens(jpeg_with(saved(image, "JPEG", quality=92), comment, b"\xff" * 20 + comment), image)


@cache
def _bomb() -> bytes:
    return zlib.compress(bytes(30_000_000), 9)


@_recipe
def _bomb_of_text(rng: Random) -> Hostile:
    chunks = png_chunks(saved(scenes.person(rng), "PNG"))
    packed = _bomb()
    text = rng.choice([(b"zTXt", b"a\0\0" + packed), (b"iTXt", b"a\0\1\0\0\0" + packed), (b"iCCP", b"a\0\0" + packed)])
    return Hostile(png([chunks[0], *[text] * rng.choice([1, 5]), *chunks[1:]]), Fate.ANY)


@_recipe
def _bomb_of_pixels(rng: Random) -> Hostile:
    packed = _bomb()
    return Hostile(png([png_header(rng.randint(64, 99), 99), (b"IDAT", packed), (b"IEND", b"")]), Fate.ANY)


@_recipe
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


@_recipe
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


@_recipe
def _odd_frame(rng: Random) -> Hostile:
    content = bytearray(saved(scenes.person(rng), "JPEG"))
    at = frame_at(bytes(content))
    if rng.random() < 0.5:
        content[at + 1] = rng.choice([0xC3, 0xC5, 0xC9, 0xCA, 0xCB])  # lossless, hierarchical, arithmetic
    else:
        content[at + 4] = rng.choice([0, 1, 12, 16])  # bits
    return Hostile(bytes(content), Fate.INVALID)


@_recipe
def _endless_scans(rng: Random) -> Hostile:
    content = saved(scenes.person(rng), "JPEG", progressive=True)
    scan = content[content.index(b"\xff\xda") : -2]
    return Hostile(content[:-2] + scan * 101 + content[-2:], Fate.INVALID)


# Sizes ---------------------------------------------------------------------------------------------------------------


@_recipe
def _too_small(rng: Random) -> Hostile:
    size = rng.choice([(1, 1), (16, 16), (17, 31), (1, 10_000), (10_000, 1), (63, 400), (400, 63), (2, 2)])
    image = scenes.noise(rng, size)
    return Hostile(saved(image, rng.choice(["JPEG", "PNG", "WEBP"])), Fate.INVALID)


@_recipe
def _odd_size(rng: Random) -> Hostile:
    size = rng.choice([(65, 97), (64, 64), (64, 1279), (1279, 65), (127, 129), (333, 77), (101, 1001)])
    image = scenes.person(rng).resize(size)
    return _opens(saved(image, rng.choice(["JPEG", "PNG", "WEBP"]), quality=92), image if max(size) < 768 else None)


@_recipe
def _too_narrow(rng: Random) -> Hostile:
    size = rng.choice([(64, 1281), (10_000, 70), (90, 9000)])
    return Hostile(saved(scenes.noise(rng, size), "JPEG"), Fate.INVALID)


@_rare
def _just_within_the_limit(rng: Random) -> Hostile:
    image = scenes.person(rng).resize((6000, 6666), Image.Resampling.NEAREST)
    return Hostile(saved(image, "JPEG", quality=30), Fate.OPENS)


@_rare
def _few_bytes_many_pixels(rng: Random) -> Hostile:
    return Hostile(saved(Image.new(rng.choice(["1", "L", "P"]), (6324, 6324), 1), "PNG"), Fate.OPENS)


@_rare
def _just_over_the_limit(rng: Random) -> Hostile:
    return Hostile(saved(Image.new(rng.choice(["1", "L"]), (6325, 6325)), "PNG"), Fate.INVALID)


# Damage --------------------------------------------------------------------------------------------------------------


@_recipe
def _truncated(rng: Random) -> Hostile:
    content = scenes.file(rng)
    return Hostile(content[: rng.randint(12, len(content) - 1)], Fate.INVALID)


@_recipe
def _hardly_begun(rng: Random) -> Hostile:
    content = scenes.file(rng)
    return Hostile(content[: rng.randint(0, 40)], Fate.ANY)


@_recipe
def _flipped_head(rng: Random) -> Hostile:
    return Hostile(_flipped(rng, scenes.file(rng), 0, 700), Fate.ANY)


@_recipe
def _flipped_body(rng: Random) -> Hostile:
    return Hostile(_flipped(rng, scenes.file(rng), 700, 10**9), Fate.ANY)


@_recipe
def _flipped_png_with_right_checksums(rng: Random) -> Hostile:
    chunks = png_chunks(scenes.png_file(rng))
    which = rng.randrange(len(chunks))
    kind, content = chunks[which]
    chunks[which] = kind, _flipped(rng, content, 0, len(content)) if content else b"more"
    return Hostile(png(chunks), Fate.ANY)


@_recipe
def _png_chunks_astray(rng: Random) -> Hostile:
    chunks = png_chunks(scenes.png_file(rng))
    odd = rng.choice(chunks)
    match rng.randrange(4):
        case 0:
            chunks.remove(odd)
        case 1:
            rng.shuffle(chunks)
        case 2:
            chunks.insert(rng.randrange(len(chunks)), odd)
        case _:
            kind = rng.choice(
                [b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"ABCD", b"gAMA", b"cHRM", b"eXIf", b"pHYs"]
            )
            chunks.insert(rng.randrange(1, len(chunks)), (kind, rng.randbytes(rng.choice([0, 1, 4, 8, 26, 300, 900]))))
    return Hostile(png(chunks), Fate.ANY)


@_recipe
def _wrong_checksum(rng: Random) -> Hostile:
    content = bytearray(saved(scenes.person(rng), "PNG"))
    content[rng.choice([29, 30, len(content) - 13, len(content) - 1])] ^= 1 + rng.randrange(255)
    return Hostile(bytes(content), Fate.INVALID)


@_recipe
def _jpeg_segments_astray(rng: Random) -> Hostile:
    content = saved(scenes.person(rng), "JPEG", progressive=rng.random() < 0.5)
    parts, rest = jpeg_parts(content)
    match rng.randrange(4):
        case 0:
            parts.remove(rng.choice(parts))
        case 1:
            rng.shuffle(parts)
        case 2:
            parts += parts
        case _:
            parts.insert(0, jpeg_segment(rng.randrange(0xE0, 0xF0), rng.randbytes(rng.randint(0, 200))))
    return Hostile(b"\xff\xd8" + b"".join(parts) + rest, Fate.ANY)


@_recipe
def _webp_chunks_astray(rng: Random) -> Hostile:
    options = {"exif": tiff((0x0112, 3, 1, 6)), "icc_profile": rng.randbytes(300), "xmp": b"<x/>"}
    chunks = riff_chunks(saved(scenes.person(rng), "WEBP", method=0, **options))
    match rng.randrange(4):
        case 0:
            chunks.remove(rng.choice(chunks))
        case 1:
            rng.shuffle(chunks)
        case 2:
            chunks *= 2
        case _:
            chunks.insert(rng.randrange(len(chunks)), (rng.choice([b"ANIM", b"ANMF", b"ALPH"]), rng.randbytes(20)))
    return Hostile(riff(chunks), Fate.ANY)


@_recipe
def _signature_only(rng: Random) -> Hostile:
    start = rng.choice(
        [b"\xff\xd8\xff\xe0", SIGNATURE, b"RIFF\xff\xff\0\0WEBPVP8 ", SIGNATURE + png_chunk(b"IEND", b"")]
    )
    return Hostile(start + rng.randbytes(rng.randint(0, 3000)), Fate.INVALID)


def _flipped(rng: Random, content: bytes, start: int, end: int) -> bytes:
    changed = bytearray(content)
    end = min(end, len(changed))
    for _ in range(rng.randint(1, 12)):
        changed[rng.randrange(min(start, end - 1), end)] = rng.randrange(256)
    return bytes(changed)


# Something else ------------------------------------------------------------------------------------------------------


@_recipe
def _another_format(rng: Random) -> Hostile:
    return Hostile(saved(scenes.person(rng), rng.choice(["GIF", "BMP", "TIFF", "ICO", "PPM", "TGA"])), Fate.OTHER_TYPE)


@_recipe
def _no_picture(rng: Random) -> Hostile:
    letters = "".join(rng.choices(string.printable, k=300)).encode()
    contents = [
        b"GIF89a" + rng.randbytes(200),
        b"\0\0\0\x18ftypheic" + rng.randbytes(500),
        b"\0\0\0\x18ftypmp42" + rng.randbytes(500),
        b"%PDF-1.7\n" + letters,
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n" + letters,
        b"push graphic-context\nimage over 0,0 0,0 'ephemeral:/etc/passwd'\n",
        b"PK\x03\x04" + rng.randbytes(400),
        b" " + letters,
        b"\0" * rng.randint(1, 5000),
        b"\xef\xbb\xbf{}",
    ]
    return Hostile(rng.choice(contents), Fate.OTHER_TYPE)


@_recipe
def _a_sound_in_riff(rng: Random) -> Hostile:
    return Hostile(b"RIFF\x10\0\0\0" + rng.choice([b"WAVEfmt ", b"AVI LIST"]) + rng.randbytes(99), Fate.OTHER_TYPE)


@_recipe
def _nothing(rng: Random) -> Hostile:
    return Hostile(b"", Fate.INVALID) if rng.random() < 0.5 else Hostile(b"\n" * rng.randint(1, 9), Fate.OTHER_TYPE)


@_recipe
def _too_many_bytes(rng: Random) -> Hostile:
    image = scenes.person(rng)
    content = saved(image, "JPEG")
    # The upload's own limit decides; the engine would open it.
    return Hostile(content + bytes(rng.randint(3_000_000, 4_000_000)), Fate.OPENS)
