"""Sound files: all the ways to keep colours and transparency."""

import struct

import numpy as np
from PIL import Image, ImageOps

from tests.actors.engines.hostile import scenes
from tests.actors.engines.hostile.recipes import Hostile, Random, opens, recipe
from tests.actors.engines.hostile.writing import (
    raw_png,
    saved,
)


@recipe
def _grey(rng: Random) -> Hostile:
    image = scenes.anything(rng).convert("L")
    return opens(saved(image, rng.choice(["JPEG", "PNG"]), quality=92), image.convert("RGB"))


@recipe
def _cmyk(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return opens(saved(image.convert("CMYK"), "JPEG", quality=95, progressive=rng.random() < 0.3), image)


@recipe
def _ycck(rng: Random) -> Hostile:
    image = scenes.person(rng)
    inks = image.convert("CMYK")
    first = Image.merge("RGB", inks.split()[:3]).convert("YCbCr")
    # Pillow inverts what it writes; libjpeg turns YCC into inverted inks.
    stored = Image.merge("CMYK", [ImageOps.invert(channel) for channel in first.split()] + [inks.getchannel("K")])
    content = saved(stored, "JPEG", quality=95, subsampling=0)
    at = content.index(b"\xff\xee\0\x0eAdobe") + 15
    return opens(content[:at] + b"\2" + content[at + 1 :], image)


@recipe
def _sixteen_bits(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    values = np.asarray(image).astype(np.uint16) * 257
    interlaced = rng.random() < 0.5
    if rng.random() < 0.4:
        grey = np.asarray(image.convert("L"))
        content = raw_png(grey[..., None].astype(np.uint16) * 257, depth=16, colour=0, interlaced=interlaced)
        return opens(content, image.convert("L").convert("RGB"), 1)
    if rng.random() < 0.4:
        values = np.dstack([values, np.full(values.shape[:2], 65535, np.uint16)])
    return opens(raw_png(values, depth=16, colour=2 if values.shape[2] == 3 else 6, interlaced=interlaced), image, 1)


@recipe
def _interlaced(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    return opens(raw_png(np.asarray(image), depth=8, colour=2, interlaced=True), image, 1)


@recipe
def _palette(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    colours = rng.choice([2, 4, 16, 256])
    few = image.quantize(colours, Image.Quantize.FASTOCTREE)
    return opens(saved(few, "PNG", bits={2: 1, 4: 2, 16: 4, 256: 8}[colours]), few.convert("RGB"), 1)


@recipe
def _palette_with_transparency(rng: Random) -> Hostile:
    few = scenes.anything(rng).quantize(64, Image.Quantize.FASTOCTREE)
    clear = rng.randrange(8)
    shown = few.convert("RGB")
    shown.paste((255, 255, 255), mask=few.point([255 * (value == clear) for value in range(256)], "L"))
    gone = clear if rng.random() < 0.5 else bytes(255 * (value != clear) for value in range(64))
    return opens(saved(few, "PNG", transparency=gone), shown, 1)


@recipe
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
    return opens(content, Image.fromarray(shown).convert("RGB"), 1)


@recipe
def _one_clear_colour(rng: Random) -> Hostile:
    values = np.asarray(scenes.person(rng)).copy()
    values[: rng.randint(20, 60)] = clear = np.array([1, 2, 3], np.uint8)
    shown = np.where((values == clear).all(axis=2, keepdims=True), 255, values).astype(np.uint8)
    if rng.random() < 0.5:
        extra = (b"tRNS", struct.pack(">3H", 1, 2, 3))
        return opens(raw_png(values, depth=8, colour=2, extra=[extra]), Image.fromarray(shown), 1)
    extra = (b"tRNS", struct.pack(">3H", 257, 514, 771))
    return opens(raw_png(values * np.uint16(257), depth=16, colour=2, extra=[extra]), Image.fromarray(shown), 1)


@recipe
def _alpha(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    alpha = scenes.alpha(rng, image.size)
    shown = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    image.putalpha(alpha)
    content = saved(image, "PNG") if rng.random() < 0.6 else saved(image, "WEBP", lossless=True, method=0, exact=True)
    return opens(content, shown, 2)


@recipe
def _grey_with_alpha(rng: Random) -> Hostile:
    image = scenes.anything(rng).convert("L")
    alpha = scenes.alpha(rng, image.size)
    shown = Image.composite(image, Image.new("L", image.size, 255), alpha).convert("RGB")
    image.putalpha(alpha)
    return opens(saved(image, "PNG"), shown, 2)


@recipe
def _cut_out(rng: Random) -> Hostile:
    person = scenes.lone_cut_out(rng)
    shown = Image.new("RGB", person.size, "white")
    shown.paste(person, mask=person)
    return opens(saved(person, rng.choice(["PNG", "WEBP"]), lossless=True, method=0), shown, 3)


@recipe
def _animation(rng: Random) -> Hostile:
    frames = [scenes.person(rng)]
    frames += [scenes.noise(rng, frames[0].size) for _ in range(rng.randint(1, 3))]
    content = saved(frames[0], rng.choice(["PNG", "WEBP"]), save_all=True, append_images=frames[1:], quality=80)
    return opens(content, frames[0])


@recipe
def _more_pictures_in_one(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return opens(saved(image, "MPO", save_all=True, append_images=[scenes.noise(rng, (100, 100))]), image)
