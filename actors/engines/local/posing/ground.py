"""What is behind the figure where it has left it.

Texture alone shows where somebody stood: on a plain wall, which is lighter here and darker there, pieces of it make
shapes of legs and shoes. Light and shade pass over from all sides instead; only the finest of the texture stays.
"""

from typing import Any

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.filling.texture import textured_fill
from actors.engines.local.posing.mesh import Indices, neighbours
from actors.engines.local.posing.shapes import near
from actors.engines.local.posing.skeleton import BONES, CHAINS, LEGS, Doubles, torso_length
from actors.engines.local.raster import gaussian, greatest, grown, resized, resized_linear, shrunk

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


def ground(image: Rgb, alpha: Plane, cover: Plane, figure: Doubles, side: int) -> Rgb:
    """`image` (h, w, 3) without the person whose matte is `alpha` (h, w) and whose joints are `figure` (38, 2).

    What the bent figure will `cover` (h, w) needn't be right. Texture is looked for in as many pixels as a square of
    `side` has.
    """
    tall = max(alpha.shape)
    margin = max(_LEAST, round(_MARGIN * tall))
    hole = grown(alpha > _TRACE, margin)
    for foot in (BONES[CHAINS[leg][2]] for leg in LEGS):
        hole |= near(figure[foot.start], figure[foot.end], _SHOES * torso_length(figure), alpha.shape)
    unseen = shrunk(cover > 1 - _TRACE, margin)
    filled = textured_fill(image, hole & ~unseen, ~hole, side)
    fine = gaussian(filled, _FINE * tall)
    things = greatest(np.abs(fine - gaussian(fine, _COARSE * _FINE * tall))) > _THING
    things = grown(things, round(_COARSE * _FINE * tall)) & ~unseen
    beside = grown(hole, _COARSE * margin) & ~hole & ~things
    if not beside.any():
        return filled
    texture = filled - fine
    usual = np.float32(np.percentile(np.abs(texture[beside]), _USUAL))
    plain = _membrane(fine, ~hole | things) + np.clip(texture, -usual, usual)
    share = gaussian((hole & ~things).astype(np.float32), 2.0) * hole
    return np.clip(filled + share[..., None] * (plain - filled), 0, 1)


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
