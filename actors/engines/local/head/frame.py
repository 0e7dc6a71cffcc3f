"""A face's own coordinates: across and down, in heights of that face."""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Points
from actors.engines.local.perception.landmarks import CHIN, FOREHEAD, LEFT_CHEEK, LEFT_EYE, RIGHT_CHEEK, RIGHT_EYE


class Frame(Struct, frozen=True):
    """Where a face is.

    `centre` lies between the eyes; `across` (to the picture's right) and `down` (to the chin) are directions; `height`
    (forehead to chin) and `width` (between the cheeks) are in pixels; `chin` is how far below the eyes, in heights.
    """

    centre: Points
    across: Points
    down: Points
    height: float
    width: float
    chin: float

    def coordinates(self, shape: tuple[int, ...]) -> tuple[Plane, Plane]:
        """Across and down of every pixel: two planes (h, w)."""
        x = np.arange(shape[1], dtype=np.float32)[None, :] - self.centre[0]
        y = np.arange(shape[0], dtype=np.float32)[:, None] - self.centre[1]
        scale = np.float32(1 / self.height)
        across = (x * self.across[0] + y * self.across[1]) * scale
        down = (x * self.down[0] + y * self.down[1]) * scale
        return across.astype(np.float32), down.astype(np.float32)

    def place(self, across: float, down: float) -> Points:
        """The pixel at these coordinates."""
        return (self.centre + self.height * (across * self.across + down * self.down)).astype(np.float32)

    def of(self, points: Points) -> Floats:
        """The coordinates (n, 2) of `points`."""
        return ((points - self.centre) @ np.stack([self.across, self.down], axis=1) / self.height).astype(np.float32)


def frame(points: Points) -> Frame:
    """The frame of a face with these landmarks (468, 2)."""
    right, left = points[list(RIGHT_EYE)].mean(axis=0), points[list(LEFT_EYE)].mean(axis=0)
    across = (left - right) / max(float(np.hypot(*(left - right))), 1e-3)
    down = np.array([-across[1], across[0]], np.float32)
    centre = (right + left) / 2
    height = max(float((points[CHIN] - points[FOREHEAD]) @ down), 1.0)
    return Frame(
        centre=centre,
        across=across,
        down=down,
        height=height,
        width=max(float((points[LEFT_CHEEK] - points[RIGHT_CHEEK]) @ across), 1.0),
        chin=float((points[CHIN] - centre) @ down) / height,
    )
