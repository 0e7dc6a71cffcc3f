"""What the hostile images show: people from the samples, parts and pairs of them, and nothing at all."""

import random
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.actors.engines.hostile.writing import saved
from tests.actors.engines.scenes import ASTRONAUT, CHINA, FIGURE, FLOWER, HOPPER, cut_out, loaded, on_background

Random = random.Random
CUT_OUTS = ("arms_raised", "dancing", "football", "kicking", "referee", "standing_arms_out", "stop")
_FACES = {ASTRONAUT: (160, 60, 290, 210), HOPPER: (150, 90, 370, 380)}
"""Where the faces are: left, top, right, bottom."""


@cache
def _photo(path: Path) -> Image.Image:
    return loaded(path).convert("RGB")


def person(rng: Random) -> Image.Image:
    """Somebody, at most 600 pixels tall."""
    choice = rng.randrange(6)
    if choice < 2:
        return _photo((ASTRONAUT, HOPPER)[choice]).copy()
    if choice < 4:
        image = _photo(FIGURE)
        return image.resize((round(image.width * 600 / image.height), 600))
    standing = cut_out(rng.choice(CUT_OUTS), rng.randint(330, 460))
    return on_background(standing, rng.choice((CHINA, FLOWER)), (rng.randint(380, 440), 540))[0]


def anything(rng: Random) -> Image.Image:
    """Mostly somebody; else a place, noise or a gradient."""
    choice = rng.randrange(8)
    if choice < 5:
        return person(rng)
    if choice == 5:
        return _photo(rng.choice((CHINA, FLOWER))).copy()
    size = rng.randint(64, 500), rng.randint(64, 500)
    if choice == 6:
        return noise(rng, size)
    ramp = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", [ramp, ramp.rotate(180), Image.radial_gradient("L").resize(size)])


def noise(rng: Random, size: tuple[int, int]) -> Image.Image:
    values = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


def side_by_side(*images: Image.Image) -> Image.Image:
    height = min(image.height for image in images)
    scaled = [image.resize((round(image.width * height / image.height), height)) for image in images]
    row = Image.new("RGB", (sum(image.width for image in scaled), height))
    left = 0
    for image in scaled:
        row.paste(image, (left, 0))
        left += image.width
    row.thumbnail((700, 700))
    return row


def part(rng: Random, image: Image.Image) -> Image.Image:
    """A piece of it: a face at the border, legs without a head, an arm."""
    width, height = image.size
    left, top = rng.randint(0, width // 2), rng.randint(0, height // 2)
    return image.crop((left, top, rng.randint(left + 80, max(left + 80, width)), rng.randint(top + 80, height)))


def face(rng: Random) -> Image.Image:
    """A face and nothing else, perhaps cut by the border."""
    path = rng.choice(list(_FACES))
    left, top, right, bottom = _FACES[path]
    shift = rng.choice([0, 0, rng.randint(-90, 90)])
    return _photo(path).crop((left + shift, top, right + shift, bottom)).resize((rng.randint(200, 500), 500))


def small_person(rng: Random) -> Image.Image:
    """Somebody far away."""
    image = _photo(rng.choice((CHINA, FLOWER))).copy()
    tiny = cut_out(rng.choice(CUT_OUTS), rng.randint(15, 90))
    image.paste(tiny, (rng.randint(-10, 600), rng.randint(-10, 400)), tiny)
    return image


def lone_cut_out(rng: Random) -> Image.Image:
    """Somebody with a transparent background (RGBA)."""
    canvas = Image.new("RGBA", (rng.randint(300, 500), 540), (*rng.randbytes(3), 0))
    standing = cut_out(rng.choice(CUT_OUTS), rng.randint(380, 500))
    canvas.paste(standing, ((canvas.width - standing.width) // 2, 20), standing)
    return canvas


def alpha(rng: Random, size: tuple[int, int]) -> Image.Image:
    """An alpha channel: nothing, everything, half of it, a ramp, noise, one pixel."""
    match rng.randrange(6):
        case 0:
            return Image.new("L", size, 0)
        case 1:
            return Image.new("L", size, rng.choice([255, 254, 128, 1]))
        case 2:
            half = Image.new("L", size, 255)
            half.paste(0, (0, 0, size[0] // 2, size[1]))
            return half
        case 3:
            return Image.linear_gradient("L").resize(size)
        case 4:
            return noise(rng, size).getchannel(0)
        case _:
            dot = Image.new("L", size, 0)
            dot.putpixel((size[0] // 2, size[1] // 2), 255)
            return dot


def png_file(rng: Random) -> bytes:
    """A PNG with more than the least of chunks."""
    image = person(rng)
    match rng.randrange(3):
        case 0:
            return saved(image, "PNG", dpi=(72, 72))
        case 1:
            return saved(image.quantize(64, Image.Quantize.FASTOCTREE), "PNG", transparency=3)
        case _:
            return saved(image, "PNG", save_all=True, append_images=[noise(rng, image.size)])


def file(rng: Random) -> bytes:
    """A sound file of one of the three formats."""
    image = person(rng)
    match rng.randrange(5):
        case 0:
            return saved(image, "JPEG", progressive=True, quality=80)
        case 1:
            return saved(image, "JPEG", quality=80, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", subsampling=0)
        case 2:
            return png_file(rng)
        case 3:
            return saved(image, "WEBP", quality=80, method=0)
        case _:
            return saved(image, "WEBP", lossless=True, method=0, save_all=True, append_images=[noise(rng, image.size)])
