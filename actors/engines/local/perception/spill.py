"""Taking what is left of the old background out of the colours of a subject's edge.

A pixel of hair against a bright window keeps a bright rim, one against a lawn a green one, however well alpha is
known: the colour estimate sees the mixture only. Here the edge's colour is compared with the subject's own, a little
further in: what it has towards the old background is the background's, and goes.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

import numpy as np

from actors.engines.local.arrays import Floats, Plane, Rgb
from actors.engines.local.raster import gaussian, lab, resized, resized_linear, rgb

_REACH = 1 / 130
"""How far in the subject's own colours are looked for, as a share of the long edge."""
_TIGHTEN = (0.06, 0.9)
"""Alpha's foot, which is mostly noise of the old background: subtracted, then stretched by the rest."""


def without_spill(foreground: Rgb, background: Rgb, alpha: Plane) -> tuple[Rgb, Plane]:
    """Foreground colours (h, w, 3) and alpha (h, w) with the old background's share taken out of the edge."""
    own, trust = _own_colours(foreground, alpha)
    edge = np.nonzero((alpha > 0) & (alpha < 0.995))  # only what is mixed can be contaminated
    if not len(edge[0]):
        return foreground, alpha
    colour, inner, behind = foreground[edge], own[edge], background[edge]
    mixed = np.clip((1 - alpha[edge]) / 0.6, 0, 1) * trust[edge]
    towards = behind - inner
    distance = (towards * towards).sum(axis=-1)
    # The share of the way from the subject's own colour to the old background's; nothing where those two are alike.
    share = np.clip(((colour - inner) * towards).sum(axis=-1) / (distance + 0.01), 0, 1)
    colour = colour - (0.9 * mixed * share)[:, None] * towards
    result = foreground.copy()
    result[edge] = _towards(np.clip(colour, 0, 1), inner, 0.75 * mixed)
    cleaned = alpha.copy()
    cleaned[edge] *= 1 - 0.5 * mixed * share
    foot, rest = _TIGHTEN
    return result, np.clip((cleaned - foot) / rest, 0, 1)


def _own_colours(foreground: Rgb, alpha: Plane) -> tuple[Rgb, Plane]:
    """Per pixel, the mean colour of the certain subject near it, and how far that can be trusted (0 to 1)."""
    height, width = alpha.shape
    scale = min(1.0, 512 / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    certain = resized((alpha > 0.95).astype(np.float32), *size)  # certain
    sigma = max(1.0, _REACH * max(size))
    weight = gaussian(certain, sigma)
    colours = gaussian(resized(foreground, *size) * certain[..., None], sigma) / (weight[..., None] + 1e-3)
    return resized_linear(colours, width, height), np.clip(resized_linear(weight, width, height) / 0.03, 0, 1)


def _towards(colours: Floats, targets: Floats, weight: Floats) -> Floats:
    """`colours` (n, 3) with their hue, and half as much their lightness, moved to those of `targets`."""
    from_lab, to_lab = lab(colours[None])[0], lab(np.clip(targets, 0, 1)[None])[0]
    share = weight[:, None] * np.array([0.4, 1, 1], np.float32)
    return rgb((from_lab + share * (to_lab - from_lab))[None].astype(np.float32))[0]
