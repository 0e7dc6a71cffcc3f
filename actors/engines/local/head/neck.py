"""The neck: the figure's own where it is seen, and the head's own up to the new jaw; they pass over into each other."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from actors.engines.local.arrays import Floats, Mask, Plane, Points, Rgb
from actors.engines.local.filling.smooth import grain, smooth_fill
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.skin import face_tone, other_hue, retoned
from actors.engines.local.raster import extent, gaussian, lab, mean_near, rgb, smoothly, touching
from actors.engines.local.shapes import distance_to, narrowed, widened

_ENOUGH = 0.01
"""In squares of the face's height: from so much of a neck on its tone is known."""
_SHADE, _DARKER = np.array([0.9, 0.95, 0.95], np.float32), np.array([8, 3, 3], np.float32)
"""A neck's L*a*b* over those of its face, in most photos, and by how much it may differ from that: what little a collar
leaves to see is as dark as its shadow."""
_SHADOW, _BAND, _FINE = np.array([0.63, 1, 1], np.float32), 0.3, 0.012
"""At the jaw so much of a neck's L*a*b* is left, ever more down to so many heights of the face below (by the median
of 17 portraits); detail is finer than that."""
_FROM, _OVER = 0.1, 0.7
"""The change is whole down to so far below the chin, and gone so much further, in heights of the face."""
_EDGE, _LOW = 0.015, 0.06
"""Its tone is told without so much of its edge, likewise, and no lower than that below the chin."""
_HUE, _LEAST, _LIGHTS = 0.4, 4.0, (0.5, 1.1)
"""What is so far from the hue of the face, in parts of its strength, or has so little or much more of its light, is no
skin: a collar in the light that skin throws on it, stubble, a chain."""
_PASS, _SOFT = 0.25, 0.02
"""So far what is made and what is kept pass over into each other, so soft is the edge between, likewise."""


def one_neck(head: Placed, own: Rgb, aim: Points, body: Rgb, skin: Plane, made: Plane, taken: float = 1) -> Rgb:
    """`body` (h, w, 3) with the neck of the `head`, whose landmarks are `aim`.

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
    least = _ENOUGH * unit**2
    fresh = lab(own)
    face = face_tone(fresh, aim).mean
    bare = _skin_like(fresh[here], face, unit)
    near = (np.abs(across) < 0.35) & (down < place.chin + 0.35) & (alpha < 0.5)
    jaw = distance_to(alpha > 0.5)
    shown = narrowed((head.neck[here] > 0.5) & bare, 2 * _EDGE * unit) & (alpha < 0.5) & (jaw < _PASS * unit)
    shown = widened(touching(shown, jaw < 4 * _EDGE * unit), _EDGE * unit)
    goal = _SHADE * face
    above = near & shown & (down < place.chin + _LOW)
    if above.sum() > least:
        goal = np.clip(np.median(fresh[here][above], axis=0), goal - _DARKER, goal + _DARKER)
    result = body[here].copy()
    kept = near & (skin > 0.7)
    if kept.sum() > least:
        values = lab(result)
        mean = np.median(values[kept], axis=0)
        share = skin * (1 - smoothly((down - place.chin - _FROM) / _OVER))
        toned = retoned(values, (goal - mean) * np.float32(taken), share, mean)
        result = np.where(skin[..., None] > 0, toned, result)
    if made.any():
        noise = grain(own[here], head.oval[here] > 0.5, max(0.7, 0.003 * unit))
        result = _with_made(result, own[here], goal, face, alpha, skin, made, shown, noise, unit)
    body = body.copy()
    body[here] = result
    return body


def _skin_like(values: Floats, face: Floats, unit: float) -> Mask:
    """Where `values` (h, w, 3) have the hue of a `face` (3,), in about its light."""
    values = gaussian(values, _EDGE * unit)
    light = (values[..., 0] + np.float32(16)) / np.float32(face[0] + 16)
    alike = other_hue(values, face) < max(_LEAST, _HUE * float(np.hypot(*face[1:])))
    return alike & (light > _LIGHTS[0]) & (light < _LIGHTS[1])


def _with_made(
    image: Rgb, own: Rgb, goal: Floats, face: Floats, alpha: Plane, skin: Plane, made: Plane, shown: Mask, noise: Plane,
    unit: float,
) -> Rgb:  # fmt: skip
    """`image` with what is `made`: in the light that necks have below a jaw, and as the `skin` where it meets that."""
    hole = made > 0.5
    known = narrowed(skin > 0.7, _EDGE * unit) & (made < 0.1) & (alpha < 0.1)
    enough = known.sum() > _ENOUGH * unit**2
    plain, bright = rgb(np.array([[goal, face]], np.float32))[0]
    base = smooth_fill(image, known.astype(np.float32)) if enough else np.broadcast_to(plain, image.shape)
    above = distance_to(alpha > 0.5)
    shade = 1 - smoothly(above / np.float32(_BAND * unit))[..., None]
    top = base + shade * (rgb(lab(np.minimum(bright, base)) * _SHADOW) - base)
    inside = gaussian(narrowed(shown, 2 * _EDGE * unit).astype(np.float32), 2 * _EDGE * unit)[..., None]
    if shown.any():
        ratio = smooth_fill(own / np.maximum(top, 0.02), shown.astype(np.float32))
        soft = gaussian(ratio, 2 * _SOFT * unit)
        top = top * (soft + inside * (ratio - soft))
        # It is no lighter than the figure's own: that may lie in a shadow.
        dimmed = base.mean(axis=2) / np.maximum(top.mean(axis=2), 0.02)
        top = top * np.minimum(1, gaussian(dimmed, _SOFT * unit))[..., None]
    # All of the difference at the jaw, and ever less of it down to where the skin is left alone.
    below = np.maximum(_PASS * unit + distance_to(known) - distance_to(hole), 0)
    gap = (1 - smoothly(above / np.maximum(above + below, 1e-3)))[..., None] * (top - base)
    result = base + gap + (1 - inside) * ~known[..., None] * _mirrored(image, known, noise, _FINE * unit)
    image = image + gaussian(gap, 2 * _SOFT * unit) * (skin * (below > 0))[..., None]
    edge = np.clip(2 * gaussian(made, max(0.8, _SOFT * unit)), 0, 1) * np.clip(3 * skin - 0.6, 0, 1)
    return np.clip(image + np.maximum(made, edge)[..., None] * (result - image), 0, 1)


def _mirrored(image: Rgb, known: Mask, noise: Plane, reach: float) -> Rgb:
    """The detail of `image` where it is `known`, and beyond as in a mirror; `noise` (h, w, 1) where none shows that."""
    known = narrowed(known, 2 * reach)  # no edge's
    if not known.any():
        return np.broadcast_to(noise, image.shape)
    detail = image - mean_near(image, known, reach)
    usual = 3 * np.median(np.abs(detail[known]))  # a crease or a chain isn't there twice
    detail = np.clip(detail, -usual, usual)
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    ways = zip(nearest, np.indices(known.shape), known.shape, strict=True)
    rows, columns = (np.clip(2 * found - place, 0, side - 1) for found, place, side in ways)
    return np.where(known[rows, columns, None], detail[rows, columns], noise)
