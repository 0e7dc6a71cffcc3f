"""Finding hands.

Source: Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking" (2020): palms are found, since they are
firmer than hands and hide less of each other; what is around one, upright, is a hand or isn't. The second look tells
ears, beards and open collars from hands, which the first takes for palms.
"""

import numpy as np

from actors.engines.local.arrays import Rgb8
from actors.engines.local.perception.detections import Detection, Detector, anchor_centres, turned_square
from actors.engines.local.runtimes import Runtimes

PALMS, HANDS = "palm_detection_full.tflite", "hand_landmark_full.tflite"
_SIDE = 224
_PALMS = Detector(PALMS, 192, anchor_centres(192, (8, 16, 16, 16), 2), 18, low=0)
_PALM, _HAND = 0.6, 0.8
"""So sure both have to be: of 170 that passed for palms near heads the second tells all but three hands, one other."""
_REACH = 2.6
"""A hand with its fingers is so many times as large as its palm."""


def hands(image: Rgb8, runtimes: Runtimes) -> list[Detection]:
    """The hands in `image`, most certain first: their palms, with 7 points, the wrist, then where fingers begin."""
    return [palm for palm in _PALMS.found(image, runtimes, _PALM) if _is_hand(palm, image, runtimes)]


def _is_hand(palm: Detection, image: Rgb8, runtimes: Runtimes) -> bool:
    along = palm.points[2] - palm.points[0]  # from the wrist to where the middle finger begins
    up = along / max(float(np.hypot(*along)), 1e-3)
    centre = palm.middle + palm.height / 2 * up
    size = _REACH * float(max(palm.box[2:] - palm.box[:2]))
    square = turned_square(image, centre, size, float(np.arctan2(up[0], -up[1])), _SIDE)
    return float(runtimes.tflite(HANDS, square.pixels)[1, 1][0, 0]) > _HAND
