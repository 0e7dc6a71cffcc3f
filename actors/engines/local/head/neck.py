"""The neck: the figure's own where it is seen, and the head's own up to the new jaw; they pass over into each other."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.filling.grain import GRAIN, noise, texture_of
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.tone import face_tone, other_hue, retoned
from actors.engines.local.raster import extent, gaussian, lab, rgb, smoothly, touching
from actors.engines.local.shapes import distance_to, narrowed, widened

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone and texture are known."""
_SHADE = np.array([0.9, 0.95, 0.95], np.float32)
"""A neck's L*a*b* over those of its face, in most photos."""
_SHADOW, _BAND = np.array([0.63, 1, 1], np.float32), 0.3
"""At the jaw so much of a neck's L*a*b* is left, ever more down to so many heights of the face below (by the median
of 17 portraits)."""
_FROM, _OVER = 0.1, 0.7
"""The change is whole down to so far below the chin, and gone so much further, in heights of the face."""
_EDGE, _BELOW = 0.015, 0.17
"""A neck is looked at without so much of its edge, and no further below the jaw than the other, likewise."""
_HUE, _MORE, _LEAST, _LIGHTS = 0.4, 1.8, 4.0, (0.5, 1.1)
"""What is so far from the hue of the face (in the shade there may be so many times as much), in parts of its strength,
or has so little or much more of its light, is no skin: a collar in the light that skin throws on it, stubble, a
chain."""
_PASS, _SOFT, _AROUND = 0.25, 0.02, 0.28
"""So far what is made and what is kept pass over into each other, so soft is the edge between, and so far around
the figure's own is looked at, likewise."""
_ROUND = np.float32(0.8)
"""A neck is that much darker where it turns away altogether (linear light, by 78 portraits; by eye more)."""
_DETAIL = 0.1
"""Detail of the head's own neck is what is finer than that, likewise."""
_MEETS, _BEGINS, _WEAKER = 0.03, 0.08, np.float32(0.9)
"""So near to the figure's own neck it has no texture but grain, which is so much weaker than there, and all of it so
much further away, likewise."""
_FINE, _OF_FACE = 0.003, np.float32(0.3)
"""Texture begins so fine, likewise; a neck has so much of a face's (by 49 portraits)."""


def one_neck(head: Placed, own: Rgb, body: Rgb, skin: Plane, made: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with the neck of the `head`.

    Of its neck `skin` (h, w, 0 to 1) is the figure's, and only toned; what is `made` (h, w, 0 to 1) goes on from that
    up to the jaw, where it is as the head's photo in its new tone, `own` (h, w, 3), has it. The neck takes so much of
    the tone as is `taken` (0 to 1).
    """
    place = head.frame
    around = extent(head.oval, air=1) or (slice(None), slice(None))
    corner = np.array([around[1].start or 0, around[0].start or 0], np.float32)
    face = face_tone(lab(np.ascontiguousarray(own[around])), head.aim - corner).mean
    unit, skin, result = place.height, skin * (1 - made), body.copy()
    if (here := extent(skin)) is not None:
        across, down = (plane[here] for plane in place.coordinates(skin.shape))
        kept = (np.abs(across) < 0.35) & (down < place.chin + 0.35) & (head.alpha[here] < 0.5) & (skin[here] > 0.7)
        if kept.sum() > _ENOUGH * unit**2:
            values = lab(body[here])
            mean = np.median(values[kept], axis=0)
            share = skin[here] * (1 - smoothly((down - place.chin - _FROM) / _OVER))
            toned = retoned(values, (_SHADE * face - mean) * np.float32(taken), share, mean)
            result[here] = np.where(skin[here][..., None] > 0, toned, body[here])
    if (here := extent(made, air=round(_AROUND * unit))) is not None:
        result[here] = _with_made(result[here], own, face, head, here, skin[here], made[here])
    return result


def _shown(own: Rgb, face: Floats, neck: Mask, alpha: Plane, unit: float) -> Mask:
    """Where the head's photo, `own`, shows its `neck` (h, w) below the jaw, in the hue of the `face`."""
    values = gaussian(lab(own), _EDGE * unit)
    light = (values[..., 0] + np.float32(16)) / np.float32(face[0] + 16)
    bare = neck & (light > _LIGHTS[0]) & (light < _LIGHTS[1])
    bare &= other_hue(values, face, most=_MORE) < max(_LEAST, _HUE * float(np.hypot(*face[1:])))
    shown = narrowed(bare, 2 * _EDGE * unit) & (alpha < 0.5)
    return widened(touching(shown, distance_to(alpha > 0.5) < _BELOW * unit), _EDGE * unit)


def _pillar(flesh: Mask, reach: float) -> Plane:
    """What light from the front makes of a pillar as broad as `flesh`: (h, w), 1 in its middle."""
    columns = np.arange(flesh.shape[1], dtype=np.float32)
    first, last = flesh.argmax(axis=1), columns[-1] - flesh[:, ::-1].argmax(axis=1)
    middle, half = (gaussian_filter1d(it / 2, reach)[:, None] for it in (last + first, last - first + 2))
    away = np.clip((columns - middle) / half, -1, 1)
    front = 1 - _ROUND * (1 - np.sqrt(1 - away**2))
    return (front ** np.float32(1 / 2.2)).astype(np.float32)


def _with_made(
    image: Rgb, own: Rgb, face: Floats, head: Placed, here: tuple[slice, slice], skin: Plane, made: Plane
) -> Rgb:
    """`image` (what is `here`) with what is `made`: lit as necks are, and as the `skin` where it meets that."""
    unit, alpha = head.frame.height, head.alpha[here]
    finest = max(0.7, _FINE * unit)
    across, _ = head.frame.coordinates(head.alpha.shape)
    light = _pillar((skin + made > 0.5) & (np.abs(across[here]) < 0.75), 0.05 * unit)[..., None]
    hole = made > 0.5
    known = narrowed(skin > 0.7, _EDGE * unit) & (made < 0.1) & (alpha < 0.1)
    plain, bright = rgb(np.array([[_SHADE * face, face]], np.float32))[0]
    if sure := bool(known.sum() > _ENOUGH * unit**2):
        base, spreads = smooth_fill(image, known.astype(np.float32)), texture_of(image, known, finest)
    else:
        base, inner = np.broadcast_to(plain, image.shape), narrowed(head.oval > 0.5, 0.05 * unit)
        around = extent(inner) or here
        spreads = [_OF_FACE * spread for spread in texture_of(own[around], inner[around], finest)]
    fine, coarse = noise(image.shape[:2], spreads, finest)
    above = distance_to(alpha > 0.5)
    shade = 1 - smoothly(above / np.float32(_BAND * unit))[..., None]
    top = (base + shade * (rgb(lab(base) * _SHADOW) - base)) * light
    # All of the difference at the jaw, and ever less of it down to where the skin is left alone.
    below = np.maximum(_PASS * unit + distance_to(known) - distance_to(hole), 0)
    share = (1 - smoothly(above / np.maximum(above + below, 1e-3)))[..., None]
    shown = _shown(own[here], face, head.neck[here] > 0.5, alpha, unit)
    if shown.any():
        filled = smooth_fill(np.dstack([own[here] / np.maximum(top, 0.02), above]), shown.astype(np.float32))
        # What lies between it and the jaw was darker, and is no lighter therefore; nor is any of it than the face.
        ratio, other = filled[..., :3], smoothly((filled[..., 3:] - above[..., None]) / np.float32(_BELOW * unit))
        ratio = ratio * (1 - other + other / np.maximum(1, ratio.mean(axis=2, keepdims=True)))
        soft = gaussian(ratio, _DETAIL * unit)
        inside = gaussian(narrowed(shown, 2 * _EDGE * unit).astype(np.float32), 2 * _EDGE * unit)[..., None]
        clean = gaussian(ratio, 2 ** (GRAIN - 1) * finest)
        coarse += inside * (top * (clean - soft) - coarse)
        top = np.minimum(top * soft, bright)
    gap = gaussian(share * (top - base), 4 * _SOFT * unit)
    # It begins where the figure's own ends, and that goes on in what is below it.
    begins = smoothly((distance_to(known) - np.float32(_MEETS * unit)) / np.float32(_BEGINS * unit))[..., None]
    texture = _WEAKER * fine + begins * coarse
    if sure:
        base = smooth_fill(image - texture, known.astype(np.float32))
    result = base + texture + gap
    image = image + gap * (skin * (below > 0))[..., None]
    edge = np.clip(2 * gaussian(made, max(0.8, _SOFT * unit)), 0, 1) * np.clip(3 * skin - 0.6, 0, 1)
    return np.clip(image + np.maximum(made, edge)[..., None] * (result - image), 0, 1)
