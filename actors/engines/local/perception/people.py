"""Where people are in a picture, to their hair: one network that knows people, what they wear, and nothing else.

Source: S. Lin, L. Yang, I. Saleemi and S. Sengupta, "Robust High-Resolution Video Matting with Temporal Guidance":
a MobileNetV3 that works on a small picture, and a learnt guided filter that brings what it saw to the full size.
It was made for videos and remembers from frame to frame; a photo shown to it several times becomes clearer to it.
"""

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb8, as_rgb
from actors.engines.local.raster import resized, resized_linear
from actors.engines.local.runtimes import Runtimes

MODEL = "robust_video_matting.onnx"
_LARGEST = 1024
"""Long edge in pixels of the picture that it is shown."""
_INSIDE = 512
"""Long edge in pixels at which it looks for people: finer, it takes parts of large ones for something else."""
_LOOKS = 4
"""After so many looks another changes next to nothing."""
_MEMORIES = 4


def people(image: Rgb8, runtimes: Runtimes) -> Plane:
    """How much of each pixel (h, w), 0 to 1, is a person, what they wear, or hair.

    Raises:
        ModelMissingError: the model isn't installed.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _LARGEST / max(height, width))
    shown = as_rgb(resized(image, max(1, round(width * scale)), max(1, round(height * scale))))
    ratio = np.array([min(1.0, _INSIDE / max(shown.shape[:2]))], np.float32)
    frame = np.ascontiguousarray(shown.transpose(2, 0, 1)[None])
    remembered: list[Floats] = [np.zeros((1, 1, 1, 1), np.float32)] * _MEMORIES
    said: dict[str, Floats] = {}
    for _ in range(_LOOKS):
        memory = {f"r{number}i": one for number, one in enumerate(remembered, start=1)}
        said = runtimes.outputs(MODEL, {"src": frame, "downsample_ratio": ratio, **memory})
        remembered = [said[f"r{number}o"] for number in range(1, _MEMORIES + 1)]
    return np.clip(resized_linear(said["pha"][0, 0], width, height), 0, 1)
