"""What is behind the figure where it has left it.

Texture alone shows where somebody stood: on a plain wall, which is lighter here and darker there, pieces of it make
shapes of legs and shoes. Light and shade pass over from all sides instead; only the finest of the texture stays. Before
a plain wall the figure's shadow goes, too, and what lies at its feet goes with them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.filling.texture import textured_fill
from actors.engines.local.posing.mesh import Indices, neighbours
from actors.engines.local.posing.shapes import distance_to_line, near
from actors.engines.local.posing.skeleton import (
    BONES,
    CHAINS,
    LEGS,
    SOLES,
    Doubles,
    torso_length,
)
from actors.engines.local.posing.targets import Motion
from actors.engines.local.raster import (
    bent,
    distance,
    extent,
    gaussian,
    greatest,
    grown,
    mean_near,
    resized,
    resized_linear,
    shrunk,
    smoothly,
    touching,
)

_TRACE = 0.02
"""Less alpha than this nobody sees."""
_MARGIN, _LEAST = 0.008, 3
"""So far around the figure nothing is believed, relative to the picture's long edge, and in pixels."""
_SHOES = 0.2
"""Around feet the ground is in their shade, in torso lengths."""
_FINE, _COARSE = 0.004, 4
"""What is finer than so much of the long edge is texture; a thing's edge is no coarser than so many times that."""
_THING = 0.03
"""By so much (0 to 1) a thing's edge differs from what is around it; a wall's light changes less."""
_SIDE = 200
"""Light is solved for at a long edge of so many pixels."""
_USUAL = 95
"""Texture is as strong as it is beside, but for the strongest of a hundred."""
_REACH, _AT_FEET = 0.6, 0.3
"""A shadow may reach so far; what of it goes with a foot lies so near to the sole, in torso lengths."""
_PLAIN = 0.025
"""Where no more than this share of what is around is edges, the ground is plain (measured: 0.01 at most, and 0.04 at
least where it isn't)."""
_LESS = 0.6
"""There texture is looked for in a picture whose sides are by so much smaller."""
_PENUMBRA = 3
"""A shadow begins so many margins before it is seen to."""
_DIM, _DEEPEST, _BLACK = 0.99, 0.3, 0.02
"""A shadow has less of the light around it than the first, and no less than the second; in the third none is seen."""


def ground(image: Rgb, alpha: Plane, cover: Plane, figure: Doubles, motions: Sequence[Motion], side: int) -> Rgb:
    """`image` (h, w, 3) without the person whose matte is `alpha` (h, w) and whose joints are `figure` (38, 2).

    What the bent figure, whose bones go where `motions` take them, will `cover` (h, w) needn't be right. Texture is
    looked for in as many pixels as a square of `side` has.
    """
    tall, unit = max(alpha.shape), torso_length(figure)
    margin = max(_LEAST, round(_MARGIN * tall))
    hole = grown(alpha > _TRACE, margin)
    for foot in (BONES[CHAINS[leg][2]] for leg in LEGS):
        hole |= near(figure[foot.start], figure[foot.end], _SHOES * unit, alpha.shape)
    wide, unseen = hole | _around(hole, _REACH * unit), shrunk(cover > 1 - _TRACE, margin)
    size, blur = _FINE * tall, _COARSE * _FINE * tall
    box = extent(wide, air=2 * round(blur))
    if box is None:
        return image
    away = distance(hole[box])
    apart = wide[box] & (away > blur)
    plain = bool(apart.any()) and float(_edges(_without_texture(image[box], size), blur, apart)[apart].mean()) <= _PLAIN
    side = round(_LESS * side) if plain else side
    filled = np.array(textured_fill(image, hole & ~unseen, ~hole, side, detail=not plain))
    hole, wide, result = hole[box], wide[box], filled[box]
    small = _without_texture(result, size)
    things = (distance(_edges(small, blur, hole)) <= blur) & ~unseen[box]
    fine = resized_linear(small, hole.shape[1], hole.shape[0])
    beside = (away <= _COARSE * margin) & ~hole & ~things
    if not beside.any():
        return filled
    shadow = hole
    if plain:
        # What doesn't run on is an edge of the shadow.
        things = touching(things, ~wide)
        light = _membrane(fine, ~wide | things)
        dark = greatest(fine / np.maximum(light, _BLACK)) < _DIM
        shadow = grown(touching(hole | (dark & wide & ~things), hole), _PENUMBRA * margin)
    texture = result - fine
    usual = np.float32(np.percentile(np.abs(texture[beside]), _USUAL))
    smooth = _membrane(fine, ~shadow | things) + np.clip(texture, -usual, usual)
    share = gaussian((shadow & ~things).astype(np.float32), 2.0) * shadow
    result += share[..., None] * (smooth - result)
    np.clip(result, 0, 1, out=result)
    if plain:
        _shade(filled, image, alpha, figure, motions)
    return filled


def _without_texture(image: Rgb, size: float) -> Rgb:
    """`image` (h, w, 3), made smaller, without what is finer than `size` pixels: that needs no more."""
    height, width = image.shape[:2]
    reduce = max(1, int(size / 2))
    small = resized(image, max(1, width // reduce), max(1, height // reduce))
    return gaussian(small, size / reduce)


def _edges(fine: Rgb, blur: float, like: Mask) -> Mask:
    """Where in a picture as large as `like` are edges of things, which `blur` takes; `fine` is it without texture."""
    height, width = like.shape
    edges = greatest(np.abs(fine - gaussian(fine, blur * len(fine) / height))) > _THING
    return resized_linear(edges.astype(np.float32), width, height) > 0.5  # noqa: PLR2004 - half of it and more


def _around(body: Mask, reach: float) -> Mask:
    """What is within `reach` pixels of the `body` (h, w), and what that has on three sides; not the picture's sides.

    From there the light comes in a close photo.
    """
    height, width = body.shape
    scale = min(1.0, _SIDE / max(height, width))
    small = resized(body.astype(np.float32), max(2, round(width * scale)), max(2, round(height * scale))) > 0
    air = 2 * round(reach * scale)
    wide = shrunk(grown(np.pad(small, air), air), air // 2)[air : air + len(small), air : air + small.shape[1]]
    wide[:, [0, -1]] = False
    return resized_linear(wide.astype(np.float32), width, height) > 0.5  # noqa: PLR2004 - half of the pixel and more


def _shade(ground: Rgb, image: Rgb, alpha: Plane, figure: Doubles, motions: Sequence[Motion]) -> None:
    """Darken the `ground` (h, w, 3) where feet go as it is around them in `image` (h, w, 3)."""
    known, reach = shrunk(alpha < _TRACE, 1), _AT_FEET * torso_length(figure)
    away = [distance_to_line(figure[heel], figure[toe], alpha.shape) for heel, toe in SOLES]
    box = extent(np.minimum(away[0], away[1]) < 2 * reach)
    if box is None:
        return
    light = mean_near(image[box] / np.maximum(ground[box], _BLACK), known[box], _FINE * max(alpha.shape) / 2)
    shade = 1 - greatest(smooth_fill(np.clip(light, _DEEPEST, 1), known[box].astype(np.float32)))
    layer = np.zeros(alpha.shape, np.float32)
    for leg, mine, other in zip(LEGS, away, reversed(away), strict=True):
        # Between two feet each has the half that is nearer to it.
        layer[box] = shade * smoothly(1 - mine[box] / np.float32(reach))
        layer[box] *= other[box] ** 2 / np.maximum(mine[box] ** 2 + other[box] ** 2, 1)
        there, where = motions[CHAINS[leg][2]].taken(box, alpha.shape)
        ground[there] *= 1 - bent(layer, where, smooth=False)[..., None]


def _membrane(image: Rgb, known: Mask) -> Rgb:
    """`image` (h, w, 3) with what isn't `known` (h, w) stretched between what is, without a bend (Laplace's equation).

    Without details: it is solved for in a small picture.
    """
    height, width = known.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    weight = resized(known.astype(np.float32), *size)
    small = resized(image * known[..., None], *size) / np.maximum(weight, 1e-6)[..., None]
    open_ = (weight < 0.5).ravel()  # noqa: PLR2004 - most of it
    pairs = [(one, other) for one, other, apart in neighbours(np.ones_like(weight, np.bool_)) if apart == 1]
    start: Indices = np.concatenate([side for one, other in pairs for side in (one, other)])
    end: Indices = np.concatenate([side for one, other in pairs for side in (other, one)])
    links = coo_array((np.ones(len(start)), (start, end)), shape=(open_.size, open_.size)).tocsr()
    flat = small.reshape(-1, 3).astype(np.float64)
    laplace = (diags_array(links.sum(axis=1)) - links).tocsr()[open_]
    pull: Any = laplace[:, ~open_] @ flat[~open_]
    flat[open_] = splu(laplace[:, open_].tocsc()).solve(-pull)
    return resized_linear(flat.reshape(small.shape).astype(np.float32), width, height)
