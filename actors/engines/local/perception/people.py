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
_LOOKS = 3
"""After so many looks another changes next to nothing."""
_MEMORIES = 4
_SHALLOW = 16
"""Features no more than these tell of edges and colours alone."""


def people(image: Rgb8, runtimes: Runtimes) -> Plane:
    """How much of each pixel (h, w), 0 to 1, is a person, what they wear, or hair.

    Raises:
        ModelMissingError: the model isn't installed.
    """
    seen = Sight(image, runtimes).after(_LOOKS)
    runtimes.rest()
    return seen


class Sight:
    """A picture that is looked at again and again, each time seeing it more clearly."""

    def __init__(self, image: Rgb8, runtimes: Runtimes) -> None:
        self._height, self._width = image.shape[:2]
        self._runtimes = runtimes
        scale = min(1.0, _LARGEST / max(self._height, self._width))
        shown = as_rgb(resized(image, max(1, round(self._width * scale)), max(1, round(self._height * scale))))
        ratio = np.array([min(1.0, _INSIDE / max(shown.shape[:2]))], np.float32)
        frame = np.ascontiguousarray(shown.transpose(2, 0, 1)[None])
        self._asked: dict[str, Floats] = {"src": frame, "downsample_ratio": ratio}
        nothing = np.zeros((1, 1, 1, 1), np.float32)
        self._asked.update({f"r{number}i": nothing for number in range(1, _MEMORIES + 1)})
        self.features: list[Floats] = []
        """What the network knew of the picture before it decided: (n, h, w) each, finer ones and deeper ones."""

    def after(self, looks: int) -> Plane:
        """`people`, as they are seen after so many more `looks`.

        Raises:
            ModelMissingError: the model isn't installed.
        """
        said = self._runtimes.looked(MODEL, self._asked, looks)
        matte = said.pop("pha")
        self._asked.update({name: said.pop(name) for name in [*said] if name in self._asked})
        self.features = [one[0] for one in said.values() if one.ndim == matte.ndim and one.shape[1] > _SHALLOW]
        return np.clip(resized_linear(matte[0, 0], self._width, self._height), 0, 1)
