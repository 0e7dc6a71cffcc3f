"""MediaPipe's selfie model alone, which edits are compared with and don't use."""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.raster import resized, resized_linear
from actors.engines.local.runtimes import Runtimes

_MODEL = "selfie_segmentation.tflite"
_SIDE = 256


def of_selfies(image: Rgb8, runtimes: Runtimes) -> Plane:
    """The likelihood (h, w), 0 to 1, that a pixel shows a person."""
    height, width = image.shape[:2]
    pixels = resized(image, _SIDE, _SIDE).astype(np.float32)[None] / 255
    seen = runtimes.tflite(_MODEL, pixels)[1, _SIDE, _SIDE, 1][0, :, :, 0]
    return np.clip(resized_linear(seen, width, height), 0, 1)
