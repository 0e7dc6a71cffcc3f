"""Whether bending has torn cloth: where an arm has left the body along a line that no edge follows."""

import numpy as np
from msgspec import Struct
from scipy.spatial import cKDTree

from actors.engines.local.arrays import Rgb
from actors.engines.local.posing.bending import Bent
from actors.engines.local.posing.cloth import changes
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.parts import Division
from actors.engines.local.posing.sheets import reaches
from actors.engines.local.posing.skeleton import ARMS, LEGS, Doubles, Layer, torso_length
from actors.engines.local.raster import grown_values, lab, mean_near, shrunk

_APART = 0.06
"""What has come apart by more torso lengths is torn."""
_ALIKE, _SMOOTH = 12.0, 8.0
"""L*a*b* units: both sides are one piece of cloth if their colours differ, and change in between, by less."""
_BESIDE, _WITHIN = 3, 2
"""Colours are compared so many pixels from the border; it has an edge if there is one so near to it."""
_ALIKE_IN_ALL, _PRINTED = 20.0, 2.0
"""Nor do prints and folds hide that it is one if all that is near differs by less, and colours change in between no
more than so many times as much as they do there."""
_NEAR = 0.06
"""So much of both sides is near, in torso lengths."""
_FROM_TORSO, _FROM_LEGS = 0.3, 0.2
"""Torn seams that are longer than this show, in torso lengths. Hands that rest on a leg take a piece of it along."""
_IN_PRINTS = 0.12
"""So does what is torn through prints and folds, though it be shorter: of those with more none was usable."""


class Torn(Struct, frozen=True):
    """How much cloth one arm has been torn from, in torso lengths of seam."""

    from_torso: float
    from_legs: float
    in_prints: float
    """From the torso, where prints, folds or hair hide that both sides are one."""

    @property
    def sleeve(self) -> bool:
        """Whether it shows beside the torso."""
        return self.from_torso > _FROM_TORSO or self.in_prints > _IN_PRINTS

    @property
    def hand(self) -> bool:
        """Whether it shows at the hand."""
        return self.from_legs > _FROM_LEGS


def torn(division: Division, figure: Doubles, bent: Bent) -> dict[Layer, Torn]:
    """What each arm of `figure` (38, 2), which was divided and bent, has been torn from."""
    labels, unit = division.labels, torso_length(figure)
    around = reaches(figure * division.scale, labels.shape)
    first, second = _borders(labels)
    plain = _plain(division.image, first, second)
    kept = plain | _printed(division, unit * division.scale, first, second)
    first, second, plain = first[kept], second[kept], plain[kept]
    one, other = labels[tuple(first.T)], labels[tuple(second.T)]
    apart = np.zeros(len(first), np.bool_)
    moves = {layer: _moves(bent, layer, division.scale) for layer in Layer}
    for layer, mine in moves.items():
        for beside, theirs in moves.items():
            here = np.flatnonzero((one == layer) & (other == beside))
            sewn = sum((zone for name, zone in around[layer] if name == beside), np.zeros(labels.shape, np.float32))
            here = here[sewn[tuple(first[here].T)] == 0]
            if len(here) and mine is not None and theirs is not None:
                gap = np.hypot(*(_moved(mine, first[here]) - _moved(theirs, second[here])).T)
                apart[here] = gap > _APART * unit
    length = unit * division.scale

    def seams(arm: Layer, body: list[Layer]) -> tuple[float, float]:
        between = (one == arm) & np.isin(other, body) | np.isin(one, body) & (other == arm)
        return float((between & apart & plain).sum()) / length, float((between & apart & ~plain).sum()) / length

    result: dict[Layer, Torn] = {}
    for arm in ARMS:
        from_torso, in_prints = seams(arm, [Layer.TORSO])
        result[arm] = Torn(from_torso, seams(arm, list(LEGS))[0], in_prints)
    return result


def _borders(labels: Indices) -> tuple[Indices, Indices]:
    """The pairs of neighbouring pixels (n, 2), row and column, that are in two layers."""
    firsts: list[Indices] = []
    seconds: list[Indices] = []
    height, width = labels.shape
    for down, right in ((0, 1), (1, 0)):
        here, there = labels[: height - down, : width - right], labels[down:, right:]
        place = np.argwhere((here >= 0) & (there >= 0) & (here != there))
        firsts.append(place)
        seconds.append(place + np.array([down, right]))
    return np.concatenate(firsts), np.concatenate(seconds)


def _plain(image: Rgb, first: Indices, second: Indices) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For which pairs of pixels nothing in `image` (h, w, 3) shows a border between them."""
    colours = lab(image).astype(np.float64)
    change = changes(image)
    step = second - first
    most = np.array(change.shape) - 1

    def at(plane: Doubles, offset: int) -> Doubles:
        rows, columns = np.clip(first + offset * step, 0, most).T
        return plane[rows, columns]

    difference = np.sqrt(((at(colours, -_BESIDE) - at(colours, _BESIDE + 1)) ** 2).sum(axis=-1))
    edge = np.max([at(change, offset) for offset in range(-_WITHIN, _WITHIN + 2)], axis=0)
    return (difference < _ALIKE) & (edge < _SMOOTH)


def _printed(
    division: Division, unit: float, first: Indices, second: Indices
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For which pairs of pixels both sides have the same colours, and prints or folds as strong as what is in between.

    `unit` is the torso's length in the pixels of `division`.
    """
    labels = division.labels
    edges = grown_values(changes(division.image).astype(np.float32), _WITHIN)
    seen = np.concatenate([lab(division.image), edges[..., None]], axis=-1)
    sides = np.zeros((2, len(first), seen.shape[-1]))
    for layer in Layer:
        mine = labels == layer
        # What is at the border itself is of both sides.
        near = mean_near(seen, shrunk(mine, 2 * _WITHIN), _NEAR * unit)
        for side, places in zip(sides, (first, second), strict=True):
            here = mine[tuple(places.T)]
            side[here] = near[tuple(places[here].T)]
    difference = np.sqrt(((sides[0] - sides[1])[:, :3] ** 2).sum(axis=-1))
    edge = np.maximum(edges[tuple(first.T)], edges[tuple(second.T)])
    return (difference < _ALIKE_IN_ALL) & (edge < _PRINTED * sides[..., 3].min(axis=0))


class _Moves(Struct, frozen=True):
    """Where one sheet's vertices were, in the pixels of a division, and how far they go in the photo's."""

    tree: cKDTree
    offsets: Doubles


def _moves(bent: Bent, layer: Layer, scale: float) -> _Moves | None:
    mine = bent.mesh.members[:, layer]
    if not mine.any():
        return None
    return _Moves(cKDTree(bent.mesh.vertices[mine] * scale), (bent.placed - bent.mesh.vertices)[mine])


def _moved(moves: _Moves, places: Indices) -> Doubles:
    """How far the pixels at `places` (n, 2), row and column, go."""
    _, nearest = moves.tree.query(places[:, ::-1].astype(np.float64))
    return moves.offsets[nearest]
