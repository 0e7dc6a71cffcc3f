"""Alpha from the picture's own colours, of which it is a linear function in each window.

Sources: Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (2008); He, Sun, Tang, "Fast
Matting Using Large Kernel Matting Laplacian Matrices" (2010): the energy's matrix is never made, since its product with
a plane is what the guided filter takes from that; He, Sun, "Fast Guided Filter" (2015): the coefficients of a reduced
picture serve the full one.
"""

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.raster import box, extent, resized_linear

_STEPS = 10
"""Of conjugate gradients (Hestenes and Stiefel, 1952): windows this wide need no more."""
_EPSILON = 3e-5
"""Regularises a window's covariance: colours closer than its root, as compression leaves them, are the same."""


def solved_alpha(image: Rgb, coarse: Plane, known: Mask, *, radius: int, say: float = 0.001) -> Plane:
    """Alpha (h, w): `coarse` where `known`, elsewhere what the colours of `image` say in windows of `radius` pixels.

    `coarse` has a small `say` there, too: it decides where colours can't.
    """
    part = extent(~known, air=2 * radius + 1)
    if part is None:
        return coarse.copy()
    lines, start, free = _Lines(image[part], radius, _EPSILON), coarse[part].astype(np.float32), ~known[part]
    solution = start.copy()
    residual = free * (lines.of(start) - start)
    direction, length = residual.copy(), _product(residual, residual)
    for _ in range(_STEPS):
        image_of = free * (np.float32(1 + say) * direction - lines.of(direction))
        if (along := _product(direction, image_of)) <= 0:
            break
        step = np.float32(length / along)
        solution += step * direction
        residual -= step * image_of
        before, length = length, _product(residual, residual)
        direction *= np.float32(length / before)
        direction += residual
    result = coarse.astype(np.float32)
    result[part] = np.where(free, np.clip(solution, 0, 1), start)
    return result


def upsampled_alpha(small_image: Rgb, small_alpha: Plane, image: Rgb, *, radius: int, epsilon: float) -> Plane:
    """`small_alpha` at the size of `image`; `radius` in pixels of the small one, `epsilon` in colour squared."""
    height, width = image.shape[:2]
    *slopes, alpha = (
        resized_linear(plane, width, height) for plane in _Lines(small_image, radius, epsilon).coefficients(small_alpha)
    )
    for channel, slope in enumerate(slopes):
        alpha += slope * image[..., channel]
    return np.clip(alpha, 0, 1)


class _Lines:
    """The lines in colour that planes (h, w) are on in each window of an `image`; it is kept in planes, for speed."""

    def __init__(self, image: Rgb, radius: int, epsilon: float) -> None:
        self._radius = radius
        self._colours = [np.ascontiguousarray(image[..., channel], np.float32) for channel in range(3)]
        # In single precision rounding would outweigh a flat window's determinant, which could be zero or negative.
        exact = [colour.astype(np.float64) for colour in self._colours]
        means = [box(colour, radius) for colour in exact]
        a, b, c, d, e, f = (
            box(exact[i] * exact[j], radius) - means[i] * means[j] + (epsilon if i == j else 0)
            for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
        )
        # The inverse of the symmetric covariance, by its cofactors.
        cofactors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
        # A covariance can't have a smaller determinant than epsilon cubed; what falls below it is rounding.
        determinant = np.maximum(a * cofactors[0] + b * cofactors[1] + c * cofactors[2], epsilon**3)
        self._inverse = [(cofactor / determinant).astype(np.float32) for cofactor in cofactors]
        self._means = [mean.astype(np.float32) for mean in means]

    def coefficients(self, plane: Plane) -> tuple[Plane, Plane, Plane, Plane]:
        """Per pixel the three slopes and the offset that tell `plane` from colour, mean of all windows around it."""
        offset = box(plane, self._radius)
        x, y, z = (
            box(colour * plane, self._radius) - mean * offset
            for colour, mean in zip(self._colours, self._means, strict=True)
        )
        a, b, c, d, e, f = self._inverse
        slopes = a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z
        for slope, mean in zip(slopes, self._means, strict=True):
            offset -= slope * mean
        first, second, third = (box(slope, self._radius) for slope in slopes)
        return first, second, third, box(offset, self._radius)

    def of(self, plane: Plane) -> Plane:
        """`plane` as the colours have it, which is the guided filter."""
        *slopes, result = self.coefficients(plane)
        for slope, colour in zip(slopes, self._colours, strict=True):
            result += slope * colour
        return result


def _product(first: Plane, second: Plane) -> float:
    return float(np.einsum("ij,ij", first, second, dtype=np.float64))
