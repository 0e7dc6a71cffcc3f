"""Finding hands.

Source: Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020): palms are found, since they are
firmer than hands and hide less of each other; what is around one, upright, is a hand or isn't. The second look tells
ears, beards and open collars from hands, which the first takes for palms.
"""

import numpy as np

from actors.engines.local.arrays import Points, Rgb8
from actors.engines.local.perception.detections import Detection, anchor_centres, decoded, letterboxed, turned_square
from actors.engines.local.runtimes import Runtimes

PALMS, HANDS = "palm_detection_full.tflite", "hand_landmark_full.tflite"
_PALM_SIDE, _HAND_SIDE = 192, 224
_ANCHORS: Points = anchor_centres(_PALM_SIDE, (8, 16, 16, 16), 2)
_PALM, _HAND = 0.6, 0.5
"""So sure both have to be: of 142 that passed for palms near heads all but three either way are told by the second."""
_REACH = 2.6
"""A hand with its fingers is so many times as large as its palm."""


def hands(image: Rgb8, runtimes: Runtimes) -> list[Detection]:
    """The hands in `image`, most certain first: their palms, with 7 points, the wrist, then where fingers begin."""
    boxed = letterboxed(image, _PALM_SIDE)
    outputs = runtimes.tflite(PALMS, (boxed.pixels + 1) / 2)
    count = len(_ANCHORS)
    regressors, logits = outputs[1, count, 18][0], outputs[1, count, 1][0, :, 0]
    palms = decoded(regressors, logits, _ANCHORS, _PALM_SIDE, at_least=_PALM, matrix=boxed.matrix)
    return [palm for palm in palms if _is_hand(palm, image, runtimes)]


def _is_hand(palm: Detection, image: Rgb8, runtimes: Runtimes) -> bool:
    along = palm.points[2] - palm.points[0]  # from the wrist to where the middle finger begins
    up = along / max(float(np.hypot(*along)), 1e-3)
    centre = palm.middle + palm.height / 2 * up
    size = _REACH * float(max(palm.box[2:] - palm.box[:2]))
    square = turned_square(image, centre, size, float(np.arctan2(up[0], -up[1])), _HAND_SIDE)
    return float(runtimes.tflite(HANDS, square.pixels)[1, 1][0, 0]) > _HAND
