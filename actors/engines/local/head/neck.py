"""The neck: the figure's own where it is seen, and the head's own up to the new jaw; they pass over into each other."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb
from actors.engines.local.filling.smooth import grain, smooth_fill
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import face_tone, other_hue, retoned
from actors.engines.local.raster import extent, gaussian, lab, rgb, smoothly, touching
from actors.engines.local.shapes import distance_to, narrowed, widened

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone is known."""
_SHADE = np.array([0.9, 0.95, 0.95], np.float32)
"""A neck's L*a*b* over those of its face, in most photos."""
_SHADOW, _BAND = np.array([0.63, 1, 1], np.float32), 0.3
"""At the jaw so much of a neck's L*a*b* is left, ever more down to so many heights of the face below (by the median
of 17 portraits)."""
_FROM, _OVER = 0.1, 0.7
"""The change is whole down to so far below the chin, and gone so much further, in heights of the face."""
_EDGE = 0.015
"""A neck is looked at without so much of its edge, likewise."""
_HUE, _LEAST, _LIGHTS = 0.4, 4.0, (0.5, 1.1)
"""What is so far from the hue of the face, in parts of its strength, or has so little or much more of its light, is no
skin: a collar in the light that skin throws on it, stubble, a chain."""
_PASS, _SOFT = 0.25, 0.02
"""So far what is made and what is kept pass over into each other, so soft is the edge between, likewise."""
_ROUND = np.float32(0.7)
"""A neck is that much darker where it turns away altogether (linear light, by 78 portraits; by eye a little more)."""
_FINE, _DETAIL = 0.003, 0.05
"""Noise is what is finer than the one, detail what is finer than the other, likewise."""


def one_neck(head: Placed, own: Rgb, body: Rgb, skin: Plane, made: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with the neck of the `head`.

    Of its neck `skin` (h, w, 0 to 1) is the figure's, and only toned; what is `made` (h, w, 0 to 1) goes on from that
    up to the jaw, where it is as the head's photo in its new tone, `own` (h, w, 3), has it. The neck takes so much of
    the tone as is `taken` (0 to 1).
    """
    place = head.frame
    here = extent(skin + made > 0, air=8)
    if here is None:
        return body
    unit = place.height
    across, down = (plane[here] for plane in place.coordinates(skin.shape))
    alpha, skin, made = head.alpha[here], skin[here] * (1 - made[here]), made[here]
    fresh = lab(own)
    face = face_tone(fresh, head.aim).mean
    values = gaussian(fresh[here], _EDGE * unit)
    light = (values[..., 0] + np.float32(16)) / np.float32(face[0] + 16)
    bare = (light > _LIGHTS[0]) & (light < _LIGHTS[1])
    bare &= other_hue(values, face) < max(_LEAST, _HUE * float(np.hypot(*face[1:])))
    near = (np.abs(across) < 0.35) & (down < place.chin + 0.35) & (alpha < 0.5)
    shown = narrowed((head.neck[here] > 0.5) & bare, 2 * _EDGE * unit) & (alpha < 0.5)
    shown = widened(touching(shown, distance_to(alpha > 0.5) < 4 * _EDGE * unit), _EDGE * unit)
    result = body[here].copy()
    kept = near & (skin > 0.7)
    if kept.sum() > _ENOUGH * unit**2:
        values = lab(result)
        mean = np.median(values[kept], axis=0)
        share = skin * (1 - smoothly((down - place.chin - _FROM) / _OVER))
        toned = retoned(values, (_SHADE * face - mean) * np.float32(taken), share, mean)
        result = np.where(skin[..., None] > 0, toned, result)
    if made.any():
        result = _with_made(result, own, face, head, here, skin, made, shown)
    body = body.copy()
    body[here] = result
    return body


def _pillar(flesh: Mask, reach: float) -> Plane:
    """What light from the front makes of a pillar as broad as `flesh`: (h, w), 1 in its middle."""
    columns = np.arange(flesh.shape[1], dtype=np.float32)
    first, last = flesh.argmax(axis=1), columns[-1] - flesh[:, ::-1].argmax(axis=1)
    middle, half = (gaussian_filter1d(it / 2, reach)[:, None] for it in (last + first, last - first + 2))
    away = np.clip((columns - middle) / half, -1, 1)
    front = 1 - _ROUND * (1 - np.sqrt(1 - away**2))
    return (front ** np.float32(1 / 2.2)).astype(np.float32)


def _with_made(
    image: Rgb, own: Rgb, face: Floats, head: Placed, here: tuple[slice, slice], skin: Plane, made: Plane, shown: Mask
) -> Rgb:
    """`image` (what is `here`) with what is `made`: lit as necks are, and as the `skin` where it meets that."""
    unit, alpha = head.frame.height, head.alpha[here]
    across, _ = head.frame.coordinates(head.alpha.shape)
    light = _pillar((skin + made > 0.5) & (np.abs(across[here]) < 0.75), 0.05 * unit)[..., None]
    own = own[here]
    noise = grain(own, head.oval[here] > 0.5, max(0.7, _FINE * unit))
    hole = made > 0.5
    known = narrowed(skin > 0.7, _EDGE * unit) & (made < 0.1) & (alpha < 0.1)
    plain, bright = rgb(np.array([[_SHADE * face, face]], np.float32))[0]
    base = np.broadcast_to(plain, image.shape)
    if known.sum() > _ENOUGH * unit**2:
        base = smooth_fill(image, known.astype(np.float32))
        noise = grain(image, known, max(0.7, _FINE * unit))
    above = distance_to(alpha > 0.5)
    shade = 1 - smoothly(above / np.float32(_BAND * unit))[..., None]
    top = (base + shade * (rgb(lab(base) * _SHADOW) - base)) * light
    # All of the difference at the jaw, and ever less of it down to where the skin is left alone.
    below = np.maximum(_PASS * unit + distance_to(known) - distance_to(hole), 0)
    share = (1 - smoothly(above / np.maximum(above + below, 1e-3)))[..., None]
    inside = share * gaussian(narrowed(shown, 2 * _EDGE * unit).astype(np.float32), 2 * _EDGE * unit)[..., None]
    detail = np.zeros_like(top)
    if shown.any():
        ratio = smooth_fill(own / np.maximum(top, 0.02), shown.astype(np.float32))
        soft = gaussian(ratio, _DETAIL * unit)
        # It is no lighter than the face.
        top, detail = np.minimum(top * soft, bright), inside * top * (ratio - soft)
    gap = share * (top - base)
    result = base + gap + detail + (1 - inside) * ~known[..., None] * noise
    image = image + gaussian(gap, 2 * _SOFT * unit) * (skin * (below > 0))[..., None]
    edge = np.clip(2 * gaussian(made, max(0.8, _SOFT * unit)), 0, 1) * np.clip(3 * skin - 0.6, 0, 1)
    return np.clip(image + np.maximum(made, edge)[..., None] * (result - image), 0, 1)
