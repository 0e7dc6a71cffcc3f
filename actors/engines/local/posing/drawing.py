"""Laying the bent layers of a figure over each other, as one."""

from collections.abc import Mapping, Sequence

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.posing.bending import Bent
from actors.engines.local.posing.rendering import NOWHERE, source_map
from actors.engines.local.posing.sheets import Sheet
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, LEGS, TRUNK, Doubles, Layer, torso_length
from actors.engines.local.posing.targets import Motion
from actors.engines.local.raster import bent, components, extent, gaussian, grown

_OPEN = 0.6
"""A pixel that the figure covers less is outside of it."""
_HOLE = 5e-5
"""A hole in the figure that is smaller than this, relative to its height squared, is no gap between limbs."""
_FADE = 0.006
"""Over what is under it a bare arm's edge, which its own shade and the cloth beside it have darkened, fades: over so
many heights of the figure."""
_BEHIND = 0.5
"""An arm whose hand is so much farther away than the trunk, in torso lengths, is behind it."""


def drawn(
    layers: Mapping[Layer, Sheet],
    figure: Bent,
    order: Sequence[Layer],
    shape: tuple[int, int],
    under: Sequence[tuple[Sheet, Motion]] = (),
) -> tuple[Rgb, Plane, Plane]:
    """The bent layers over each other in a picture of `shape`, the first of `order` at the bottom.

    What is `under` all of them moves without bending; arms pass over into it.
    Returns colours (h, w, 3), already weighted by alpha, alpha (h, w), and that of the head (h, w).
    """
    height, width = shape
    result = np.zeros((height, width, 3), np.float32)
    cover, head = (np.zeros((height, width), np.float32) for _ in range(2))
    for sheet, motion in under:
        (high, wide), top, left = sheet.alpha.shape, sheet.top, sheet.left
        box, where = motion.taken((slice(top, top + high), slice(left, left + wide)), shape)
        _lay(sheet, where, box, result, cover)
    beneath, tall = cover.copy(), float(np.ptp(figure.placed[:, 1]))
    for layer in order:
        mine = figure.mesh.triangles[figure.mesh.layer_of == layer]
        if not len(mine):
            continue
        where = source_map(figure.placed, figure.mesh.vertices, mine, width, height)
        there = where[..., 0] > NOWHERE
        box = extent(there)
        if box is None:
            continue
        faded = beneath[box] if layer in ARMS and under else None
        alpha = _lay(layers[layer], where[box], box, result, cover, faded, _FADE * tall)
        if layer == Layer.HEAD:
            head[box] = alpha
    return *_without_holes(result, cover, tall), head


def _lay(
    sheet: Sheet,
    where: Floats,
    box: tuple[slice, slice],
    result: Rgb,
    cover: Plane,
    faded: Plane | None = None,
    fade: float = 0.0,
) -> Plane:
    """Lay the points `where` (h, w, 2) of a sheet over what is in `box` of `result` and `cover`; their alpha.

    Where it is to be `faded` (h, w) its edge is soft, over about `fade` pixels inwards.
    """
    origin = np.array([sheet.left, sheet.top], np.float32)
    colours = np.clip(bent(sheet.colours, where - origin, smooth=True), 0, 1)
    alpha: Plane = bent(sheet.alpha, where - origin, smooth=False)
    if faded is not None:
        alpha += (np.minimum(alpha, np.clip(2 * gaussian(alpha, fade) - 1, 0, 1)) - alpha) * faded
    result[box] += (colours - result[box]) * alpha[..., None]
    cover[box] += alpha * (1 - cover[box])
    return alpha


def _without_holes(picture: Rgb, cover: Plane, tall: float) -> tuple[Rgb, Plane]:
    """The picture with small holes in the figure, where a sheet has torn or folded, closed with the colours around."""
    labels, stats = components(cover < _OPEN)
    small = stats[:, 4] < _HOLE * tall * tall
    small[0] = False
    hole = small[labels]
    box = extent(hole, air=20)
    if box is None:
        return picture, cover
    hole = grown(hole, 3)
    known = (~hole[box] & (cover[box] > 0.98)).astype(np.float32)  # noqa: PLR2004 - nothing of the background in it
    share = gaussian(hole[box].astype(np.float32), 1.0)[..., None]
    picture[box] += (smooth_fill(picture[box], known) - picture[box]) * share
    cover[box] += (1 - cover[box]) * share[..., 0]
    return picture, cover


def drawing_order(reference: Doubles, depth: Doubles) -> list[Layer]:
    """The layers from the back to the front, by the depth (38,) of the reference's joints (less is nearer)."""
    unit = torso_length(reference)
    trunk = float(depth[list(TRUNK)].mean())
    legs = sorted(LEGS, key=lambda leg: -float(depth[[BONES[i].end for i in CHAINS[leg][:2]]].mean()))
    far = [arm for arm in ARMS if float(depth[BONES[CHAINS[arm][1]].end]) > trunk + _BEHIND * unit]
    return [*far, *legs, Layer.TORSO, Layer.HEAD, *(arm for arm in ARMS if arm not in far)]
