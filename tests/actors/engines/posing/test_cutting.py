"""What the networks lose of limbs comes back where the pose's own silhouette sees it. Painted by code."""

import numpy as np

from actors.engines.local.arrays import Mask
from actors.engines.local.perception.pose import Pose
from actors.engines.local.posing.cutting import with_limbs
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import LEFT_HAND, LEFT_TOE, RIGHT_HAND, RIGHT_TOE, torso_length

from .figures import SEEN, figure, painted


def test_hands_and_feet_that_the_networks_lose_are_kept_where_the_silhouette_sees_them() -> None:
    joints = figure("arms_out", unit=130.0)
    _, inside = painted(joints, skirt=False)
    reach = 0.15 * torso_length(joints)

    def around(tip: int, radius: float) -> Mask:
        return near(joints[tip], joints[tip], radius, inside.shape)

    seen, unseen = (LEFT_HAND, LEFT_TOE), (RIGHT_HAND, RIGHT_TOE)
    coarse, silhouette = inside.astype(np.float32), inside.astype(np.float32)
    for tip in (*seen, *unseen):
        coarse[around(tip, reach)] = 0
        silhouette[around(tip, reach)] = tip in seen
    nobody = np.zeros((0, 2), np.float32)
    points = joints[:33].astype(np.float32)
    person = Pose(points, np.zeros(33, np.float32), SEEN, SEEN, silhouette, 1.0, nobody, np.zeros(0, np.float32))
    kept = with_limbs(coarse, person)
    for tip in seen:
        assert kept[around(tip, 3)].min() == 1
    for tip in unseen:
        assert kept[around(tip, 3)].max() == 0
