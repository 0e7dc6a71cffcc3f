"""What of a coarse matte belongs to a person.

What stands out in a picture isn't always a person: a tower behind them, a flower, a piece of furniture does too. The
rough silhouette that comes with the pose knows persons, but neither their edge nor what they hold. Here the two are
brought together: large or doubtful parts away from the silhouette go, limbs that only the silhouette has come in. Where
both are in doubt, colours decide: whether they are more like the person's or like those of the rest of the picture.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from collections.abc import Sequence

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Points, Rgb, Rgb8, as_rgb
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.likeness import background_likeness
from actors.engines.local.perception.pose import Pose
from actors.engines.local.raster import components, gaussian, grown, resized, resized_linear, shrunk, tallness

_SIDE = 320
"""Long edge in pixels at which parts are judged: the silhouette isn't finer."""
_NEAR, _CLOSE = 0.045, 0.012
"""What is nearer than this share of the person's height is clothes and hair; beside something that goes, this near."""
_LARGE = 0.25
"""A part as large as this share of the silhouette isn't something that a person holds."""
_MISTAKEN = 0.5
"""With so much that has to go, relative to the silhouette, the network took something else for the subject."""
_FIRST_JOINT = 11
"""Key points from here on are the body's, the ones before the face's."""
_DOUBTFUL = 0.72
"""Mean alpha below which a part away from the silhouette is a guess."""


_ALIKE, _OWN = 1.75, -0.75
"""Likeness to the background above which a part is its, and below which it is the person's."""
_NOTEWORTHY = 0.004
"""A part smaller than this share of the silhouette is left as it is."""


def of_people(
    alpha: Plane,
    person: Pose | None,
    faces: Sequence[Detection],
    image: Rgb8 | None = None,
    likely: Plane | None = None,
) -> Plane:
    """`alpha` (h, w) without what has nothing to do with a person, and with what surely has.

    With the `image` (h, w, 3) its colours have a say too, against which `likely` (h, w) can speak for a person.
    """
    height, width = alpha.shape
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.clip(resized(alpha, *size), 0, 1)
    anchors = [(face.box[:2] + face.box[2:]) / 2 * scale for face in faces]
    if person is None:
        return alpha * resized_linear(_kept_parts(small, None, anchors), width, height)
    anchors += [point * scale for point in person.others]
    silhouette = np.clip(resized(person.silhouette, *size), 0, 1)
    seen = None if likely is None else np.clip(resized(likely, *size), 0, 1)
    keep = _kept_parts(small, silhouette, anchors) * _without_strangers(small, silhouette, anchors, seen)
    joints = [point * scale for point in person.points[_FIRST_JOINT:][person.visible[_FIRST_JOINT:] > 0.5]]
    # Well inside the silhouette a doubt is a dark coat or a shadow, not a hole.
    solid = gaussian((shrunk(silhouette > 0.85, 4) & (small > 0.2)).astype(np.float32), 1.5)
    missing = _missing(small * keep, silhouette, joints)
    likeness = None if image is None else _likeness(as_rgb(resized(image, *size)), small * keep, silhouette)
    if likeness is not None:
        # The silhouette is a rough guess: where it alone speaks for a person, colours mustn't speak for the background.
        trusted = np.clip(1.25 - gaussian(likeness, 5.0), 0, 1)
        missing *= trusted if seen is None else np.maximum(trusted, seen)
        lost, found = _by_colour(likeness, np.maximum(small * keep, solid), silhouette, joints)
        keep, missing = keep * lost, np.maximum(missing * lost, found)
    added = np.maximum(solid, missing)
    return np.maximum(alpha * resized_linear(keep, width, height), resized_linear(added, width, height))


def without_islands(alpha: Plane, person: Pose | None, faces: Sequence[Detection]) -> Plane:
    """`alpha` (h, w) without small parts that lie apart from the person, as solving the edge may leave some."""
    height, width = alpha.shape
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    silhouette = None if person is None else np.clip(resized(person.silhouette, *size), 0, 1)
    anchors = [(face.box[:2] + face.box[2:]) / 2 * scale for face in faces]
    anchors += [] if person is None else [point * scale for point in person.others]
    keep = _kept_parts(np.clip(resized(alpha, *size), 0, 1), silhouette, anchors)
    return alpha * resized_linear(keep, width, height)


def _likeness(image: Rgb, alpha: Plane, silhouette: Plane) -> Plane | None:
    """How much likelier each pixel's colours are in the background than in the person; None if too little is sure."""
    body = silhouette > 0.3
    front = shrunk((silhouette > 0.7) & (alpha > 0.8), 2)
    if not front.any():
        return None
    back = ~grown(body, max(2, round(0.02 * tallness(body)))) & (alpha < 0.1)
    return gaussian(background_likeness(image, front, back), 1.5) if back.any() else None


def _by_colour(likeness: Plane, alpha: Plane, silhouette: Plane, joints: Sequence[Points]) -> tuple[Plane, Plane]:
    """Weights that drop what has the background's colours, and what has the person's, to be added.

    Neither touches what silhouette and `alpha` agree on.
    """
    least = _NOTEWORTHY * float((silhouette > 0.3).sum())
    theirs = (alpha > 0.3) & (likeness > _ALIKE) & (silhouette < 0.6)
    labels, stats = components(theirs)
    # What stays close to the silhouette is hair in a rim of light, not a part of the background.
    away = ~grown(silhouette > 0.3, max(2, round(0.015 * _SIDE)))
    drop = (stats[:, 4] > least) & (np.bincount(labels[away], minlength=len(stats)) > 0.3 * stats[:, 4])
    drop[0] = False
    lost = 1 - gaussian(grown(drop[labels], 1).astype(np.float32), 1.0) * (silhouette < 0.6)

    own = (alpha < 0.5) & (likeness < _OWN) & (silhouette > 0.35)
    labels, stats = components(own & grown(shrunk(own, 1), 1))
    near = np.zeros(len(stats), np.bool_)
    for x, y in joints:
        around = slice(max(0, int(y) - 6), max(0, int(y) + 7)), slice(max(0, int(x) - 6), max(0, int(x) + 7))
        near[labels[around].ravel()] = True
    near &= stats[:, 4] > least
    near[0] = False
    found = gaussian(near[labels].astype(np.float32), 1.0) * (silhouette > 0.25)
    return lost, np.maximum(found, _gaps(likeness, alpha, silhouette))


def _gaps(likeness: Plane, alpha: Plane, silhouette: Plane) -> Plane:
    """Gaps in `alpha` that lie in the silhouette as a whole and don't show the background: clothes, not openings."""
    labels, stats = components(alpha < 0.5)
    areas = np.maximum(stats[:, 4], 1)
    fill = np.bincount(labels.ravel(), weights=silhouette.ravel()) > 0.85 * areas
    fill &= np.bincount(labels.ravel(), weights=likeness.ravel()) < 0.75 * areas
    fill[0] = False
    return gaussian(grown(fill[labels], 2).astype(np.float32), 1.0)


def _missing(alpha: Plane, silhouette: Plane, joints: Sequence[Points]) -> Plane:
    """The silhouette around limbs, each with a joint in it, that `alpha` lacks.

    0 elsewhere, where `alpha` knows the edge better.
    """
    lacking = (silhouette > 0.7) & (alpha < 0.5)
    labels, _ = components(grown(shrunk(lacking, 1), 2))
    limbs = np.isin(labels, [label for label in _at(labels, joints) if label]) & lacking
    around = gaussian(grown(limbs, 5).astype(np.float32), 2.0)
    return np.clip((silhouette - 0.3) / 0.4, 0, 1) * around


def _kept_parts(alpha: Plane, silhouette: Plane | None, anchors: Sequence[Points]) -> Plane:
    """Weights that keep the parts that are large, or hold a face, or lie in the silhouette."""
    labels, stats = components(alpha > 0.3)
    areas = stats[:, 4].astype(np.float64)
    areas[0] = 0
    if len(areas) <= 2:  # the outside and one part
        return np.ones_like(alpha)
    keep = areas > 0.3 * areas.sum()
    if silhouette is not None:
        keep |= np.bincount(labels[silhouette > 0.5], minlength=len(areas)) > 0.15 * areas
    keep[_at(labels, anchors)] = True
    keep[0] = False
    return gaussian(grown(keep[labels], 4).astype(np.float32), 1.0)


def _without_strangers(alpha: Plane, silhouette: Plane, anchors: Sequence[Points], likely: Plane | None) -> Plane:
    """Weights that drop what hangs together with the person in the matte, but is away from the silhouette."""
    body = silhouette > 0.3
    if not body.any():
        return np.ones_like(alpha)
    tall = tallness(body)
    away = (alpha > 0.3) & ~grown(body, max(2, round(_NEAR * tall)))
    labels, stats = components(away)
    areas = stats[:, 4].astype(np.float64)
    sure = np.bincount(labels.ravel(), weights=alpha.ravel()) / np.maximum(areas, 1)
    drop = (areas > _LARGE * body.sum()) | (sure < _DOUBTFUL)
    drop[_at(labels, anchors)] = False
    drop[0] = False
    if not drop.any():
        return np.ones_like(alpha)
    if float(areas[drop].sum()) > _MISTAKEN * float(body.sum()):
        # Something behind them stood out more than the person: only who knows persons can tell the edge.
        known = silhouette if likely is None else (2 * silhouette + likely) / 3
        return np.clip((known - 0.45) / 0.2, 0, 1)
    gone: Mask = grown(drop[labels], max(2, round(_NEAR * tall))) & ~grown(body, max(1, round(_CLOSE * tall)))
    return 1 - gaussian(gone.astype(np.float32), 1.0)


def _at(labels: "np.ndarray[tuple[int, ...], np.dtype[np.int32]]", points: Sequence[Points]) -> list[int]:
    """The labels at `points`, of those that lie inside."""
    height, width = labels.shape
    places = [(int(point[1]), int(point[0])) for point in points]
    return [int(labels[y, x]) for y, x in places if 0 <= y < height and 0 <= x < width]
