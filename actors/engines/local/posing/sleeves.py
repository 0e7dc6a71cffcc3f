"""Where arms are bare: no cloth goes with them, nor what else shows between them and the body."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.ndimage import distance_transform_edt

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.posing.between import between
from actors.engines.local.posing.colours import outwards, unlikeness
from actors.engines.local.posing.hands import face_colour, in_skin_steps
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.parts import Division
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.sheets import smooth_edge
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, LEGS, Doubles, Layer, torso_length
from actors.engines.local.posing.targets import Target
from actors.engines.local.raster import components, grown, lab, shrunk, touching

_PARTS = 5
"""An upper arm and a forearm are looked at in so many parts each."""
_WRIST = 2
"""So many parts at the wrist may have a bracelet or a watch."""
_MIDDLE = 0.5
"""The arm's colour is seen in its middle, by this share of its thickness."""
_PALM, _FINGERS = 0.04, 0.14
"""So far around a hand's bone there is hand, and may be fingers and their shadow, in torso lengths."""
_BESIDE = 0.5
"""The cloth that hangs beside is no farther, in torso lengths."""
_SAME_SKIN, _SKIN, _LIKER = 2.0, 2.0, 0.7
"""A hand is unlike the face by less than the first, bare skin unlike either by less than the second and by less than
this share of how unlike it is to cloth."""
_SLEEVELESS = 0.25
"""Straps and wide armholes reach over this part of the upper arm."""
_BANDS = ((0.0, 0.6), (1.4, 1.3), (0.0, 1.6), (0.0, 4.0))
"""Along an arm, as `_along` has them: where its skin is seen, what may not be its own, and between the last two what
is beside it."""
_THIN = 0.02
"""Twice so many torso lengths is no arm, but its light on cloth."""
_FLAT = (0.5, 1.0, 1.0)
"""What is skin and what isn't differs less in lightness."""
_DEEP = 1.2
"""In such steps: by so much skin isn't darker than the rest of an arm."""
_BLURRED, _EVEN = 0.018, 0.008
"""An edge is no further away, and has no details that are smaller, in torso lengths."""
_FINEST = 3
"""Pixels: of narrower edges there is nothing to tell."""
_EDGES, _ROOT, _HEM, _HALF = (1.0, 1.6), 0.3, 0.1, 0.5
"""Edges are looked for in this band along an arm, from so far down the upper arm and from its sleeve, around where half
a pixel is the arm's."""
_TOLD = 12.0
"""L*a*b* units, lightness halved: by so much skin and what is beside it differ, and by less an edge from a mixture."""
_FEWEST = 12
"""Fewer samples tell nothing."""
_UP = np.radians(25.0)
"""Up to this turn cloth and skin stretch without showing it."""


def bare_from(division: Division, figure: Doubles) -> dict[Layer, float]:
    """From where on the arms of `figure` (38, 2), which was divided, are bare, down to the hand.

    In lengths of the bones: 0 is the shoulder, 1 the elbow. Arms that aren't, or whose skin can't be told from the
    cloth beside it, are left out.
    """
    colours, small = in_skin_steps(division.image), figure * division.scale
    face = face_colour(colours, division.labels, small)
    if face is None:
        return {}
    return {arm: begin for arm in ARMS if (begin := _begin(colours, division.labels, arm, small, face)) is not None}


def sleeveless(bare: Mapping[Layer, float], target: Target) -> frozenset[Layer]:
    """The arms without any sleeve that turn so far that what is between them and the body would be seen to stretch."""
    return frozenset(
        arm for arm, begin in bare.items() if begin <= _SLEEVELESS and abs(target.motions[CHAINS[arm][0]].angle) > _UP
    )


def without_cloth(division: Division, bare: Mapping[Layer, float], figure: Doubles) -> Indices:
    """The division's labels (h, w) with what is no skin of the bare parts of arms given to the body beside them."""
    colours, small = in_skin_steps(division.image), figure * division.scale
    labels = division.labels.copy()
    for arm, begin in bare.items():
        body = np.isin(labels, (Layer.TORSO, *LEGS))
        core, inner, thick, around = (_along(arm, small, begin, band, labels.shape) for band in _BANDS)
        mine, unsure, beside = core & (labels == arm), inner & (labels == arm), around & ~thick
        theirs, wall = beside & body, beside & (labels < 0)
        if min(mine.sum(), theirs.sum()) < _FEWEST:
            continue
        flat = colours * _FLAT
        skin, cloth = _own(flat[mine], flat[theirs]), flat[theirs]
        other = _where(unsure, flat, cloth, skin)
        # Pixels in a line are the arm's own edge, with some background in them.
        other &= grown(shrunk(other, 1), 1)
        # Nor is the deep shade in a gap the arm's; between fingers it is.
        thin = round(_THIN * torso_length(small))
        dark = unsure & ~_hand(arm, small, labels.shape) & (colours[..., 0] < np.median(colours[mine, 0]) - _DEEP)
        other |= dark & ~grown(shrunk(dark, thin), thin + 1)
        other |= unsure & ~_whole((labels == arm) & ~other, thin)
        fingers = _where(_hand(arm, small, labels.shape, _FINGERS) & body, flat, skin, cloth)
        labels[touching(fingers | mine, mine) & fingers] = arm
        body &= labels != arm
        outside = np.zeros(labels.shape, np.bool_)
        if wall.sum() >= _FEWEST:
            outside = _mostly(other, _where(other, flat, flat[wall], cloth))
        outside |= other & ~touching(body | (other & ~outside), body)
        nearest = distance_transform_edt(~body, return_distances=False, return_indices=True)
        labels = np.where(outside, -1, np.where(other, labels[tuple(nearest)], labels))
        labels[between(division.image, labels, arm, small)] = -1
    return labels


def skin_alone(image: Rgb, shares: Floats, bare: Mapping[Layer, float], figure: Doubles) -> dict[Layer, Plane]:
    """The shares (h, w) of `bare` arms in the pixels of the photo `image`, ending where their skin does.

    An edge's pixel has as much of skin and of what is beside it as its colour says. What arms lose nobody gets, what
    they get is taken from the others' `shares` (layers, h, w): so no edge of an arm stays with the body. Of small
    figures, whose edges are as thick as their arms, nothing is told.
    """
    reach = round(_BLURRED * torso_length(figure))
    result: dict[Layer, Plane] = {}
    for arm, begin in bare.items() if reach >= _FINEST else ():
        bones = [BONES[index] for index in CHAINS[arm]]
        ends = figure[[bones[0].start, *(bone.end for bone in bones)]]
        air = _BESIDE * torso_length(figure)
        left, top = np.maximum(ends.min(axis=0) - air, 0).astype(int)
        right, bottom = (ends.max(axis=0) + air).astype(int)
        box = slice(top, bottom), slice(left, right)
        placed, shape = figure - (left, top), shares[arm][box].shape
        band = _along(arm, placed, max(begin + _HEM, _ROOT), _EDGES, shape) | _hand(arm, placed, shape, _FINGERS)
        own, colours = shares[arm][box], lab(image[box]) * np.array(_FLAT, np.float32)
        inside, others = shrunk(own > _HALF, 2 * reach), ~grown(own > _HALF, reach)
        inside |= _hand(arm, placed, shape) & shrunk(own > _HALF, 1)
        skin, rest = (smooth_fill(colours, known.astype(np.float32)) for known in (inside, others))
        way = skin - rest
        apart = np.maximum((way**2).sum(axis=-1), np.float32(1e-6))
        seen = np.clip(((colours - rest) * way).sum(axis=-1) / apart, 0, 1)
        unlike = np.sqrt(((colours - rest - seen[..., None] * way) ** 2).sum(axis=-1))
        seen *= np.clip(2 - unlike / _TOLD, 0, 1)
        told = band & ~inside & ~others & (apart > _TOLD**2)
        result[arm] = shares[arm].copy()
        edge = own.copy()
        edge[told] = seen[told]
        result[arm][box][told] = smooth_edge(edge, _EVEN * torso_length(figure))[told]
        for layer in (Layer.TORSO, *LEGS):
            shares[layer][box][told] *= 1 - seen[told]
        own[told] = np.maximum(own, seen)[told]
    return result


def _own(samples: Doubles, others: Doubles) -> Doubles:
    """Those of `samples` (n, 3) that aren't more like `others` (m, 3): joints may be thought to be beside a limb."""
    middle, beside = np.median(samples, axis=0), np.median(others, axis=0)
    return samples[_apart(samples, middle) <= _apart(samples, beside)]


def _where(here: Mask, colours: Doubles, first: Doubles, second: Doubles) -> Mask:
    """Which pixels of `here` (h, w) are more like one of the samples `first` (n, 3) than one of `second`."""
    result = here.copy()
    result[here] = unlikeness(colours[here], first) < unlikeness(colours[here], second)
    return result


def _mostly(pieces: Mask, some: Mask) -> Mask:
    """Those of the `pieces` (h, w) of which `some` are more than half."""
    names, stats = components(pieces)
    return (np.bincount(names[some], minlength=len(stats)) > stats[:, 4] / 2)[names] & pieces


def _whole(arm: Mask, thin: int) -> Mask:
    """`arm` (h, w) without what is no broader than twice `thin`, and without loose pieces."""
    pieces, stats = components(grown(shrunk(arm, thin), thin))
    return grown(pieces == 1 + int(np.argmax(stats[1:, 4])), 1) & arm if len(stats) > 1 else arm


def _begin(colours: Doubles, labels: Indices, arm: Layer, figure: Doubles, face: Doubles) -> float | None:
    unit, upper = torso_length(figure), BONES[CHAINS[arm][0]]
    beside = near(figure[upper.start], figure[upper.end], _BESIDE * unit, labels.shape) & (labels == Layer.TORSO)
    palm = _hand(arm, figure, labels.shape) & (labels == arm)
    if not beside.any():
        return None
    cloth = np.median(colours[beside], axis=0)
    skin = [face]
    if palm.any() and _apart(seen := np.median(colours[palm], axis=0), face) < _SAME_SKIN:
        skin.append(seen)
    begin = 0
    for number, part in enumerate(_parts(arm, figure, labels)):
        colour = np.median(colours[part], axis=0) if part.any() else cloth
        unlike = min(_apart(colour, each) for each in skin)
        if unlike > _SKIN or unlike > _LIKER * _apart(colour, cloth):
            begin = number + 1
    return begin / _PARTS if begin < 2 * _PARTS - _WRIST else None


def _parts(arm: Layer, figure: Doubles, labels: Indices) -> Iterator[Mask]:
    """The pixels (h, w) in the middle of each part of an arm, from the shoulder to above the wrist."""
    unit = torso_length(figure)
    for number in range(2 * _PARTS - _WRIST):
        bone = BONES[CHAINS[arm][number // _PARTS]]
        start, along = figure[bone.start], (figure[bone.end] - figure[bone.start]) / _PARTS
        first = start + number % _PARTS * along
        yield near(first, first + along, _MIDDLE * bone.half * unit, labels.shape) & (labels == arm)


def _along(arm: Layer, figure: Doubles, begin: float, band: tuple[float, float], shape: tuple[int, ...]) -> Mask:
    """The pixels (h, w) in a band along an arm from `begin` on: so far inwards, and so broad to both sides.

    Both are in thicknesses of the bones.
    """
    inwards = -outwards(arm, figure)
    result = np.zeros(shape, np.bool_)
    for order, index in enumerate(CHAINS[arm]):
        bone, skipped = BONES[index], float(np.clip(begin - order, 0, 1))
        if skipped < 1:
            unit = bone.half * torso_length(figure)
            shift = band[0] * unit * inwards
            start = figure[bone.start] + skipped * (figure[bone.end] - figure[bone.start])
            result |= near(start + shift, figure[bone.end] + shift, band[1] * unit, shape)
    return result


def _hand(arm: Layer, figure: Doubles, shape: tuple[int, ...], size: float = _PALM) -> Mask:
    """The pixels (h, w) that are nearer to a hand's bone than `size`, in torso lengths."""
    hand = BONES[CHAINS[arm][-1]]
    return near(figure[hand.start], figure[hand.end], size * torso_length(figure), shape)


def _apart(first: Doubles, second: Doubles) -> Doubles:
    return np.sqrt(((first - second) ** 2).sum(axis=-1))
