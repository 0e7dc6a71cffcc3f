"""Sound files: what can be seen in a photo, and how large it can be."""

from PIL import Image, ImageEnhance, ImageOps

from tests.actors.engines.hostile import scenes
from tests.actors.engines.hostile.recipes import Fate, Hostile, Random, opens, rare, recipe
from tests.actors.engines.hostile.writing import (
    saved,
)


@recipe
def _plain_jpeg(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    options = {"progressive": rng.random() < 0.5, "subsampling": rng.randrange(3)}
    content = saved(image, "JPEG", quality=rng.randint(40, 95), restart_marker_blocks=rng.choice([0, 1, 7]), **options)
    return opens(content, image, 8)


@recipe
def _plain_png(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    return opens(saved(image, "PNG"), image, 1)


@recipe
def _plain_webp(rng: Random) -> Hostile:
    image = scenes.anything(rng)
    return opens(saved(image, "WEBP", quality=rng.randint(30, 95), method=0, lossless=rng.random() < 0.3), image, 8)


def _seen(image: Image.Image) -> Hostile:
    return opens(saved(image, "JPEG", quality=92), image)


@recipe
def _one_colour(rng: Random) -> Hostile:
    colour = rng.choice([(0, 0, 0), (255, 255, 255), (128, 128, 128), tuple(rng.randbytes(3))])
    return opens(saved(image := Image.new("RGB", (rng.randint(64, 500), rng.randint(64, 500)), colour), "PNG"), image)


@recipe
def _turned_person(rng: Random) -> Hostile:
    turn = rng.choice([Image.Transpose.FLIP_LEFT_RIGHT, *[getattr(Image.Transpose, f"ROTATE_{n}") for n in (90, 180)]])
    return _seen(scenes.person(rng).transpose(turn))


@recipe
def _leaning_person(rng: Random) -> Hostile:
    image = scenes.person(rng).rotate(rng.uniform(-80, 80), expand=rng.random() < 0.5)
    image.thumbnail((700, 700))
    return _seen(image)


@recipe
def _dark_or_bright_person(rng: Random) -> Hostile:
    return _seen(ImageEnhance.Brightness(scenes.person(rng)).enhance(rng.choice([0.02, 0.08, 0.2, 3, 8])))


@recipe
def _pale_or_negative_person(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return _seen(ImageOps.invert(image) if rng.random() < 0.4 else ImageEnhance.Contrast(image).enhance(0.05))


@recipe
def _two_people(rng: Random) -> Hostile:
    return _seen(scenes.side_by_side(scenes.person(rng), scenes.person(rng)))


@recipe
def _part_of_a_person(rng: Random) -> Hostile:
    return _seen(scenes.part(rng, scenes.person(rng)))


@recipe
def _face_filling_the_frame(rng: Random) -> Hostile:
    return _seen(scenes.face(rng))


@recipe
def _small_person(rng: Random) -> Hostile:
    return _seen(scenes.small_person(rng))


@recipe
def _noisy_person(rng: Random) -> Hostile:
    image = scenes.person(rng)
    return _seen(Image.blend(image, scenes.noise(rng, image.size), rng.uniform(0.2, 0.9)))


@recipe
def _too_small(rng: Random) -> Hostile:
    size = rng.choice([(1, 1), (16, 16), (17, 31), (1, 10_000), (10_000, 1), (63, 400), (400, 63), (2, 2)])
    image = scenes.noise(rng, size)
    return Hostile(saved(image, rng.choice(["JPEG", "PNG", "WEBP"])), Fate.INVALID)


@recipe
def _odd_size(rng: Random) -> Hostile:
    size = rng.choice([(65, 97), (64, 64), (64, 1279), (1279, 65), (127, 129), (333, 77), (101, 1001)])
    image = scenes.person(rng).resize(size)
    return opens(saved(image, rng.choice(["JPEG", "PNG", "WEBP"]), quality=92), image if max(size) < 768 else None)


@recipe
def _too_narrow(rng: Random) -> Hostile:
    size = rng.choice([(64, 1281), (10_000, 70), (90, 9000)])
    return Hostile(saved(scenes.noise(rng, size), "JPEG"), Fate.INVALID)


@rare
def _just_within_the_limit(rng: Random) -> Hostile:
    image = scenes.person(rng).resize((6000, 6666), Image.Resampling.NEAREST)
    return Hostile(saved(image, "JPEG", quality=30), Fate.OPENS)


@rare
def _few_bytes_many_pixels(rng: Random) -> Hostile:
    return Hostile(saved(Image.new(rng.choice(["1", "L", "P"]), (6324, 6324), 1), "PNG"), Fate.OPENS)


@rare
def _just_over_the_limit(rng: Random) -> Hostile:
    return Hostile(saved(Image.new(rng.choice(["1", "L"]), (6325, 6325)), "PNG"), Fate.INVALID)
