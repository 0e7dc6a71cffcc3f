"""Finding hands.

Source: Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020): palms are found, since they are
firmer than hands and hide less of each other.
"""

from actors.engines.local.arrays import Points, Rgb8
from actors.engines.local.perception.detections import Detection, anchor_centres, decoded, letterboxed
from actors.engines.local.runtimes import Runtimes

MODEL = "palm_detection_full.tflite"
_SIDE = 192
_ANCHORS: Points = anchor_centres(_SIDE, (8, 16, 16, 16), 2)


def palms(image: Rgb8, runtimes: Runtimes, *, at_least: float = 0.6) -> list[Detection]:
    """The palms in `image`, most certain first; each has 7 points, the wrist first, then where the fingers begin."""
    boxed = letterboxed(image, _SIDE)
    outputs = runtimes.tflite(MODEL, (boxed.pixels + 1) / 2)
    count = len(_ANCHORS)
    regressors, logits = outputs[1, count, 18][0], outputs[1, count, 1][0, :, 0]
    return decoded(regressors, logits, _ANCHORS, _SIDE, at_least=at_least, matrix=boxed.matrix)
