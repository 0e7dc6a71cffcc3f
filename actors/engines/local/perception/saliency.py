"""What stands out in a picture: a coarse matte of the main subject.

Source: Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection" (2020).
"""

import numpy as np

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.raster import resized, resized_linear
from actors.engines.local.runtimes import Runtimes

MODEL = "u2net.onnx"
_SIDE = 320
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def subject(image: Rgb8, runtimes: Runtimes) -> Plane:
    """The main subject's matte (h, w), stretched to reach from 0 to 1."""
    height, width = image.shape[:2]
    raw = _said(image, runtimes) if runtimes.matte is None else runtimes.matte(image)
    low, high = float(raw.min()), float(raw.max())
    return np.clip(resized_linear((raw - low) / max(high - low, 1e-6), width, height), 0, 1)


def _said(image: Rgb8, runtimes: Runtimes) -> Plane:
    """What the network says of it, at its own size."""
    small = resized(image, _SIDE, _SIDE).astype(np.float32)
    pixels = (small / max(float(small.max()), 1) - _MEAN) / _DEVIATION
    return runtimes.onnx(MODEL, np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))[0, 0]
