"""Which part of a figure each pixel belongs to.

Every bone has a core that is certainly its own; every other pixel goes to the core that is nearest along a way inside
the figure, where steps across an edge in colour are long. Source of the idea: Bai, Sapiro, "A Geodesic Framework for
Fast Interactive Image and Video Segmentation and Matting" (2007), with Dijkstra's algorithm on the grid of pixels.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.posing.arms import gaps
from actors.engines.local.posing.colours import told_by_colour
from actors.engines.local.posing.mesh import Indices, neighbours
from actors.engines.local.posing.shapes import cores, distance_to_line, like_nearest, near
from actors.engines.local.posing.skeleton import (
    ARMS,
    BODY,
    BONES,
    CHAINS,
    LEGS,
    Doubles,
    Layer,
    torso_length,
)
from actors.engines.local.raster import components, gaussian, grown, lab, resized, resized_linear, shrunk

_SIDE = 448
"""Long edge in pixels at which parts are told from each other."""
_FIGURE = 0.3
"""Alpha from which a pixel is part of the figure."""
_BLUR = 0.3
"""What is blurred of the figure by this share is its edge."""
_COLOUR = 0.6
"""A step across a difference of one L*a*b* unit is so many pixels longer."""
_EDGE = 2
"""Borders are looked for so many pixels around where they seem to be."""
_PALM, _AROUND_HAND = 0.04, 0.17
"""What is so near to a hand's bone is the hand's; it may end anywhere up to there. In torso lengths."""
_SLEEVE = 1.9
"""Sleeves are so many times as wide as an arm may be; what is farther from the bone may be something else."""
_LOBE = 0.08
"""Half of what is too narrow for the body, in torso lengths."""
_HANGS = 0.5
"""A piece is the body's if its border with it is longer than this share of its border with the arm."""

_FOLD = 0.04
"""Prints and folds are about so large, in torso lengths."""


class Division(Struct, frozen=True):
    """A figure taken apart in a picture `image` (h, w, 3) that is `scale` times as large as the photo.

    `labels` (h, w): the layer of each pixel, -1 outside of the figure.
    """

    image: Rgb
    labels: Indices
    scale: float


def labelled(image: Rgb, alpha: Plane, figure: Doubles) -> Division:
    """Which layer each part of the figure belongs to.

    `image` (h, w, 3) and `alpha` (h, w) are the photo and the person's matte, `figure` (38, 2) the joints.
    """
    height, width = alpha.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resized(image, *size)
    cover = resized(alpha, *size)
    seeds = cores(figure * scale, cover.shape)
    inside = (cover > _FIGURE) & ~gaps(cover, seeds, figure * scale)
    return Division(small, _labels(small, inside, seeds, figure * scale), scale)


def shares_of(labels: Indices, shape: tuple[int, int]) -> Floats:
    """The share (layers, h, w) of each layer in each pixel of a picture of `shape`: 0 to 1, its border a soft pixel."""
    height, width = shape
    shares = np.stack([gaussian((labels == layer).astype(np.float32), 0.8) for layer in Layer])
    total = shares.sum(axis=0)
    # Only hair goes on beyond the figure's edge; the rest there is what was left out between an arm and the body.
    shares /= np.maximum(total, np.float32(_BLUR))
    shares[Layer.HEAD] *= np.maximum(total, np.float32(_BLUR)) / np.maximum(total, np.float32(1e-3))
    large = np.stack([resized_linear(share, width, height) for share in shares])
    # At full size the soft step between two parts is as wide as a small pixel: made narrower again.
    large -= 0.5
    large *= np.float32(max(1.0, 0.5 * max(shape) / max(labels.shape)))
    large += 0.5
    return np.clip(large, 0, 1, out=large)


def _labels(image: Rgb, inside: Mask, seeds: Mapping[Layer, Mask], figure: Doubles) -> Indices:
    """The layer of each pixel inside the figure, -1 outside, from what `seeds` (h, w) say is certain."""
    seeded = np.full(inside.shape, -1, np.int64)
    for layer in (Layer.TORSO, Layer.HEAD, *LEGS, *ARMS):
        seeded[seeds[layer]] = layer
    seeded[~inside] = -1
    graph = _grid(lab(image).astype(np.float64), inside)
    labels = _spread(seeded, seeded >= 0, graph)
    for arm in ARMS:
        _give_back(labels, arm, figure)
    labels = told_by_colour(image, _on_edges(labels, graph, figure), figure)
    for arm in ARMS:
        _take_back(labels, arm, figure)
    return _smooth(labels, figure)


def _smooth(labels: Indices, figure: Doubles) -> Indices:
    """`labels` (h, w) with smooth borders between limbs and what they hang at.

    Prints, folds and shades draw scraps of the one to the other.
    """
    unit = torso_length(figure)
    for limb, others in ((Layer.LEFT_ARM, BODY), (Layer.RIGHT_ARM, BODY), (Layer.LEFT_LEG, (Layer.RIGHT_LEG,))):
        mine, theirs = labels == limb, np.isin(labels, others)
        share, whole = (gaussian(where.astype(np.float32), _FOLD * unit) for where in (mine, mine | theirs))
        now = share > 0.5 * whole
        if limb in ARMS:
            hand = BONES[CHAINS[limb][-1]]
            kept = near(figure[hand.start], figure[hand.end], _AROUND_HAND * unit, labels.shape)
            now = np.where(kept, mine, now)
        nearest = like_nearest(labels, theirs & ~now)
        labels = np.where(mine & ~now, nearest, np.where(theirs & now, limb, labels))
    return labels


def _on_edges(labels: Indices, graph: Any, figure: Doubles) -> Indices:
    """`labels` with the arms' borders moved to where the colour changes: by a pixel or two, around hands by more."""
    arms = np.isin(labels, ARMS)
    unit = torso_length(figure)
    open_again = grown(arms, _EDGE) & grown((labels >= 0) & ~arms, _EDGE)
    for hand in (BONES[CHAINS[arm][-1]] for arm in ARMS):
        away = distance_to_line(figure[hand.start], figure[hand.end], labels.shape)
        open_again |= (away > _PALM * unit) & (away < _AROUND_HAND * unit)
    open_again &= labels >= 0
    return _spread(labels, (labels >= 0) & ~open_again, graph)


def _spread(labels: Indices, known: Mask, graph: Any) -> Indices:
    """`labels` (h, w) with those that are `known` carried on to all pixels that `graph` leads to."""
    ways: Any = dijkstra(graph, directed=False, indices=np.flatnonzero(known), min_only=True, return_predecessors=True)
    found: Indices = ways[2].reshape(labels.shape)
    return np.where(found >= 0, labels.ravel()[np.maximum(found, 0)], labels)


def _give_back(labels: Indices, arm: Layer, figure: Doubles) -> None:
    """Give what an arm has taken far from its bones back to the body, if it hangs on that.

    So the skirt of a coat under a hand goes back, and what only the arm holds stays with it.
    """
    unit = torso_length(figure)
    away = labels == arm
    for index in CHAINS[arm]:
        bone = BONES[index]
        away &= distance_to_line(figure[bone.start], figure[bone.end], labels.shape) > _SLEEVE * bone.half * unit
    pieces, stats = components(away)
    for piece in range(1, len(stats)):
        here = pieces == piece
        around = labels[grown(here, 1) & ~here]
        counts = np.bincount(around[around >= 0], minlength=len(Layer))
        if counts[list(BODY)].sum() > _HANGS * counts[arm]:
            labels[here] = BODY[int(np.argmax(counts[list(BODY)]))]


def _take_back(labels: Indices, arm: Layer, figure: Doubles) -> None:
    """Give an arm what the body has of its sleeve: a lobe beside the upper arm that hangs on that by more."""
    unit, bone = torso_length(figure), BONES[CHAINS[arm][0]]
    body = np.isin(labels, BODY)
    size = max(1, round(_LOBE * unit))
    lobes = body & ~grown(shrunk(body, size), size)
    lobes &= distance_to_line(figure[bone.start], figure[bone.end], labels.shape) < _SLEEVE * bone.half * unit
    pieces, stats = components(lobes)
    for piece in range(1, len(stats)):
        here = pieces == piece
        around = labels[grown(here, 1) & ~here]
        # What is less is a corner.
        if stats[piece, 4] > size * size and (around == arm).sum() > np.isin(around, BODY).sum():
            labels[here] = arm


def _grid(colours: Doubles, inside: Mask) -> Any:
    """The pixels as a graph of eight neighbours, without those outside."""
    flat, size = colours.reshape(-1, 3), inside.size
    starts: list[Indices] = []
    ends: list[Indices] = []
    costs: list[Doubles] = []
    for one, other, apart in neighbours(inside):
        difference = np.sqrt(((flat[one] - flat[other]) ** 2).sum(axis=-1))
        starts.append(one)
        ends.append(other)
        costs.append(apart * (1 + _COLOUR * difference))
    entries: Any = (np.concatenate(costs), (np.concatenate(starts), np.concatenate(ends)))
    return coo_array(entries, shape=(size, size)).tocsr()
