"""What of a picture belongs to its people.

One network knows people, to their hair, but nothing of what they hold; another knows what stands out, whatever it is,
and takes a tower for the subject; a third knows people roughly, and makes other mistakes than the first. The first is
believed, but for small loose pieces that don't stand out as well; what it lacks comes back where two others see it, and
where it isn't sure, these have as much of a say, and features that are like people's speak for them. What stands out
and touches people is held, worn or sat on by them where the third has it with them, too, and it isn't in the colours of
what is around; it comes whole or not at all.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Rgb8
from actors.engines.local.likeness import likeness_nearby
from actors.engines.local.perception.pose import Pose
from actors.engines.local.raster import (
    Raster,
    components,
    gaussian,
    grown,
    resized,
    resized_linear,
    shrunk,
    touching,
)

_SIDE = 320
"""Long edge in pixels at which parts are judged: the networks know no finer."""
_NEAR = 4
"""So near to a person, in those pixels, the two networks differ by the place of an edge only."""
_HELD = 0.3
"""What is as large as this share of the people isn't held, worn or sat on by them."""
_AGREED = 0.3
"""So sure is the rough network of things that people have."""
_STRIKING = 0.6
"""Mean alpha below which a thing doesn't stand out."""
_TOGETHER = 0.8
"""As sure as this of a thing, the rough network has it with people whatever its size."""
_LIKE = 0.35
"""A thing in colours that are less like people's than this, against those around, is a piece of what is around."""
_DENIED, _AGREED_BY_TWO = 0.1, 0.6
"""What two others see so surely is somebody's, but where the network that knows people denies it: there the rough one,
which makes much the same mistakes, isn't one of the two."""
_THEIRS = 0.5
"""A small loose part is somebody's if two networks are as sure as this of it, in the mean."""
_SMALL = 0.1
"""A part of less than this share of the largest one is small: a thing without its handle, a passer-by without legs."""
_UNDECIDED = 0.1, 0.9
"""Alpha between these, over more than an edge's breadth, is of what nobody is sure of."""
_EVEN = 0.2
"""Votes that are no further than so from a half say little."""
_LOCK = 6
"""Hair that is half transparent no further than so from either side, in those pixels, isn't decided on, but drawn."""
_COLOURS = 0.5
"""So much alpha are colours worth that are like nothing but people's; as much less those like nothing but others'."""


def of_people(
    image: Rgb8, salient: Plane, seen: Plane, rough: Plane, person: Pose | None, *, trusted: bool = False
) -> Plane:
    """The people of `seen` (h, w) in `image`, with what is theirs of `salient` (h, w), and what two see that it lacks.

    The two are of these three: a `rough` network of people, what is `salient`, and the silhouette of a pose. Whoever
    brought the model that `salient` is of is `trusted` to know what belongs to people.
    """
    height, width = salient.shape
    silhouette = np.zeros_like(salient) if person is None else person.silhouette
    alpha, likely, also, outline = (np.clip(_small(plane), 0, 1) for plane in (salient, seen, rough, silhouette))
    body = likely > 0.5
    things = _things(alpha, np.ones_like(also) if trusted else also, body)
    two = np.where(likely > _DENIED, np.median([alpha, also, outline], axis=0), np.minimum(alpha, outline))
    lacking = touching(_thick((two > _AGREED_BY_TWO) & ~body, 3), grown(body, 2))
    if not trusted:
        known = shrunk(likely > 0.9, 1) & body, shrunk(np.maximum(alpha, likely) < 0.1, 1) & (also < 0.3)
        things = _alike(_small(image), things & ~grown(body, 2), *known)
    inside = shrunk((alpha > 0.3) | body, 2)
    add, rim, limbs = (
        resized_linear(gaussian(plane.astype(np.float32), 1.0), width, height)
        for plane in (things, ~inside, grown(lacking, 3) * np.clip((two - 0.4) / 0.4, 0, 1))
    )
    # What is theirs is so throughout, also where it stands out but half; it ends where it does no longer.
    return np.maximum(np.maximum(seen, np.clip(2 * salient - 0.5 * rim, 0, 1) * add), limbs)


def ending(salient: Plane, seen: Plane, sides: Mask) -> Plane:
    """`salient` (h, w) without what is beside the people of `seen` (h, w) and runs on over `sides` (h, w).

    These are where the part of the picture ends that was looked at: what isn't known to its end can't come whole.
    """
    near = max(2, round(max(seen.shape) * _NEAR / _SIDE))
    return np.where(grown(touching((salient > 0.3) & ~grown(seen > 0.5, near), sides), 2), 0, salient)


def _thick(mask: Mask, least: int) -> Mask:
    """`mask` without what is thin: coarse outlines always differ by an edge's breadth."""
    return mask & grown(shrunk(mask, least), least + 1)


def decided(
    alpha: Plane, salient: Plane, rough: Plane, like: Plane | None = None, hair_of: Rgb8 | None = None
) -> tuple[Plane, float]:
    """`alpha` (h, w) with what is half transparent further than an edge reaches opaque or gone.

    What is `salient` and a `rough` network of people have together as much of a say in which as it has itself, and what
    is `like` people's a third where it speaks for them: what is gone is missed most. They don't know hair: of a picture
    that is `hair_of` somebody colours have it, as like those of what is sure as others'. With it comes what networks
    alone would decide by next to nothing, as a share of what `alpha` has.
    """
    height, width = alpha.shape
    now, stands_out, likely = (np.clip(_small(plane), 0, 1) for plane in (alpha, salient, rough))
    votes = now / 2 + (stands_out + likely) / 4
    gone, there = _UNDECIDED
    undecided = _thick((now > gone) & (now < there), 2 if hair_of is None else _LOCK)
    said = votes if like is None else votes + np.maximum(_small(like) - votes, 0) / 3
    if hair_of is not None:
        known = (shrunk(plane & ~undecided, 2) for plane in (now > there, now < gone))
        said = now + _COLOURS * (likeness_nearby(_small(hair_of), undecided, *known) - 0.5)
    even = np.abs(gaussian(votes, 1.5) - 0.5) < _EVEN
    doubt = float((undecided & even).sum()) / max(1, int((now > 0.5).sum()))
    after = gaussian(np.where(undecided, (gaussian(said, 1.5) > 0.5).astype(np.float32), now), 1.0)
    weight = gaussian(grown(undecided, 1).astype(np.float32), 1.0)
    weight, after = (resized_linear(plane, width, height) for plane in (weight, after))
    return alpha + weight * (after - alpha), doubt


def without_loose(alpha: Plane, seen: Plane, salient: Plane) -> Plane:
    """`alpha` (h, w) without the small pieces that aren't both people's, as `seen`, and `salient`."""
    height, width = alpha.shape
    labels, stats = components(_small(alpha) > 0.3)
    known = [np.bincount(labels.ravel(), weights=_small(plane).ravel()) for plane in (seen, salient)]
    keep = np.minimum(*known) > _THEIRS * stats[:, 4]
    keep |= stats[:, 4] >= _SMALL * stats[1:, 4].max(initial=1)
    keep[0] = False
    return alpha * resized_linear(gaussian(grown(keep[labels], 3).astype(np.float32), 1.0), width, height)


def _small(image: Raster) -> Raster:
    """`image` at the size at which parts are judged."""
    scale = _SIDE / max(image.shape[:2])
    return resized(image, max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0])))


def _things(alpha: Plane, also: Plane, body: Mask) -> Mask:
    """The parts beside people that stand out and are theirs, each as a whole.

    Theirs are those that the rough network has with them, unless one is large.
    """
    around = grown(body, _NEAR)
    labels, stats = components(shrunk((alpha > 0.3) & ~around, 1))
    areas = np.maximum(stats[:, 4], 1).astype(np.float64)
    striking, agreed = (np.bincount(labels.ravel(), weights=plane.ravel()) / areas for plane in (alpha, also))
    theirs = (np.bincount(labels[grown(around, 3)], minlength=len(stats)) > 0) & (striking > _STRIKING)
    theirs &= (agreed > _AGREED) & ((areas < _HELD * float(body.sum())) | (agreed > _TOGETHER))
    theirs[0] = False
    return grown(theirs[labels], _NEAR + 1)


def _alike(image: Rgb8, parts: Mask, theirs: Mask, others: Mask) -> Mask:
    """Those of the `parts` that aren't in the colours of `others`, and what is next to them."""
    labels, stats = components(parts)
    alike = (
        np.bincount(labels.ravel(), weights=likeness_nearby(image, parts, theirs, others).ravel()) > _LIKE * stats[:, 4]
    )
    alike[0] = False
    return grown(alike[labels], 3)
