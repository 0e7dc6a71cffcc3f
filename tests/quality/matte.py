"""How good a matte is, in numbers: people with a known outline on other backgrounds, cut out by the real edit."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from msgspec import Struct
from PIL import Image, ImageFilter

from actors.engines.local.arrays import Floats, Plane, Rgb8, as_rgb, as_rgb8
from actors.engines.local.background.compositing import composited
from actors.engines.local.background.presets import preset
from actors.engines.local.raster import gaussian, resized
from tests.actors.engines.scenes import CHINA, FLOWER, SAMPLES

SIZE = (768, 1024)
"""Width and height of a scene in pixels."""
_WAIST = 0.55
"""A half body ends at this share of the figure's height."""
_PLAIN = ("studio_grey", "gradient_warm", "sunset")


class Scene(Struct, frozen=True):
    """A picture of a person (h, w, 3), and their true alpha (h, w)."""

    name: str
    image: Rgb8
    alpha: Plane


class Measures(Struct, frozen=True):
    """What is told of a matte. Targets: overlap >= 0.96, sad <= 16.

    `overlap`: intersection over union of the outlines (where alpha is a half). `sad`: the sum of absolute differences
    of alpha, in thousands. `gradient`: the sum of squared differences of alpha's gradient magnitudes, in thousands
    (Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", 2009, but not amplified).
    """

    overlap: float
    sad: float
    gradient: float


def compared(found: Plane, true: Plane) -> Measures:
    """How well alpha `found` agrees with the `true` one, both (h, w)."""
    inside, truly = found > 0.5, true > 0.5
    union = float((inside | truly).sum())
    return Measures(
        overlap=float((inside & truly).sum()) / union if union else 1.0,
        sad=float(np.abs(found - true).sum()) / 1000,
        gradient=float(((_steepness(found) - _steepness(true)) ** 2).sum()) / 1000,
    )


def _steepness(alpha: Plane) -> Plane:
    down, right = np.gradient(gaussian(alpha.astype(np.float32), 1.4))
    return np.hypot(down, right)


def scenes(each: int) -> Iterator[Scene]:
    """Scenes of the samples' cut-outs.

    Everybody stands before `each` backgrounds in turn: photos, crops of them, and ones made by code. One in three is a
    half body.
    """
    found = sorted((SAMPLES / "cutouts").glob("*.png"))
    makers = [
        *(partial(_photo, path, part) for path in (CHINA, FLOWER) for part in (1.0, 0.5)),
        *(partial(_plain, name) for name in _PLAIN),
        _alike,
    ]
    for index, path in enumerate(found):
        for turn in range(each):
            number = index * each + turn
            make = makers[(index + turn * len(makers) // each) % len(makers)]
            half = number % 3 == 2
            colours, alpha = _figure(path, half=half)
            behind = make(colours, alpha)
            name = f"{path.stem}{'-half' if half else ''}-{_named(make)}"
            yield Scene(name, as_rgb8(composited(colours, alpha, behind)), alpha)


def scene(person: Path, photo: Path, *, half: bool = False) -> Scene:
    """One cut-out, or its upper half, in front of one photo."""
    colours, alpha = _figure(person, half=half)
    behind = _photo(photo, 1.0, colours, alpha)
    name = f"{person.stem}{'-half' if half else ''}-{photo.stem[:8]}"
    return Scene(name, as_rgb8(composited(colours, alpha, behind)), alpha)


def _named(make: object) -> str:
    if isinstance(make, partial):
        values = [value.stem if isinstance(value, Path) else str(value) for value in make.args]
        return "-".join(value for value in values if value != "1.0").replace("background_", "")
    return "alike"


def _figure(path: Path, *, half: bool) -> tuple[Floats, Plane]:
    """Colours and alpha of a cut-out on an empty canvas, enlarged and softened: the originals are small, hard-edged."""
    with Image.open(path) as file:
        person = file.convert("RGBA")
    person = person.crop(person.getchannel("A").getbbox())
    if half:
        person = person.crop((0, 0, person.width, round(_WAIST * person.height)))
        person = person.crop(person.getchannel("A").getbbox())
    width, height = SIZE
    scale = min(0.86 * width / person.width, (0.8 if half else 0.86) * height / person.height)
    large = person.convert("RGBa").resize(
        (round(person.width * scale), round(person.height * scale)), Image.Resampling.BICUBIC
    )
    bottom = height if half else round(0.95 * height)
    canvas = Image.new("RGBa", SIZE)
    canvas.paste(large, ((width - large.width) // 2, bottom - large.height))
    if half:  # what is cut off goes on below, or softening would fade it out
        lowest = large.crop((0, large.height - 1, large.width, large.height))
        canvas = _extended(canvas, lowest, (width - large.width) // 2)
    soft = canvas.filter(ImageFilter.GaussianBlur(0.35 * scale)).crop((0, 0, *SIZE)).convert("RGBA")
    values = np.asarray(soft).astype(np.float32) / 255
    return values[..., :3], np.ascontiguousarray(values[..., 3])


def _extended(canvas: Image.Image, row: Image.Image, left: int) -> Image.Image:
    width, height = SIZE
    result = Image.new("RGBa", (width, height + 64))
    result.paste(canvas, (0, 0))
    result.paste(row.resize((row.width, 64)), (left, height))
    return result


def _photo(path: Path, part: float, _colours: Floats, _alpha: Plane) -> Floats:
    """A photo that covers the canvas, or the upper right `part` of it, softened as far as it had to be enlarged."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    image = image.crop((round((1 - part) * image.width), 0, image.width, round(part * image.height)))
    scale = max(SIZE[0] / image.width, SIZE[1] / image.height)
    large = image.resize((round(image.width * scale) + 1, round(image.height * scale) + 1), Image.Resampling.BICUBIC)
    left = (large.width - SIZE[0]) // 2
    return as_rgb(np.asarray(large.crop((left, 0, left + SIZE[0], SIZE[1]))))


def _plain(name: str, _colours: Floats, _alpha: Plane) -> Floats:
    return preset(name, *SIZE).image


def _alike(colours: Floats, alpha: Plane) -> Floats:
    """A mottled wall in the person's own mean colour, a third lighter or darker here and there: the hard case."""
    mean = np.tensordot(alpha, colours, 2) / alpha.sum()
    random = np.random.default_rng(3)
    spots = np.clip(resized(random.random((8, 6), dtype=np.float32), *SIZE), 0, 1)
    grain = random.random((SIZE[1], SIZE[0]), dtype=np.float32) - np.float32(0.5)
    return np.clip(mean * (0.75 + 0.6 * spots + 0.06 * grain)[..., None], 0, 1).astype(np.float32)
