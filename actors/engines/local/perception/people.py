"""How likely each pixel is a person's: coarse, but not deceived by what only stands out.

Source: MediaPipe's selfie segmentation, a MobileNetV3 with a small decoder; its model card names people of many looks
in front of ordinary rooms, from the chest up to the whole body.
"""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.raster import resized, resized_linear
from actors.engines.local.runtimes import Runtimes

MODEL = "selfie_segmentation.tflite"
_SIDE = 256


def people(image: Rgb8, runtimes: Runtimes) -> Plane:
    """The likelihood (h, w), 0 to 1, that a pixel shows a person, what they wear, or hair."""
    height, width = image.shape[:2]
    pixels = resized(image, _SIDE, _SIDE).astype(np.float32)[None] / 255
    seen = runtimes.tflite(MODEL, pixels)[1, _SIDE, _SIDE, 1][0, :, :, 0]
    return np.clip(resized_linear(seen, width, height), 0, 1)
