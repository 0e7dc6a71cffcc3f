"""Cutting a figure into layers: which pixels each has, and what it has behind the others."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.posing.behind import without_arms
from actors.engines.local.posing.shapes import around, distance_to_line, near_soles
from actors.engines.local.posing.skeleton import (
    ARMS,
    BODY,
    BONES,
    CHAINS,
    HEAD,
    LEGS,
    NECK,
    PELVIS,
    Doubles,
    Layer,
    torso_length,
)
from actors.engines.local.raster import (
    extent,
    gaussian,
    grown_values,
    shrunk_values,
)

_HAZE, _SOLID_FROM = 0.45, 0.8
"""What covers less than the first is background, what covers more than the second is the person's alone."""
_RIM = 0.12
"""At soles, what covers less is background, and what is as near to 1 the person's alone."""
_SOLID = 0.6
"""Alpha from which a pixel's colour is the person's."""
_SHOULDER, _GROIN, _CROTCH, _THROAT = 0.27, 0.30, 0.26, 0.24
"""How far the layers reach into each other around the joints, as shares of the torso's length."""
_LIFTED = 0.12
"""Where an arm hangs, the middle of that is so much higher."""
_BARE_SHOULDER, _BARE_LIFTED = 0.20, 0.16
"""The same for a bare arm: else the cloth beside it would be drawn up along it."""
_EDGE, _WELL_INSIDE = 0.006, 0.03
"""So far from a layer's border its colours are its own, in torso lengths; a bare arm's are free of shade and cloth."""
_EVEN = 0.02
"""Where a bare arm was, the body's side has no details below so many torso lengths; nor is anything thinner there that
is left over where two legs part."""
_STAIRS = 0.0012
"""The matte's edge, made hard, is smoothed over so much of the picture's long edge: else it is stairs when bent."""


class Sheet(Struct, frozen=True):
    """One layer at rest: colours (h, w, 3), alpha (h, w), for the part of the picture that begins at `left`, `top`."""

    colours: Rgb
    alpha: Plane
    left: int
    top: int


def sheets(
    colours: Rgb,
    alpha: Plane,
    shares: Floats,
    figure: Doubles,
    bare: Collection[Layer] = (),
    skin: Mapping[Layer, Plane] = MappingProxyType({}),
) -> dict[Layer, Sheet]:
    """The layers of a figure with what is hidden filled in.

    `colours` (h, w, 3) are the person's own, `shares` (layers, h, w) from `parts`; `bare` arms take no cloth along,
    and those that `skin` (h, w) tells of end where that does.
    """
    zones, unit = reaches(figure, alpha.shape, bare), torso_length(figure)
    uncovered, whole = without_arms(colours, shares, figure)
    result: dict[Layer, Sheet] = {}
    for layer in Layer:
        theirs, seen = (uncovered, whole) if layer in BODY else (colours, shares)
        own = skin.get(layer, whole[layer])
        sewn = np.zeros_like(alpha)
        for other, zone in zones[layer] if layer not in bare else ():
            # Sewn layers show the same pixels; each fades out towards the end of the zone, above the other.
            sewn += np.clip(zone * 2.5, 0, 1) * seen[other]
        box = _box(own + sewn)
        sheet = _sheet(theirs[box], alpha[box], own[box], sewn[box], box, _EDGE * unit)
        if layer in skin:
            cover = np.minimum(alpha[box], np.clip(own + sewn, 0, 1)[box])
            sheet = Sheet(sheet.colours, cover, sheet.left, sheet.top)
        elif skin and layer in BODY:
            arms = np.max([shares[arm][box] for arm in skin], axis=0)
            sheet = _evened(sheet, arms, _EVEN * unit)
        if layer in LEGS:
            other = np.where(sewn[box] > 0, 0, shares[LEGS[layer == LEGS[0]]][box])
            sheet = _without_slivers(sheet, other, _EVEN * unit)
        result[layer] = sheet
    return result


def _evened(sheet: Sheet, arms: Plane, size: float) -> Sheet:
    """`sheet` with an edge without details below `size` pixels where bare `arms` (h, w) were beside it."""
    where = gaussian(grown_values(arms, round(size)), size)
    smooth = smooth_edge(sheet.alpha, size)
    return Sheet(sheet.colours, sheet.alpha + (smooth - sheet.alpha) * where, sheet.left, sheet.top)


def _without_slivers(sheet: Sheet, other: Plane, size: float) -> Sheet:
    """`sheet` without what is thinner than `size` pixels beside the `other` leg (h, w).

    It is what the matte saw of the background between two legs, and of the other's shoe.
    """
    where = gaussian(grown_values(other, round(2 * size)), size)
    thin = sheet.alpha - np.minimum(sheet.alpha, smooth_edge(sheet.alpha, size))
    return Sheet(sheet.colours, sheet.alpha - thin * where, sheet.left, sheet.top)


def insides(colours: Rgb, alpha: Plane, shares: Floats, figure: Doubles, bare: Collection[Layer]) -> dict[Layer, Sheet]:
    """The inner side of `bare` upper arms, which the body hides: it lies under everything, and shows when they go up.

    The arguments are those of `sheets`; the colours are the arm's own, carried on.
    """
    unit = torso_length(figure)
    result: dict[Layer, Sheet] = {}
    for arm in sorted(bare):
        bone = BONES[CHAINS[arm][0]]
        cone = gaussian(_cone(figure[bone.start], figure[bone.end], bone.half * unit, alpha.shape), 1.0) * alpha
        box = _box(cone)
        certain = shrunk_values(shares[arm][box] * (alpha[box] > _SOLID), max(1, round(_WELL_INSIDE * unit)))
        if certain.any():
            colours_on = smooth_fill(colours[box], certain)
            result[arm] = Sheet(colours_on, cone[box], box[1].start, box[0].start)
    return result


def smooth_edge(alpha: Plane, size: float) -> Plane:
    """`alpha` (h, w) with an edge that has no details below `size` pixels, and is a pixel or two wide."""
    return np.clip((gaussian(alpha, size) - np.float32(0.5)) * np.float32(1.25 * size) + np.float32(0.5), 0, 1)


def _cone(start: Doubles, end: Doubles, half: float, shape: tuple[int, ...]) -> Plane:
    """The pixels (h, w), 0 or 1, of an arm that is `half` thick at `start` and nothing at `end`."""
    along = (end - start) / max(float((end - start) @ (end - start)), 1e-9)
    y, x = np.ogrid[: shape[0], : shape[1]]
    share = np.clip((x - start[0]) * along[0] + (y - start[1]) * along[1], 0, 1)
    return (distance_to_line(start, end, shape) <= half * (1 - share)).astype(np.float32)


def without_haze(alpha: Plane, shares: Floats, figure: Doubles) -> Plane:
    """`alpha` (h, w) without the faint rest of background between arms and body, which would fly with an arm.

    Hair keeps what is half transparent, and shoes the rims of their soles and some of the shade that they stand in.
    """
    hard = np.clip((alpha - _HAZE) / (_SOLID_FROM - _HAZE), 0, 1)
    hard = smooth_edge(hard, max(1.0, _STAIRS * max(alpha.shape)))
    soft = np.clip((alpha - _RIM) / (1 - 2 * _RIM), 0, 1)
    hard += (soft - hard) * near_soles(figure, alpha.shape)
    return hard + (alpha - hard) * shares[Layer.HEAD]


def _sheet(colours: Rgb, alpha: Plane, own: Plane, sewn: Plane, box: tuple[slice, slice], edge: float) -> Sheet:
    """The sheet of the layer that has the shares `own` and `sewn` (h, w) in the pixels of `box`.

    Nearer than `edge` to other layers colours are carried on from its inside.
    """
    solid = (alpha > _SOLID).astype(np.float32)
    known = np.clip(own + sewn, 0, 1)
    certain = shrunk_values(known * solid, max(1, round(edge)))
    filled = smooth_fill(colours, certain)
    foreign = np.clip(1 - known, 0, 1) * solid
    keep = (1 - grown_values(foreign, max(1, round(1.2 * edge))))[..., None]
    # Own pixels cover up to where the other part's begin: half and half would let the background through.
    cover = np.clip(2 * own + sewn, 0, 1)
    return Sheet(filled + (colours - filled) * keep, alpha * cover, box[1].start, box[0].start)


def _box(needed: Plane) -> tuple[slice, slice]:
    """The rows and columns around all that is `needed`; the first pixel if that is nothing."""
    return extent(needed) or (slice(0, 1), slice(0, 1))


def reaches(
    figure: Doubles, shape: tuple[int, ...], bare: Collection[Layer] = ()
) -> dict[Layer, list[tuple[Layer, Plane]]]:
    """For each layer, into which others it reaches, and how deep inside that zone a pixel is (1 in its middle)."""
    unit = torso_length(figure)
    result: dict[Layer, list[tuple[Layer, Plane]]] = {layer: [] for layer in Layer}

    def reach(layer: Layer, other: Layer, depth: Plane) -> None:
        result[layer].append((other, depth))
        result[other].append((layer, depth))

    for limb, chain in CHAINS.items():
        joint = figure[BONES[chain[0]].start]
        if limb in ARMS:
            along = figure[BONES[chain[0]].end] - joint
            along /= max(float(np.hypot(*along)), 1e-6)
            # The side of the chest below the armpit isn't the arm's, however close that hangs.
            hangs = max(0.0, float(along @ (figure[PELVIS] - figure[NECK])) / unit)
            radius, lifted = (_BARE_SHOULDER, _BARE_LIFTED) if limb in bare else (_SHOULDER, _LIFTED)
            joint = joint - lifted * hangs * unit * along
            reach(limb, Layer.TORSO, _depth(joint, joint, radius * unit, shape))
        else:
            reach(limb, Layer.TORSO, _depth(joint, joint, _GROIN * unit, shape))
    low = figure[PELVIS] + 0.05 * (figure[PELVIS] - figure[NECK])
    reach(Layer.LEFT_LEG, Layer.RIGHT_LEG, _depth(figure[PELVIS], low, _CROTCH * unit, shape))
    throat = figure[NECK] + 0.35 * (figure[HEAD] - figure[NECK])
    reach(Layer.HEAD, Layer.TORSO, _depth(throat, throat, _THROAT * unit, shape))
    return result


def _depth(start: Doubles, end: Doubles, radius: float, shape: tuple[int, ...]) -> Plane:
    result = np.zeros(shape, np.float32)
    box = around(start, end, radius, shape)
    result[box] = np.clip(1 - distance_to_line(start, end, shape, box) / np.float32(radius), 0, 1)
    return result
