"""Pictures for the engine tests: people with a known outline, on backgrounds of our choice."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SAMPLES = Path(__file__).parents[3] / "samples"
ASTRONAUT = SAMPLES / "astronaut.jpg"
HOPPER = SAMPLES / "hopper.jpg"
MAN = SAMPLES / "man_standing.jpg"
FIGURE = SAMPLES / "figure_arms_out.jpg"
CHINA = SAMPLES / "background_china.jpg"
FLOWER = SAMPLES / "background_flower.jpg"


def loaded(path: Path) -> Image.Image:
    """The picture in a file, read and closed."""
    with Image.open(path) as image:
        image.load()
        return image


def cut_out(name: str, height: int) -> Image.Image:
    """A person cut out (RGBA), enlarged and softened: the originals are small and hard-edged."""
    image = loaded(SAMPLES / "cutouts" / f"{name}.png").convert("RGBa")
    scale = height / image.height
    enlarged = image.resize((round(image.width * scale), height), Image.Resampling.BICUBIC)
    return enlarged.filter(ImageFilter.GaussianBlur(0.35 * scale)).convert("RGBA")


def on_background(
    person: Image.Image, background: Path, size: tuple[int, int]
) -> tuple[Image.Image, NDArray[np.bool_]]:
    """The person in the middle of a background that covers `size`, and their true outline (h, w)."""
    behind = loaded(background).convert("RGB")
    scale = max(size[0] / behind.width, size[1] / behind.height)
    behind = behind.resize((round(behind.width * scale) + 1, round(behind.height * scale) + 1)).crop((0, 0, *size))
    layer = Image.new("RGBA", size)
    layer.paste(person, ((size[0] - person.width) // 2, (size[1] - person.height) * 2 // 3))
    behind.paste(layer, (0, 0), layer)
    return behind, np.asarray(layer.getchannel("A")) > 127


def pixels(path: Path) -> NDArray[np.int32]:
    """What is in a file, wide enough to subtract."""
    return np.asarray(loaded(path)).astype(np.int32)


def overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Intersection over union of two masks."""
    return float((first & second).sum() / (first | second).sum())
