"""Names for the arrays that the local engine passes around.

Shapes are written (height, width[, channels]); colours are red, green, blue. Points are (x, y) in pixels, with the
centre of the top left pixel at (0, 0). Floats are float32 at run time wherever there is one per pixel; NumPy's types
can't follow that through arithmetic with Python's numbers, so the names promise no more than floats.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rgb8: TypeAlias = NDArray[np.uint8]
"""(h, w, 3), sRGB, 0 to 255."""

Rgb: TypeAlias = NDArray[np.floating[Any]]
"""(h, w, 3), sRGB as encoded (not linear), 0 to 1."""

Plane: TypeAlias = NDArray[np.floating[Any]]
"""(h, w): an alpha matte or another weight per pixel, 0 to 1."""

Mask: TypeAlias = NDArray[np.bool_]
"""(h, w)."""

Points: TypeAlias = NDArray[np.floating[Any]]
"""(n, 2)."""

Floats: TypeAlias = NDArray[np.floating[Any]]
"""An array of floats of any other shape."""


def as_rgb(image: Rgb8) -> Rgb:
    """0 to 255 as bytes becomes 0 to 1 as floats."""
    return np.multiply(image, np.float32(1 / 255), dtype=np.float32)


def as_rgb8(image: Rgb) -> Rgb8:
    """0 to 1 as floats becomes 0 to 255 as bytes, rounded."""
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
