"""What of a picture belongs to its people: the agreement of those who know them.

One network knows what stands out and where it ends, but takes a tower for the subject; another knows people, but not
their edge nor what they hold; the silhouette that comes with a pose knows one person, roughly. What two of them see
stays, opaque. What stands out alone and touches somebody is held, worn or sat on by them, unless it is large. What only
people are known by comes in where a face or hips were found in it.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actors.engines.local.arrays import Mask, Plane, Rgb8
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.pose import LEFT_HIP, RIGHT_HIP, Pose
from actors.engines.local.raster import (
    Raster,
    components,
    gaussian,
    grown,
    resized,
    resized_linear,
    segments,
    shrunk,
    touching,
)

_SIDE = 320
"""Long edge in pixels at which parts are judged: the networks know no finer."""
_NEAR = 4
"""So near to a person, in those pixels, the two networks differ by the place of an edge only."""
_HAIR = 12
"""So far from what is surely somebody's, in those pixels, hair may reach; what is faint further away is nothing."""
_LARGE = 0.5
"""What together is as large as this share of the people isn't held, worn or sat on by them."""
_DOUBTFUL = 0.6
"""Mean alpha below which a part that no person explains is a guess."""
_THEIRS = 0.3
"""A part that stands alone is somebody's when this share of it is a person."""
_AGREED = 0.4
"""With less than this share of what two see in common, they speak of different things."""
_UNDECIDED = 0.1, 0.9
"""Alpha between these, over more than an edge's breadth, is of what the networks can't agree upon."""
_SURE = 0.75
"""Mean likelihood of a piece from which a network is sure of it."""
_SURE_FACE = 0.7
"""A face of less certainty counts where a person is likely; flowers and wheels come that far."""


def people_elsewhere(salient: Plane, likely: Plane, person: Pose | None) -> Plane | None:
    """Roughly where those who know people see some, if `salient` (h, w) speaks of something else."""
    alpha, seen, silhouette = _witnesses(salient, likely, person)
    if max(_in_common(alpha, seen), _in_common(alpha, silhouette)) >= _AGREED:
        return None
    body = _thick((seen > 0.7) | (silhouette > 0.5)).astype(np.float32)
    return resized_linear(body, salient.shape[1], salient.shape[0])


def of_people(salient: Plane, likely: Plane, person: Pose | None, faces: Sequence[Detection]) -> Plane:
    """What `salient` (h, w) shows of people, with what it lacks of them; nothing where no two witnesses agree.

    `likely` (h, w) is how likely each pixel shows a person. All that is returned is in one of the two.
    """
    height, width = salient.shape
    alpha, seen, silhouette = _witnesses(salient, likely, person)
    if max(_in_common(alpha, seen), _in_common(alpha, silhouette), _in_common(seen, silhouette)) < _AGREED:
        return np.zeros_like(salient)
    figures = _figures(person, faces, seen, max(height, width))
    body = (seen > 0.5) | (silhouette > 0.5)
    keep = _without_islands(alpha, body, figures)
    keep *= _without_things(alpha * keep, body, figures)
    keep *= _without_islands(alpha * keep, body, figures)
    # What stands out but half is a light sleeve or a shadow: it counts where another sees a person.
    two_of_three = np.sort([np.minimum(2 * alpha, 1), seen, silhouette], axis=0)[1]
    added = _missing(alpha * keep, two_of_three, seen, figures)
    near = gaussian(grown(np.maximum(alpha * keep, added) > 0.9, _HAIR).astype(np.float32), 2.0)
    keep, added = (resized_linear(weights * near, width, height) for weights in (keep, added))
    return np.maximum(salient * keep, added)


def decided(
    image: Rgb8, alpha: Plane, salient: Plane, likely: Plane, person: Pose | None, faces: Sequence[Detection]
) -> Plane:
    """`alpha` (h, w) with each piece of `image` that it leaves half transparent opaque or gone, whole.

    A piece stays if most of it is in `alpha` and one of the networks is sure of it. Its borders are the photo's own;
    hair, around `faces`, is half transparent further than other edges.
    """
    height, width = alpha.shape
    stands_out, seen, _ = _witnesses(salient, likely, person)
    now = _small(alpha)
    undecided = (now > _UNDECIDED[0]) & (now < _UNDECIDED[1])
    hair = _around(faces, now.shape, max(height, width))
    undecided &= np.where(hair, grown(shrunk(undecided, 5), 6), grown(shrunk(undecided, 2), 3))
    if not undecided.any():
        return alpha
    pieces = segments(_small(image), 3)
    there, first, second = (_means(plane, pieces) for plane in (now, stands_out, seen))
    stays = ((there > 0.5) & (np.maximum(first, second) > _SURE))[pieces]
    solid = touching(np.where(undecided, stays, now > 0.5), now > _UNDECIDED[1])
    after = gaussian(np.where(undecided, solid.astype(np.float32), now), 0.7)
    weight = gaussian(grown(undecided, 1).astype(np.float32), 1.0)
    weight, after = (resized_linear(plane, width, height) for plane in (weight, after))
    return alpha + weight * (after - alpha)


def _witnesses(salient: Plane, likely: Plane, person: Pose | None) -> tuple[Plane, Plane, Plane]:
    """All three at the size at which parts are judged.

    Where the pose knows of nobody else and agrees with what stands out, a network of people that sees them elsewhere
    isn't heard.
    """
    silhouette = np.zeros_like(salient) if person is None else person.silhouette
    alpha, seen, body = (np.clip(_small(plane), 0, 1) for plane in (salient, likely, silhouette))
    alone = person is not None and not len(person.others)
    if alone and max(_in_common(alpha, seen), _in_common(seen, body)) < _AGREED <= _in_common(alpha, body):
        seen = body
    return alpha, seen, body


def _small(image: Raster) -> Raster:
    """`image` at the size at which parts are judged."""
    scale = _SIDE / max(image.shape[:2])
    return resized(image, max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0])))


def _means(plane: Plane, pieces: NDArray[np.int32]) -> NDArray[np.float64]:
    """The mean of `plane` in each of the `pieces`, by their labels."""
    return np.bincount(pieces.ravel(), weights=plane.ravel()) / np.maximum(np.bincount(pieces.ravel()), 1)


def _around(faces: Sequence[Detection], shape: tuple[int, int], long_edge: int) -> Mask:
    """Where hair may be."""
    found = np.zeros(shape, np.bool_)
    for face in faces:
        reach = 2.2 * face.height
        left, top, right, bottom = (
            int(max(0, place) * _SIDE / long_edge) for place in (*(face.middle - reach), *(face.middle + reach))
        )
        found[top:bottom, left:right] = True
    return found


def _in_common(first: Plane, second: Plane) -> float:
    """Intersection over union of two outlines."""
    return float(((first > 0.5) & (second > 0.5)).sum()) / max(1.0, float(((first > 0.5) | (second > 0.5)).sum()))


def _figures(person: Pose | None, faces: Sequence[Detection], seen: Plane, long_edge: int) -> Mask:
    """Where somebody was found: the middle of each face, and of each body its hips."""
    height, width = seen.shape
    hips = [] if person is None else [(person.points[LEFT_HIP] + person.points[RIGHT_HIP]) / 2, *person.others]
    found = np.zeros(seen.shape, np.bool_)
    for point, sure in [*((face.middle, face.score > _SURE_FACE) for face in faces), *((hip, True) for hip in hips)]:
        x, y = (point * _SIDE / long_edge).astype(int)
        if 0 <= y < height and 0 <= x < width:
            found[y, x] |= sure or bool(seen[y, x] > 0.5)
    return found


def _without_islands(alpha: Plane, body: Mask, figures: Mask) -> Plane:
    """Weights that keep the parts with somebody in them."""
    labels, stats = components(alpha > 0.3)
    keep = np.bincount(labels[body], minlength=len(stats)) > _THEIRS * stats[:, 4]
    keep[labels[figures]] = True
    keep[0] = False
    return _softly(keep[labels])


def _without_things(alpha: Plane, body: Mask, figures: Mask) -> Plane:
    """Weights that drop what stands out beside people, but can't be theirs: too much of it, or doubtful."""
    labels, stats = components(shrunk((alpha > 0.3) & ~grown(body, _NEAR), 1))
    areas = np.maximum(stats[:, 4], 1).astype(np.float64)
    people = float(((alpha > 0.5) & body).sum())
    sure = np.bincount(labels.ravel(), weights=alpha.ravel()) / areas
    drop = (sure < _DOUBTFUL) & (areas > 0.01 * people)
    drop |= float(areas[1:].sum()) > _LARGE * people
    drop[0] = False
    drop[labels[figures]] = False
    gone = grown(drop[labels], _NEAR + 1) & ~body
    return 1 - gaussian(gone.astype(np.float32), 1.0)


def _missing(alpha: Plane, two_of_three: Plane, seen: Plane, figures: Mask) -> Plane:
    """The parts of people that `alpha` lacks; 0 elsewhere.

    Those that hang together with it and two witnesses see (not an edge's breadth of it: two coarse outlines always
    differ by that), and those with somebody's face or hips in them.
    """
    limbs = touching(_thick((two_of_three > 0.6) & (alpha < 0.8)), grown(alpha > 0.5, 1))
    others = touching(_thick((seen > 0.7) & (alpha < 0.5)), grown(figures, 1))
    return np.maximum(_softly(limbs) * _steeper(two_of_three), _softly(others) * _steeper(seen))


def _thick(mask: Mask) -> Mask:
    """`mask` without what is thin."""
    return mask & grown(shrunk(mask, 2), 3)


def _softly(mask: Mask) -> Plane:
    """Weights that reach a little further than `mask`."""
    return gaussian(grown(mask, 3).astype(np.float32), 1.0)


def _steeper(likely: Plane) -> Plane:
    return np.clip((likely - 0.4) / 0.4, 0, 1)
