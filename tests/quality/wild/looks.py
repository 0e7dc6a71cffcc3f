"""What can be told of an outcome without knowing what is right: next to the models, the photo, the body."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from actors.engines.local.arrays import Floats, Mask, Plane, Points, Rgb8, as_rgb
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.pose import Pose, pose
from actors.engines.local.perception.saliency import subject
from actors.engines.local.raster import gaussian, grown, lab, resized, shrunk
from actors.engines.local.runtimes import Runtimes

_BONES = (
    *((11, 12), (11, 23), (12, 24), (23, 24), (11, 13), (13, 15), (15, 19), (12, 14), (14, 16), (16, 20)),
    *((23, 25), (25, 27), (27, 31), (24, 26), (26, 28), (28, 32), (0, 11), (0, 12), (7, 8)),
)
"""Pairs of BlazePose's key points that flesh is around."""


def agreement(alpha: Plane, plain: Plane, selfie: Plane) -> dict[str, float | None]:
    """How `alpha` (h, w) stands to two models that judge alone (h, w).

    `lost`: share of what both call a person that isn't kept; `added`: share of what is kept that both deny; both are
    measured away from edges, and should be next to nothing.
    """
    reach = max(2, round(0.012 * max(alpha.shape)))
    both = shrunk((plain > 0.8) & (selfie > 0.8), reach)
    neither = shrunk((plain < 0.2) & (selfie < 0.2), reach)
    kept = alpha > 0.5
    return {
        "lost": float((both & (alpha < 0.4)).sum() / max(int(both.sum()), 1)),
        "added": float((neither & kept).sum() / max(int(kept.sum()), 1)),
    }


def changed(before: Rgb8, after: Rgb8, runtimes: Runtimes) -> dict[str, float | None]:
    """How far a head that was put back onto its own photo changed it.

    `seam`: the area that isn't as it was, in squares of the face's height; `blotches`: the same without what is thinner
    than a twentieth of the face's height, which should be nothing. Not as it was: 10 units of L*a*b*, softened.
    """
    height, width = after.shape[:2]
    found = faces(before, runtimes)
    unit = max((face.height for face in found), default=0.2 * before.shape[0]) * height / before.shape[0]
    values = [lab(gaussian(as_rgb(picture), 1.0)) for picture in (resized(before, width, height), after)]
    differs: Mask = np.sqrt(((values[0] - values[1]) ** 2).sum(axis=2)) > 10
    thin = max(1, round(0.025 * unit))
    thick = grown(shrunk(differs, thin), thin) & differs
    return {"seam": float(differs.sum() / unit**2), "blotches": float(thick.sum() / unit**2)}


def cloth(before: Rgb8, after: Rgb8, runtimes: Runtimes) -> dict[str, float | None]:
    """Cloth where none was: `stray`, the share of the new figure that is further from its bones than the old was.

    `scale`: the height of the torso to what it was. Both are None where no pose is found.
    """
    was, now = pose(before, runtimes), pose(after, runtimes)
    if was is None or now is None:
        return {"stray": None, "scale": None}
    reach = float(np.percentile(_distances(subject(before, runtimes) > 0.5, was), 99.5))
    beyond = _distances(subject(after, runtimes) > 0.5, now)
    scale = (_torso(now) / max(after.shape)) / (_torso(was) / max(before.shape))
    return {"stray": float((beyond > 1.15 * reach).mean()), "scale": scale}


def _distances(figure: Mask, person: Pose) -> Floats:
    """How far each pixel of `figure` (h, w) is from the nearest bone, in torsos."""
    bones = np.ones(figure.shape, np.bool_)
    along = np.linspace(0, 1, 200, dtype=np.float32)[:, None]
    for first, second in _BONES:
        places: Points = person.points[first] + along * (person.points[second] - person.points[first])
        columns, rows = places.T.astype(np.intp)
        inside = (columns >= 0) & (rows >= 0) & (columns < figure.shape[1]) & (rows < figure.shape[0])
        bones[rows[inside], columns[inside]] = False
    away: Floats = distance_transform_edt(bones).astype(np.float32)
    return away[figure] / _torso(person) if figure.any() else np.zeros(1, np.float32)


def _torso(person: Pose) -> float:
    points: Points = person.points
    return max(1.0, float(np.hypot(*((points[11] + points[12]) / 2 - (points[23] + points[24]) / 2))))
