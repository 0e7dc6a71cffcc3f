"""Finding faces."""

from actors.engines.local.arrays import Rgb8
from actors.engines.local.perception.detections import Detection, Detector, anchor_centres
from actors.engines.local.runtimes import Runtimes

FULL_RANGE = "face_detection_full_range_sparse.tflite"
SHORT_RANGE = "face_detection_short_range.tflite"
_FULL = Detector(FULL_RANGE, 192, anchor_centres(192, (4,), 1), 16)
_SHORT = Detector(SHORT_RANGE, 128, anchor_centres(128, (8, 16, 16, 16), 2), 16)


def faces(image: Rgb8, runtimes: Runtimes, *, at_least: float = 0.5) -> list[Detection]:
    """The faces in `image`, most certain first.

    Each has 6 points: eyes (the person's right one first), nose, mouth, ears (right, left).

    Looks with MediaPipe's full-range model (BlazeFace, small faces in a whole picture); where that sees none, with the
    short-range one, which knows portraits better.
    """
    return _FULL.found(image, runtimes, at_least) or _SHORT.found(image, runtimes, at_least)
