"""Where arms are bare: no cloth goes with them, nor what else shows between them and the body."""

from collections.abc import Iterator, Mapping

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.likeness import unlikeness
from actors.engines.local.perception.guided import solved_alpha
from actors.engines.local.posing.between import between
from actors.engines.local.posing.colours import outwards
from actors.engines.local.posing.hands import face_colour, in_skin_steps
from actors.engines.local.posing.mesh import Indices
from actors.engines.local.posing.parts import Division
from actors.engines.local.posing.shapes import like_nearest, near
from actors.engines.local.posing.skeleton import ARMS, BODY, BONES, CHAINS, Doubles, Layer, torso_length
from actors.engines.local.posing.targets import Target
from actors.engines.local.raster import extent, grown, lab, shrunk, touching

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
_OWN = 0.7
"""A sample of one kind is as unlike that as this share of how unlike it is to the other, at most."""
_SLEEVELESS = 0.25
"""Straps and wide armholes reach over this part of the upper arm."""
_BANDS = ((0.0, 0.6), (1.4, 1.3), (0.0, 1.6), (0.0, 4.0))
"""Along an arm, as `_along` has them: where its skin is seen, what may not be its own, and between the last two what
is beside it."""
_FLAT = (0.5, 1.0, 1.0)
"""What is skin and what isn't differs less in lightness."""
_BLURRED, _EDGE = 0.018, 2
"""An edge is no further away, in torso lengths, and at least so many pixels thick."""
_EDGES, _ROOT, _HEM, _HALF = (1.0, 1.6), 0.3, 0.2, 0.5
"""Edges are looked for in this band along an arm, from so far down the upper arm and from its sleeve, around where half
a pixel is the arm's."""
_PLACE = 30.0
"""A torso length away is as unlike as so many L*a*b* units."""
_CLEAR, _DEEP = 6.0, 31.0
"""L*a*b* units: who is so much more like skin clearly is; by so much skin isn't darker than the rest of an arm."""
_SHADES = (1.0, 0.85, 0.72)
"""What is beside an arm may be so dark in its shade."""
_SURE, _SAY, _STEEP = 0.8, 0.05, 2.0
"""From the first on a pixel is decided; else what it is taken for has so much weight, and edges get so much steeper."""
_TOLD = 0.6
"""Of a hand that can be told more than this is skin (measured: 0.7 at least, and 0.06 and 0.45 beside a bare thigh)."""
_FEWEST = 12
"""Fewer samples tell nothing."""
_UP = np.radians(25.0)
"""Up to this turn cloth and skin stretch without showing it."""


class _Zone(Struct, frozen=True):
    """Masks (h, w): `open`, what may be an arm's edge; `all`, where an arm may be; `fingers`, around its hand."""

    open: Mask
    all: Mask
    fingers: Mask


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
    colours, small = in_skin_steps(division.image) * _FLAT, figure * division.scale
    labels = division.labels.copy()
    for arm, begin in bare.items():
        body = np.isin(labels, BODY)
        core, inner, thick, around = (_along(arm, small, _below(begin), band, labels.shape) for band in _BANDS)
        mine, unsure, theirs = core & (labels == arm), inner & (labels == arm), around & ~thick & body
        if min(mine.sum(), theirs.sum()) < _FEWEST:
            continue
        other, skin = unsure.copy(), _own(colours[mine], colours[theirs])
        other[unsure] = unlikeness(colours[unsure], colours[theirs]) < unlikeness(colours[unsure], skin)
        # Pixels in a line are the arm's own edge, with some background in them.
        other &= grown(shrunk(other, 1), 1)
        labels = np.where(other, np.where(touching(body | other, body), like_nearest(labels, body), -1), labels)
        labels[between(division.image, labels, arm, small)] = -1
    return labels


def skin_alone(image: Rgb, shares: Floats, bare: Mapping[Layer, float], figure: Doubles) -> dict[Layer, Plane]:
    """The shares (h, w) of `bare` arms in the pixels of the photo `image`, of nothing but skin.

    What is clearly more like an arm's skin than like what is beside it, in light or shade, is skin; an edge's pixel has
    as much of it as its colours say. What an arm gets is taken from the others' `shares` (layers, h, w).
    """
    reach = max(_EDGE, round(_BLURRED * torso_length(figure)))
    result: dict[Layer, Plane] = {}
    for arm, begin in bare.items():
        around = grown(shares[arm] > _HALF, reach)
        band = _along(arm, figure, max(_below(begin), _ROOT), _EDGES, around.shape)
        fingers = _hand(arm, figure, around.shape, _FINGERS)
        box = extent(band | fingers, 4 * reach)
        if box is None:
            continue
        zone = _Zone(band[box] & around[box] | fingers[box], (band | fingers)[box], fingers[box])
        core = _along(arm, figure, max(_below(begin), _ROOT), _BANDS[0], around.shape) | _hand(
            arm, figure, around.shape
        )
        matte = _matte(image[box], shares[arm][box], zone, core[box], reach, figure)
        if matte is None:
            continue
        palm = _hand(arm, figure, around.shape)[box] & (shares[arm][box] > _HALF)
        if palm.any() and float(matte[palm].mean()) < _TOLD:
            # Beside a thigh as bare nothing tells them apart: the hand stays as it was seen.
            matte = np.where(zone.fingers, shares[arm][box], matte)
        result[arm] = shares[arm].copy()
        result[arm][box] = matte
        gained = np.where(zone.open, matte, 0)
        shares[arm][box] = np.maximum(shares[arm][box], gained)
        for layer in BODY:
            shares[layer][box] *= 1 - gained
    return result


def _matte(image: Rgb, own: Plane, zone: _Zone, core: Mask, reach: int, figure: Doubles) -> Plane | None:
    """The skin (h, w) of the arm that has about `own` of the pixels of `image`; None where nothing is told of it."""
    mine = own > _HALF
    core = core & mine
    others = grown(grown(mine, reach) | zone.fingers, 4 * reach) & ~grown(mine, _EDGE) & grown(zone.all, 4 * reach)
    place = np.moveaxis(np.indices(own.shape, np.float32), 0, -1) * np.float32(_PLACE / torso_length(figure))

    def looks(where: Mask, shade: float = 1.0) -> Doubles:
        colours = lab(image[where][None] * np.float32(shade))[0] * np.array(_FLAT, np.float32)
        return np.concatenate([colours, place[where]], axis=-1).astype(np.float64)

    rest = looks(others)
    if min(len(rest), core.sum()) < _FEWEST:
        return None
    skin = _own(looks(core), rest)
    if len(skin) < _FEWEST:
        return None
    rest = np.concatenate([looks(others, shade) for shade in _SHADES])
    wanted = looks(zone.open)
    likes = np.zeros(own.shape, np.float32)
    likes[zone.open] = np.clip((unlikeness(wanted, rest) - unlikeness(wanted, skin)) / _CLEAR, -1, 1)
    # Deep shade in a gap isn't the arm's; between fingers it is.
    light = lab(image)[..., 0]
    likes[(light < np.median(light[core]) - _DEEP) & ~zone.fingers] = -1
    coarse = np.where(zone.open, _HALF + _HALF * likes, np.where(zone.all, 0, own)).astype(np.float32)
    # What is as thin as an edge is no arm, but its light on cloth; fingers may be.
    yes = coarse > _HALF
    yes &= grown(shrunk(yes, reach), reach + 1) | zone.fingers
    coarse[zone.open & ~grown(touching(yes, core), 1)] = 0
    sure = shrunk(coarse > _SURE, _EDGE) | shrunk(coarse < 1 - _SURE, _EDGE)
    known = np.where(zone.open & sure, np.rint(coarse), coarse)
    matte = solved_alpha(image, known, ~zone.open | sure, radius=2, say=_SAY)
    return np.clip(_STEEP * (matte - _HALF) + _HALF, 0, 1)


def _below(begin: float) -> float:
    """From where on an arm is bare to all sides: a sleeve ends at a slant."""
    return begin + _HEM if begin > 0 else begin


def _own(samples: Doubles, others: Doubles) -> Doubles:
    """Those of `samples` (n, 3) that are clearly unlike `others` (m, 3).

    Joints may be thought to be beside a limb, and a hand's shade on a light shirt has something of its skin.
    """
    middle, beside = np.median(samples, axis=0), np.median(others, axis=0)
    return samples[_apart(samples, middle) <= _OWN * _apart(samples, beside)]


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
            part = near(start + shift, figure[bone.end] + shift, band[1] * unit, shape)
            if begin > order:
                # A sleeve ends across the arm: nothing above that is bare.
                along = figure[bone.end] - figure[bone.start]
                y, x = np.ogrid[: shape[0], : shape[1]]
                part &= (x - start[0]) * along[0] + (y - start[1]) * along[1] > 0
            result |= part
    return result


def _hand(arm: Layer, figure: Doubles, shape: tuple[int, ...], size: float = _PALM) -> Mask:
    """The pixels (h, w) that are nearer to a hand's bone than `size`, in torso lengths."""
    hand = BONES[CHAINS[arm][-1]]
    return near(figure[hand.start], figure[hand.end], size * torso_length(figure), shape)


def _apart(first: Doubles, second: Doubles) -> Doubles:
    return np.sqrt(((first - second) ** 2).sum(axis=-1))
