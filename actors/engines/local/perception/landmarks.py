"""Finding the 468 landmarks of a face, with their depth.

Source: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs" (2019): a square
around the face, turned upright and half as large again as the face, is looked at; its landmarks give a better square,
so it is looked at again.
"""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Points, Rgb8
from actors.engines.local.perception.detections import Detection, turned_square
from actors.engines.local.raster import inverse, moved
from actors.engines.local.runtimes import Runtimes

MODEL = "face_landmark.tflite"
_SIDE, _COUNT = 192, 468
_MARGIN = 1.5
_LOOKS = 3

FOREHEAD, CHIN, RIGHT_CHEEK, LEFT_CHEEK = 10, 152, 234, 454
RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)
"""The corners of each eye; right and left are the person's."""
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline of the face, from the forehead round."""
JAW = (172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397)
"""The lower part of the outline, from the person's right to their left."""
STEADY = (33, 133, 362, 263, 168, 6, 197, 4, 1, 2, 98, 327, 70, 300, 105, 334, 152, 234, 454, 10, 172, 397)
"""What moves little when a face smiles or talks."""
EYES_AND_MOUTH = (
    (33, 160, 158, 133, 153, 144),
    (263, 387, 385, 362, 380, 373),
    (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
)
"""The outlines of what isn't skin inside a face."""


class FaceLandmarks(Struct, frozen=True):
    """A face's landmarks.

    `points` (468, 2) in pixels; `depth` (468,) in the same unit, less is nearer; `certainty` 0 to 1: is that a face
    at all.
    """

    points: Points
    depth: Floats
    certainty: float

    @property
    def solid(self) -> Floats:
        """The points with their depth, (468, 3)."""
        return np.concatenate([self.points, self.depth[:, None]], axis=1)


def landmarks(image: Rgb8, face: Detection, runtimes: Runtimes) -> FaceLandmarks:
    """The landmarks of `face`, which was found in `image`."""
    tilt = _angle(face.points[0], face.points[1])
    centre = (face.box[:2] + face.box[2:]) / 2
    size = float(max(face.box[2:] - face.box[:2])) * _MARGIN
    for _ in range(_LOOKS - 1):
        points = _look(image, centre, size, tilt, runtimes).points
        tilt = _angle(points[RIGHT_EYE[0]], points[LEFT_EYE[1]])
        cosine, sine = np.cos(tilt), np.sin(tilt)
        turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
        upright = points @ turn
        low, high = upright.min(axis=0), upright.max(axis=0)
        centre = turn @ ((low + high) / 2)
        size = float(max(high - low)) * _MARGIN
    return _look(image, centre, size, tilt, runtimes)


def _angle(right: Points, left: Points) -> float:
    return float(np.arctan2(left[1] - right[1], left[0] - right[0]))


def _look(image: Rgb8, centre: Points, size: float, tilt: float, runtimes: Runtimes) -> FaceLandmarks:
    """What the model sees in the square around `centre`, turned by `tilt`."""
    square = turned_square(image, centre, size, tilt, _SIDE)
    outputs = runtimes.tflite(MODEL, square.pixels)
    raw = outputs[1, 1, 1, 3 * _COUNT].reshape(_COUNT, 3)
    logit = float(outputs[1, 1, 1, 1].ravel()[0])
    return FaceLandmarks(
        points=moved(raw[:, :2], inverse(square.matrix)),
        depth=raw[:, 2] * np.float32(size / _SIDE),
        certainty=float(1 / (1 + np.exp(-np.clip(logit, -60, 60)))),
    )
