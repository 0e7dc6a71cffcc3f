"""Finding faces."""

from actors.engines.local.arrays import Points, Rgb8
from actors.engines.local.perception.detections import Detection, anchor_centres, decoded, letterboxed
from actors.engines.local.runtimes import Runtimes

FULL_RANGE = "face_detection_full_range_sparse.tflite"
SHORT_RANGE = "face_detection_short_range.tflite"
_FULL_SIDE, _SHORT_SIDE = 192, 128
_FULL_ANCHORS: Points = anchor_centres(_FULL_SIDE, (4,), 1)
_SHORT_ANCHORS: Points = anchor_centres(_SHORT_SIDE, (8, 16, 16, 16), 2)


def faces(image: Rgb8, runtimes: Runtimes, *, at_least: float = 0.5) -> list[Detection]:
    """The faces in `image`, most certain first.

    Each has 6 points: eyes (the person's right one first), nose, mouth, ears (right, left).

    Looks with MediaPipe's full-range model (BlazeFace, small faces in a whole picture); where that sees none, with the
    short-range one, which knows portraits better.
    """
    return _detected(image, runtimes, FULL_RANGE, at_least) or _detected(image, runtimes, SHORT_RANGE, at_least)


def _detected(image: Rgb8, runtimes: Runtimes, model: str, at_least: float) -> list[Detection]:
    full = model == FULL_RANGE
    side, anchors = (_FULL_SIDE, _FULL_ANCHORS) if full else (_SHORT_SIDE, _SHORT_ANCHORS)
    boxed = letterboxed(image, side)
    outputs = runtimes.tflite(model, boxed.pixels)
    count = len(anchors)
    regressors, logits = outputs[1, count, 16][0], outputs[1, count, 1][0, :, 0]
    return decoded(regressors, logits, anchors, side, at_least=at_least, matrix=boxed.matrix)
