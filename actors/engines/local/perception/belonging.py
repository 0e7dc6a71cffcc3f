"""What of a picture belongs to its people: the agreement of those who know them.

One network knows what stands out and where it ends, but takes a tower for the subject; another knows people, but not
their edge nor what they hold; the silhouette that comes with a pose knows one person of several. What the first two
both see stays, what both deny stays away. What only one of them sees is judged part by part: what stands out and
touches somebody is held, worn or sat on by them, unless it is large; what only people are known by comes in where a
face, hips or a limb was found in it.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actors.engines.local.arrays import Floats, Mask, Plane, Points
from actors.engines.local.perception.detections import Detection
from actors.engines.local.perception.pose import LEFT_HIP, RIGHT_HIP, Pose
from actors.engines.local.raster import components, gaussian, grown, resized, resized_linear, shrunk

_SIDE = 320
"""Long edge in pixels at which parts are judged: the networks know no finer."""
_NEAR = 4
"""So near to a person, in those pixels, the two networks differ by the place of an edge only."""
_LARGE = 0.5
"""What together is as large as this share of the people isn't held, worn or sat on by them."""
_DOUBTFUL = 0.6
"""Mean alpha below which a part that no person explains is a guess."""
_THEIRS = 0.3
"""A part that stands alone is somebody's when this share of it is a person."""
_AGREED = 0.4
"""With less than this share of what two see in common, they speak of different things."""
_SURE_FACE = 0.7
"""A face of less certainty counts where a person is likely; flowers and wheels come that far."""


def of_people(salient: Plane, likely: Plane, person: Pose | None, faces: Sequence[Detection]) -> Plane:
    """What `salient` (h, w) shows of people, with what it lacks of them; nothing where no two witnesses agree.

    `likely` (h, w) is how likely each pixel shows a person. All that is returned is in one of the two.
    """
    height, width = salient.shape
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    alpha, seen = np.clip(resized(salient, *size), 0, 1), np.clip(resized(likely, *size), 0, 1)
    silhouette = np.zeros_like(alpha) if person is None else np.clip(resized(person.silhouette, *size), 0, 1)
    if max(_in_common(alpha, seen), _in_common(alpha, silhouette), _in_common(seen, silhouette)) < _AGREED:
        return np.zeros_like(salient)
    figures = _figures(person, faces, seen, scale)
    body = (seen > 0.5) | (silhouette > 0.5)
    keep = _without_islands(alpha, body, figures)
    keep *= _without_things(alpha * keep, body, figures)
    keep *= _without_islands(alpha * keep, body, figures)
    added = _missing(alpha * keep, seen, figures)
    # Well inside a person a doubt is a light sleeve or a shadow, not a hole.
    solid = gaussian((shrunk(seen > 0.9, 3) & (alpha * keep > 0.3)).astype(np.float32), 1.0)
    added = np.maximum(added, solid)
    return np.maximum(salient * resized_linear(keep, width, height), resized_linear(added, width, height))


def opened(mask: Mask) -> Mask:
    """`mask` without what is thin: two coarse outlines always differ by that much."""
    return mask & grown(shrunk(mask, 2), 3)


def _in_common(first: Plane, second: Plane) -> float:
    """Intersection over union of two outlines."""
    return float(((first > 0.5) & (second > 0.5)).sum()) / max(1.0, float(((first > 0.5) | (second > 0.5)).sum()))


def _figures(person: Pose | None, faces: Sequence[Detection], seen: Plane, scale: float) -> Sequence[Points]:
    """Where somebody was found: the middle of each face, and of each body its hips."""
    places = [(face, face.middle * scale) for face in faces]
    found = [place for face, place in places if face.score > _SURE_FACE or any(v > 0.5 for v in _at(seen, [place]))]
    if person is None:
        return found
    hips = (person.points[LEFT_HIP] + person.points[RIGHT_HIP]) / 2
    return [*found, hips * scale, *(other * scale for other in person.others)]


def _without_islands(alpha: Plane, body: Mask, figures: Sequence[Points]) -> Plane:
    """Weights that keep the parts with somebody in them."""
    labels, stats = components(alpha > 0.3)
    keep = np.bincount(labels[body], minlength=len(stats)) > _THEIRS * stats[:, 4]
    keep[_at(labels, figures)] = True
    keep[0] = False
    return gaussian(grown(keep[labels], 3).astype(np.float32), 1.0)


def _without_things(alpha: Plane, body: Mask, figures: Sequence[Points]) -> Plane:
    """Weights that drop what stands out beside people, but can't be theirs: too much of it, or doubtful."""
    labels, stats = components(shrunk((alpha > 0.3) & ~grown(body, _NEAR), 1))
    areas = np.maximum(stats[:, 4], 1).astype(np.float64)
    people = float(((alpha > 0.5) & body).sum())
    sure = np.bincount(labels.ravel(), weights=alpha.ravel()) / areas
    drop = (sure < _DOUBTFUL) & (areas > 0.01 * people)
    drop |= float(areas[1:].sum()) > _LARGE * people
    drop[[0, *_at(labels, figures)]] = False
    gone = grown(drop[labels], _NEAR + 1) & ~body
    return 1 - gaussian(gone.astype(np.float32), 1.0)


def _missing(alpha: Plane, seen: Plane, figures: Sequence[Points]) -> Plane:
    """The parts of people, each with somebody's face or hips in it, that `alpha` lacks; 0 elsewhere."""
    labels, stats = components(opened((seen > 0.7) & (alpha < 0.5)))
    chosen = np.zeros(len(stats), np.bool_)
    chosen[_at(labels, figures)] = True
    chosen[0] = False
    return np.clip((seen - 0.4) / 0.4, 0, 1) * gaussian(grown(chosen[labels], 3).astype(np.float32), 1.0)


def _at(plane: "NDArray[np.int32] | Floats", points: Sequence[Points]) -> list[int]:
    """The values at `points`, of those that lie inside."""
    height, width = plane.shape
    places = [(int(point[1]), int(point[0])) for point in points]
    return [plane[y, x] for y, x in places if 0 <= y < height and 0 <= x < width]
