"""How likely each pixel is a person's: coarse, but with other mistakes than the network that knows their hair.

Source: MediaPipe's selfie segmentation, a MobileNetV3 with a small decoder; its model card names people of many looks
in front of ordinary rooms, from the chest up to the whole body.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

import numpy as np

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.raster import components, resized, resized_linear
from actors.engines.local.runtimes import Runtimes

MODEL = "selfie_segmentation.tflite"
_SIDE = 256
_PARTS = 6
"""So many parts are looked at closely, the largest ones."""
_CLOSER = 0.6
"""A part with sides below this share of the picture's is told better from a picture of its own."""


def of_selfies(image: Rgb8, runtimes: Runtimes) -> Plane:
    """The likelihood (h, w), 0 to 1, that a pixel shows a person, what they wear, or hair."""
    height, width = image.shape[:2]
    pixels = resized(image, _SIDE, _SIDE).astype(np.float32)[None] / 255
    seen = runtimes.tflite(MODEL, pixels)[1, _SIDE, _SIDE, 1][0, :, :, 0]
    return np.clip(resized_linear(seen, width, height), 0, 1)


def selfies_among(salient: Plane, image: Rgb8, runtimes: Runtimes) -> Plane:
    """`of_selfies`, who are also looked for in each part of `image` that `salient` (h, w) shows.

    In the model's small input a group, or somebody far away, is but a few pixels.
    """
    height, width = salient.shape
    likely = of_selfies(image, runtimes)
    _, stats = components(salient > 0.3)
    parts = sorted(stats[1:].tolist(), key=lambda part: -part[4])[:_PARTS]
    for left, top, across, down, area in parts:
        if area < 0.001 * salient.size or across > _CLOSER * width or down > 0.85 * height:
            continue
        air = round(0.15 * max(across, down))
        place = slice(max(0, top - air), top + down + air), slice(max(0, left - air), left + across + air)
        likely[place] = np.maximum(likely[place], of_selfies(np.ascontiguousarray(image[place]), runtimes))
    return likely
