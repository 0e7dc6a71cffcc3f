"""Backgrounds made by code: no photo, no licence, any size."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.raster import resized, smoothly
from schema.models.edits import BACKGROUND_PRESETS

Colour = tuple[float, float, float]


class Backdrop(Struct, frozen=True):
    """A background: its picture (h, w, 3), and how the person is to be fitted in.

    `ground`: there is something to stand on, so feet cast a shadow. `tints`: its light and colour reach the person.
    """

    image: Rgb
    ground: bool
    tints: bool


def preset(name: str, width: int, height: int) -> Backdrop:
    """The preset `name` (one of BACKGROUND_PRESETS) at a size in pixels; the same bytes every time."""
    return _PRESETS[name](width, height)


def _studio(wall: Colour, floor: Colour, glow: float) -> Callable[[int, int], Backdrop]:
    """A paper sweep: a wall lit from the middle, running into the floor without a line."""

    def make(width: int, height: int) -> Backdrop:
        x, y = _grid(width, height)
        sweep = smoothly((y - 0.74) / 0.2)[..., None]
        image = _colour(wall) * (1 - sweep) + _colour(floor) * sweep
        aspect = width / height
        light = np.exp(-(((x - 0.5) * max(aspect, 0.6) / 0.55) ** 2) - ((y - 0.40) / 0.55) ** 2)
        # Light that falls on the floor in front of the wall, and the shade where the paper bends away from it.
        pool = np.exp(-(((x - 0.5) * max(aspect, 0.6) / 0.6) ** 2) - ((y - 0.97) / 0.16) ** 2)
        bend = np.exp(-(((y - 0.78) / 0.08) ** 2))
        vignette = ((x - 0.5) ** 2 * min(aspect, 1.5) + (y - 0.48) ** 2) * 0.9
        shade = 1 + glow * (light - 0.55) + 0.5 * glow * pool - 0.16 * glow * bend - glow * vignette
        return Backdrop(_grained(image * shade[..., None]), ground=True, tints=True)

    return make


def _gradient(top: Colour, middle: Colour, bottom: Colour) -> Callable[[int, int], Backdrop]:
    """Three colours running into each other, a little askew, as a coloured light on a wall."""

    def make(width: int, height: int) -> Backdrop:
        x, y = _grid(width, height)
        along = np.clip(y + 0.18 * (x - 0.5), 0, 1)
        image = _between(along, (0, 0.55, 1), (top, middle, bottom))
        glow = np.exp(-(((x - 0.38) / 0.5) ** 2) - ((y - 0.32) / 0.42) ** 2)
        return Backdrop(_grained(image * (0.93 + 0.14 * glow)[..., None]), ground=False, tints=True)

    return make


def _sky(width: int, height: int) -> Backdrop:
    """A clear summer sky: deep above, hazy below, with thin high clouds."""
    _, y = _grid(width, height)
    image = _between(
        y, (0, 0.5, 0.85, 1), ((0.23, 0.46, 0.78), (0.46, 0.67, 0.90), (0.74, 0.86, 0.95), (0.83, 0.90, 0.95))
    )
    veil = smoothly((_cloud(width, height, 11) - 0.50) / 0.42) * (0.25 + 0.55 * smoothly((y - 0.08) / 0.6))
    image += 0.62 * veil[..., None] * (_colour((0.985, 0.99, 1.0)) - image)
    return Backdrop(_grained(image), ground=False, tints=True)


def _sunset(width: int, height: int) -> Backdrop:
    """The sun just down: blue above, rose and gold towards the horizon, far out of focus."""
    x, y = _grid(width, height)
    colours: tuple[Colour, ...] = (
        (0.20, 0.24, 0.42),
        (0.47, 0.38, 0.53),
        (0.86, 0.53, 0.44),
        (0.98, 0.73, 0.45),
        (0.72, 0.46, 0.40),
        (0.33, 0.25, 0.30),
    )
    image = _between(y, (0, 0.32, 0.56, 0.70, 0.82, 1), colours)
    streaks = smoothly((_cloud(width, height, 5, stretch=4) - 0.5) / 0.4) * np.exp(-(((y - 0.42) / 0.26) ** 2))
    image += 0.35 * streaks[..., None] * (_colour((0.98, 0.66, 0.52)) - image)
    sun = np.exp(-((((x - 0.68) * width / height) / 0.30) ** 2) - ((y - 0.66) / 0.17) ** 2)
    image += 0.55 * sun[..., None] * (_colour((1.0, 0.90, 0.68)) - image)
    return Backdrop(_grained(image), ground=False, tints=True)


def _green_screen(width: int, height: int) -> Backdrop:
    """Flat chroma green, for keying: no grain, no shadow, nothing of it on the person."""
    return Backdrop(
        np.full((height, width, 3), _colour((0.0, 177 / 255, 64 / 255)), np.float32), ground=False, tints=False
    )


_PRESETS: dict[str, Callable[[int, int], Backdrop]] = {
    "studio_white": _studio((0.93, 0.93, 0.935), (0.955, 0.955, 0.955), 0.10),
    "studio_grey": _studio((0.53, 0.535, 0.545), (0.57, 0.57, 0.575), 0.42),
    "studio_black": _studio((0.105, 0.105, 0.112), (0.13, 0.13, 0.135), 0.75),
    "gradient_blue": _gradient((0.16, 0.27, 0.47), (0.33, 0.50, 0.72), (0.66, 0.79, 0.90)),
    "gradient_warm": _gradient((0.93, 0.80, 0.68), (0.88, 0.66, 0.54), (0.72, 0.46, 0.41)),
    "sunset": _sunset,
    "sky": _sky,
    "green_screen": _green_screen,
}
if tuple(_PRESETS) != BACKGROUND_PRESETS:
    raise AssertionError("Every preset of the schema is made here, under the same name")


def _grid(width: int, height: int) -> tuple[Plane, Plane]:
    """Both x and y (h, w) of the pixels, 0 to 1 across the picture."""
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(width)
    y = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    return np.broadcast_to(x[None, :], (height, width)), np.broadcast_to(y[:, None], (height, width))


def _colour(colour: Colour) -> Floats:
    return np.array(colour, np.float32)


def _between(position: Plane, stops: tuple[float, ...], colours: tuple[Colour, ...]) -> Rgb:
    """Colours (h, w, 3) along `position` (h, w), smooth at the stops."""
    table = np.linspace(0, 1, 1024, dtype=np.float32)
    ramp = np.stack([np.interp(table, stops, [colour[channel] for colour in colours]) for channel in range(3)], axis=-1)
    kernel = np.hanning(97)
    padded = np.pad(ramp, ((48, 48), (0, 0)), mode="edge")
    smooth = np.stack(
        [np.convolve(padded[:, channel], kernel / kernel.sum(), "valid") for channel in range(3)], axis=-1
    )
    where = np.clip(position, 0, 1) * (len(table) - 1)
    low = np.minimum(where.astype(np.int64), len(table) - 2)
    part = (where - low)[..., None]
    return (smooth[low] * (1 - part) + smooth[low + 1] * part).astype(np.float32)


def _cloud(width: int, height: int, seed: int, *, stretch: float = 2.0) -> Plane:
    """Fractal noise, 0 to 1: octaves of random values, each finer and weaker than the one before."""
    random = np.random.default_rng(seed)
    result = np.zeros((height, width), np.float32)
    for octave in range(6):
        rows = 3 * 2**octave
        columns = max(2, round(rows * width / height / stretch))
        values = random.random((rows, columns), dtype=np.float32)
        result += resized(values, width, height) * np.float32(0.5 ** (octave + 1)) if rows < height else 0
    return np.clip((result - 0.5) * 1.9 + 0.5, 0, 1)


def _grained(image: Rgb) -> Rgb:
    """`image` with a photo's fine grain, without which a smooth ramp shows bands in 8 bits."""
    random = np.random.default_rng(7)
    height, width = image.shape[:2]
    grain = random.random((height, width), dtype=np.float32) + random.random((height, width), dtype=np.float32) - 1
    return np.clip(image + (grain * np.float32(1.6 / 255))[..., None], 0, 1).astype(np.float32)
