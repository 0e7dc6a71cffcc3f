"""Finding a person's pose: 33 key points and a rough silhouette.

Source: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking" (2020): a detector gives the hips and a
point that tells the body's size and tilt, a second model looks at that square, turned upright; its own points give a
better square, so it looks twice.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Points, Rgb8
from actors.engines.local.perception.detections import Detector, anchor_centres, turned_square
from actors.engines.local.raster import inverse, moved, warped
from actors.engines.local.runtimes import Runtimes

DETECTOR = "pose_detection.tflite"
LANDMARKS = "pose_landmark_full.tflite"
_DETECTOR = Detector(DETECTOR, 224, anchor_centres(224, (8, 16, 32, 32, 32), 2), 12)
_SIDE = 256
_KEY_POINTS = 33
_MARGIN = 1.25
"""The square is this much larger than the body, as in the models' training."""
_LOOKS = 2

NOSE, LEFT_EAR, RIGHT_EAR = 0, 7, 8
LEFT_SHOULDER, RIGHT_SHOULDER = 11, 12
LEFT_HIP, RIGHT_HIP = 23, 24
FEET = (27, 28, 29, 30, 31, 32)
"""Ankles, heels and toes."""


class Pose(Struct, frozen=True):
    """A person's pose.

    `points` (33, 2) in pixels, also where a joint is hidden or outside; `depth` (33,) in the same unit, less is nearer;
    `visible` and `present` (33,) 0 to 1; `silhouette` (h, w) 0 to 1; `certainty` 0 to 1: is that a person at all;
    `others` (n, 2): where further persons have their hips, and `others_certainty` (n,) how certain each of them is.
    """

    points: Points
    depth: Floats
    visible: Floats
    present: Floats
    silhouette: Plane
    certainty: float
    others: Points
    others_certainty: Floats

    @property
    def shoulders(self) -> float:
        """Their breadth in pixels."""
        return float(np.hypot(*(self.points[LEFT_SHOULDER] - self.points[RIGHT_SHOULDER])))


def pose(image: Rgb8, runtimes: Runtimes, *, at_least: float = 0.5) -> Pose | None:
    """The pose of the most prominent person in `image`, None if none is found."""
    if not (found := _DETECTOR.found(image, runtimes, at_least)):
        return None
    hips, rim = found[0].points[0], found[0].points[1]
    for _ in range(_LOOKS - 1):
        _, landmarks = _look(image, hips, rim, runtimes)
        hips, rim = landmarks[_KEY_POINTS, :2], landmarks[_KEY_POINTS + 1, :2]
    square, landmarks = _look(image, hips, rim, runtimes)
    height, width = image.shape[:2]
    return Pose(
        points=landmarks[:_KEY_POINTS, :2],
        depth=landmarks[:_KEY_POINTS, 2],
        visible=_sigmoid(landmarks[:_KEY_POINTS, 3]),
        present=_sigmoid(landmarks[:_KEY_POINTS, 4]),
        silhouette=warped(_sigmoid(square.silhouette), inverse(square.matrix), width, height),
        certainty=square.certainty,
        others=np.array([other.points[0] for other in found[1:]], np.float32).reshape(-1, 2),
        others_certainty=np.array([other.score for other in found[1:]], np.float32),
    )


class _Square(Struct, frozen=True):
    matrix: Floats
    silhouette: Plane
    certainty: float


def _look(image: Rgb8, hips: Points, rim: Points, runtimes: Runtimes) -> tuple[_Square, Floats]:
    """What the landmark model sees in the square around `hips` that reaches to `rim`.

    Returns the square and landmarks (39, 5): x, y, depth in pixels of `image`, logits of visible and present.
    """
    arm = rim - hips
    size = max(2 * float(np.hypot(arm[0], arm[1])) * _MARGIN, 8.0)
    square = turned_square(image, hips, size, float(np.arctan2(arm[1], arm[0])) + np.pi / 2, _SIDE)
    outputs = runtimes.tflite(LANDMARKS, square.pixels)
    raw = outputs[1, 195][0].reshape(39, 5)
    landmarks = raw.copy()
    landmarks[:, :2] = moved(_sharpened(raw[:, :2], outputs[1, 64, 64, 39][0]), inverse(square.matrix))
    landmarks[:, 2] *= size / _SIDE
    return _Square(square.matrix, outputs[1, 256, 256, 1][0, :, :, 0], float(outputs[1, 1][0, 0])), landmarks


def _sharpened(points: Points, heat: Floats) -> Points:
    """`points` (39, 2) moved to the centre of their peaks in the heat maps (64, 64, 39), where those are sure."""
    result = points.copy()
    cell, reach = _SIDE // heat.shape[0], 3
    for index in range(len(points)):
        column, row = (int(value / cell) for value in points[index])
        if not (0 <= column < heat.shape[1] and 0 <= row < heat.shape[0]):
            continue
        left, top = max(0, column - reach), max(0, row - reach)
        peak = _sigmoid(heat[top : row + reach + 1, left : column + reach + 1, index])
        if peak.max() < 0.5:  # MediaPipe's threshold
            continue
        rows, columns = np.mgrid[top : top + peak.shape[0], left : left + peak.shape[1]]
        total = peak.sum()
        result[index] = (columns * peak).sum() / total * cell, (rows * peak).sum() / total * cell
    return result


def _sigmoid(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(values, -60, 60)))
