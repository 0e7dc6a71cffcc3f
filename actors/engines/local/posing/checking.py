"""Looking at the outcome as a stranger would: is it in the pose that was wanted?"""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Rgb8
from actors.engines.local.perception.pose import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, pose
from actors.engines.local.posing.skeleton import LIMB_JOINTS, LIMBS, Doubles, joints, torso_length
from actors.engines.local.posing.targets import angle_of, wrapped
from actors.engines.local.runtimes import Runtimes

_NEAR = 0.1
LEAST_FOUND, MOST_TURNED = 0.9, 8.0
"""A smaller share of joints at their place, or limbs further off than so many degrees, is a failure."""


class Match(Struct, frozen=True):
    """How well a figure is in a pose.

    `found` is the share of joints, but for hips, within a tenth of the torso's length of their place (PCK@0.1);
    `mean_angle`, by how many degrees limbs point elsewhere.
    """

    found: float
    mean_angle: float

    @property
    def good(self) -> bool:
        return self.found >= LEAST_FOUND and self.mean_angle <= MOST_TURNED


_NOT_FOUND = Match(0.0, 180.0)
_FACE_MIRRORED = (0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9)
"""For each landmark of the face the one that takes its place in a mirror."""


def judged(picture: Rgb8, wanted: Doubles, runtimes: Runtimes) -> Match:
    """How well the person in `picture` (h, w, 3) is in the pose `wanted` (38, 2), by the mean of two looks.

    The second is in a mirror: what only passes by luck, or could as well be seen from behind, is seen elsewhere there.
    """
    first, second = (_seen(picture, runtimes, mirror=mirror) for mirror in (False, True))
    if first is None or second is None:
        return _NOT_FOUND
    return compared(joints((first + second) / 2), wanted)


def _seen(picture: Rgb8, runtimes: Runtimes, *, mirror: bool) -> Floats | None:
    """Where the landmarks (33, 2) are seen in `picture`, or in its mirror's picture and then brought back."""
    person = pose(np.ascontiguousarray(picture[:, ::-1]) if mirror else picture, runtimes)
    if person is None or not mirror:
        return None if person is None else person.points
    # The body's landmarks are pairs: left, right, left, right.
    body = [index + (1 if index % 2 else -1) for index in range(LEFT_SHOULDER, len(person.points))]
    return person.points[[*_FACE_MIRRORED, *body]] * (-1, 1) + (picture.shape[1] - 1, 0)


def compared(seen: Doubles, wanted: Doubles) -> Match:
    """How well the figure `seen` (at least 33, 2) is in the pose `wanted` (38, 2), in the same pixels."""
    # Bending leaves hips where they are; a look has them lower under arms that go out, by a tenth of a torso.
    indices = [joint for joint in LIMB_JOINTS if joint not in (LEFT_HIP, RIGHT_HIP)]
    distance = np.hypot(*(seen[indices] - wanted[indices]).T) / torso_length(wanted)
    turns = [abs(wrapped(angle_of(seen[b] - seen[a]) - angle_of(wanted[b] - wanted[a]))) for a, b in LIMBS]
    return Match(float((distance < _NEAR).mean()), float(np.degrees(np.mean(turns))))
