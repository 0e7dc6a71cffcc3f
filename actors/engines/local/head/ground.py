"""What is behind a figure, made anew where its old head was."""

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.filling.smooth import even_fill, evenness
from actors.engines.local.filling.texture import textured_fill
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.raster import greatest, mean_near, touching
from actors.engines.local.shapes import narrowed, widened

_STRAY, _LOOSE = 0.15, 0.08
"""So far beyond the head single hairs are looked for, in heights of the face; so broad, half of it, is what holds."""
_CLEAR, _SURE = 0.03, 0.05
"""Nobody is where less is in the matte; it may be wrong so near to where more is than the last."""
_NEAR, _AROUND = 0.03, 0.12
"""So near, likewise; so far around what is gone nothing that may be somebody's is carried on into it."""
_TEXTURE, _PLAIN = 300, 0.2
"""Texture is carried on in as many pixels as a square of this side has; a wall is at least so even."""


def strays(image: Rgb, figure: Portrait, old: Mask) -> Mask:
    """Single hairs of the `old` head, and its glow, that no matte has: what stands out from the wall near it.

    Where what is behind is anything but plain everything does, and nothing is taken.
    """
    reach = _STRAY * figure.frame.height
    clear = figure.alpha < _CLEAR
    near = widened(old, reach) & clear
    beside = widened(near, reach) & clear & ~near
    if not beside.any():
        return beside
    away = greatest(np.abs(image - mean_near(image, clear, 0.2 * reach)))
    return widened(near & (away > max(0.03, 2 * float(np.percentile(away[beside], 98)))), max(2, 0.1 * reach))


def walled(image: Rgb, figure: Portrait, old: Mask, gone: Mask, shape: Plane) -> tuple[Plane, Mask]:
    """How far what is behind is an even wall, (h, w) 0 to 1, and what goes with the head that is `gone`.

    That is what doesn't hold to the body of this `shape` (h, w, 0 to 1) any more, ground between it, and before a wall
    whatever no matte has: single hairs, glow, shadow. It costs nothing to take more there.
    """
    unit = figure.frame.height
    wall = evenness(image, ~_anybody(figure, _SURE) & ~widened(old, _STRAY * unit), _STRAY * unit)
    there = np.where(gone, shape > 0.5, figure.alpha > _CLEAR)
    free = ~gone & ~touching(there, narrowed(there & (figure.alpha > 0.5), _LOOSE * unit))
    left = free & ~there
    left &= ~touching(left, narrowed(left, _LOOSE * unit))
    loose = touching(free & (there | left), widened(gone, 1.5))
    return wall, loose | (free & ~there & (wall > _PLAIN) & widened(old, _STRAY * unit))


def refilled(image: Rgb, figure: Portrait, gone: Mask, needed: Mask, wall: Plane) -> Rgb:
    """`image` (h, w, 3) with what is behind where the figure is `gone`; right only where that is `needed` (h, w).

    Patches have edges, which are seen on a `wall` (h, w, 0 to 1).
    """
    hole = gone | (_anybody(figure, _CLEAR) & widened(gone, _AROUND * figure.frame.height))
    sources = ~_anybody(figure, _SURE) & ~gone
    even = even_fill(image, hole, sources)
    patched = textured_fill(even, hole & needed & (wall < 1), sources, _TEXTURE)
    return patched + wall[..., None] * (even - patched)


def _anybody(figure: Portrait, least: float) -> Mask:
    """Where somebody may be, by a matte of more than the `least`."""
    return widened(figure.alpha > least, max(2, round(_NEAR * figure.frame.height)))
