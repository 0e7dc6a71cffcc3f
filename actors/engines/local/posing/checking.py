"""Looking at the outcome as a stranger would: is it in the pose that was wanted?"""

import numpy as np
from msgspec import Struct

from actors.engines.local.posing.skeleton import LIMB_JOINTS, LIMBS, Doubles, torso_length

_NEAR = 0.1
LEAST_FOUND, MOST_TURNED = 0.9, 8.0
"""A smaller share of joints at their place, or limbs further off than so many degrees, is a failure."""


class Match(Struct, frozen=True):
    """How well a figure is in a pose.

    `found` is the share of joints within a tenth of the torso's length of their place (PCK@0.1); the others are by how
    many degrees limbs point elsewhere.
    """

    found: float
    mean_angle: float
    worst_angle: float

    @property
    def good(self) -> bool:
        return self.found >= LEAST_FOUND and self.mean_angle <= MOST_TURNED


def compared(seen: Doubles, wanted: Doubles) -> Match:
    """How well the figure `seen` (at least 33, 2) is in the pose `wanted` (38, 2), in the same pixels."""
    indices = list(LIMB_JOINTS)
    distance = np.hypot(*(seen[indices] - wanted[indices]).T) / torso_length(wanted)
    angles = [_angle_between(seen[b] - seen[a], wanted[b] - wanted[a]) for a, b in LIMBS]
    return Match(float((distance < _NEAR).mean()), float(np.mean(angles)), float(np.max(angles)))


def _angle_between(first: Doubles, second: Doubles) -> float:
    """Degrees, 0 to 180."""
    return abs(float(np.degrees(np.arctan2(first[0] * second[1] - first[1] * second[0], first @ second))))
