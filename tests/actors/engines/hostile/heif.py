"""HEIC and AVIF files: sound ones in their variety, damaged ones, and lies about what is in them."""

import struct

from PIL import Image, ImageOps

from tests.actors.engines.hostile import scenes
from tests.actors.engines.hostile.damage import flipped
from tests.actors.engines.hostile.recipes import Fate, Hostile, Random, opens, recipe
from tests.heif import BRANDS, Item, aperture, box, coded, extent, full, grid, heif, mirror, saved, turn

_KINDS = tuple(BRANDS)
_QUARTERS = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def _file(kind: bytes, *items: Item, primary: int = 1) -> bytes:
    return heif(items, brand=BRANDS[kind], primary=primary)


@recipe
def _plain_heif(rng: Random) -> Hostile:
    image, kind = scenes.anything(rng), rng.choice(_KINDS)
    quality = rng.randint(50, 95)
    return opens(saved(image, kind, quality=quality, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"), image, 16)


@recipe
def _turned_heif(rng: Random) -> Hostile:
    image, kind = scenes.person(rng), rng.choice(_KINDS)
    quarters, axis = rng.randrange(4), rng.choice([None, 0, 1])
    item = coded(image, kind).with_(turn(quarters), *([] if axis is None else [mirror(axis)]))
    turned = _QUARTERS[quarters]
    shown = image if turned is None else image.transpose(turned)
    shown = shown if axis is None else (ImageOps.flip, ImageOps.mirror)[axis](shown)
    return opens(_file(kind, item), shown, 8)


@recipe
def _cut_heif(rng: Random) -> Hostile:
    image, kind = scenes.person(rng), rng.choice(_KINDS)
    image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))  # the encoder cuts odd ones itself
    left, top = (rng.randrange(side // 8) for side in image.size)
    size = image.width - 2 * left, image.height - 2 * top
    shown = image.crop((left, top, left + size[0], top + size[1]))
    return opens(_file(kind, coded(image, kind).with_(aperture(*size))), shown, 8)


@recipe
def _heif_of_tiles(rng: Random) -> Hostile:
    image, kind = scenes.person(rng).resize((512, 512)), rng.choice(_KINDS)
    tiles = [coded(image.crop((x, y, x + 256, y + 256)), kind) for y in (0, 256) for x in (0, 256)]
    size = rng.randrange(258, 513, 2), rng.randrange(258, 513, 2)
    whole = grid(2, 2, size, (1, 2, 3, 4))
    return opens(_file(kind, *tiles, whole, primary=5), image.crop((0, 0, *size)), 8)


@recipe
def _transparent_heif(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    alpha = scenes.alpha(rng, image.size)
    shown = Image.composite(image, Image.new("RGB", image.size, "white"), alpha)
    image.putalpha(alpha)
    return opens(saved(image, rng.choice(_KINDS)), shown, 12)


@recipe
def _moving_heif(rng: Random) -> Hostile:
    image = scenes.person(rng)
    more = [scenes.noise(rng, image.size)]
    return opens(saved(image, b"av01", save_all=True, append_images=more), image, 8)


@recipe
def _damaged_heif(rng: Random) -> Hostile:
    content = saved(scenes.person(rng), rng.choice(_KINDS))
    match rng.randrange(4):
        case 0:
            return Hostile(content[: rng.randint(40, len(content) - 1)], Fate.INVALID)
        case 1:
            return Hostile(flipped(rng, content, 0, 700), Fate.ANY)
        case 2:
            return Hostile(flipped(rng, content, 700, 10**9), Fate.ANY)
        case _:
            at = rng.randrange(8, 700)
            size = struct.pack(">I", rng.choice([0, 1, 7, 8, 2**31, 2**32 - 1]))
            return Hostile(content[:at] + size + content[at + 4 :], Fate.ANY)


@recipe
def _lying_heif(rng: Random) -> Hostile:
    kind = rng.choice(_KINDS)
    image = scenes.person(rng)
    item = coded(image, kind)
    tall = item.without(b"ispe").with_(extent(image.width, 2 * image.height))
    huge = extent(30_000, 30_000)
    whole = grid(200, 200, (image.width * 200, image.height * 200), (2,) * 40_000)
    match rng.randrange(5):
        case 0:
            return Hostile(_file(kind, tall), Fate.ANY)
        case 1:
            return Hostile(_file(kind, item.without(b"ispe").with_(huge)), Fate.INVALID)
        case 2:
            return Hostile(_file(kind, whole, item), Fate.INVALID)
        case 3:
            return Hostile(
                _file(kind, Item(kind, item.data[: rng.randrange(len(item.data))], item.properties)), Fate.ANY
            )
        case _:
            name = box(b"ftyp", BRANDS[kind], bytes(4), b"mif1")
            return Hostile(name + full(b"meta", *[box(b"free")] * 150_000), Fate.INVALID)
