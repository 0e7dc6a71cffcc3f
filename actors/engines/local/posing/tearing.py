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
from actors.engines.local.raster import lab

_APART = 0.06
"""What has come apart by more torso lengths is torn."""
_ALIKE, _SMOOTH = 12.0, 8.0
"""L*a*b* units: both sides are one piece of cloth if their colours differ, and change in between, by less."""
_BESIDE, _WITHIN = 3, 2
"""Colours are compared so many pixels from the border; it has an edge if there is one so near to it."""
_FROM_TORSO, _FROM_LEGS = 0.3, 0.2
"""Torn seams that are longer than this show, in torso lengths. Hands that rest on a leg take a piece of it along."""


class Torn(Struct, frozen=True):
    """How much cloth one arm has been torn from, in torso lengths of seam."""

    from_torso: float
    from_legs: float

    @property
    def sleeve(self) -> bool:
        """Whether it shows beside the torso."""
        return self.from_torso > _FROM_TORSO

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
    first, second = first[plain], second[plain]
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

    def seams(arm: Layer, body: list[Layer]) -> float:
        between = (one == arm) & np.isin(other, body) | np.isin(one, body) & (other == arm)
        return float((between & apart).sum()) / length

    return {arm: Torn(seams(arm, [Layer.TORSO]), seams(arm, list(LEGS))) for arm in ARMS}


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
