"""Skin: where the figure shows it below its face, and giving it another tone."""

import numpy as np
from msgspec import Struct
from scipy.ndimage import binary_fill_holes

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb, as_rgb
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.tone import GREY, SEEN, Shifts, Tone, face_tone, other_hue, retoned
from actors.engines.local.likeness import cells, likeness
from actors.engines.local.perception.guided import upsampled_alpha
from actors.engines.local.perception.pose import Pose
from actors.engines.local.raster import gaussian, lab, mean_near, resized, summed, touching
from actors.engines.local.shapes import closed, narrowed, opened, strokes, widened

_LIMBS = (
    (11, 13, 0.22), (13, 15, 0.18), (15, 19, 0.20), (12, 14, 0.22), (14, 16, 0.18), (16, 20, 0.20),
    (23, 25, 0.30), (25, 27, 0.25), (24, 26, 0.30), (26, 28, 0.25), (27, 31, 0.20), (28, 32, 0.20),
)  # fmt: skip
"""Pairs of joints with half the breadth of the limb between them, in breadths of the shoulders."""
_LIKE, _SURE = (0.6, 1.3), (0.7, 1.1, 20.0)
"""So much like sure skin rather than the clothes, and no further from its hue, is what hangs together with it; and, as
near to its L*, what doesn't."""
_YELLOWER, _LESS_RED = np.radians(11), 0.5
"""Of 107 limbs none but in coloured light is turned by so much from its face, and has no more than so much of its red
in as much light."""
_EDGE_UNIT = 160
_PAINT, _OTHER_HUE = 14.0, 0.7
"""So far from its own hue, in steps of a* and b*, what skin surrounds isn't skin in another light; nor is what lies
beside it, in parts of its chroma."""
_GLINT, _SHADE = 0.45, 1.8
"""So many times as much hue as its light suggests a skin has in a glint at least, and in the shade at most."""
_CLOTH = 0.2
"""What is less likely to be cloth isn't."""
_THREAD, _STUBBLE, _COLLAR, _WHITER, _LIGHTER = 0.03, 0.12, 0.07, 0.75, 2.0
"""By so thin a thread, likewise, nothing hangs together with a neck, but near the chin, where beards part it. A collar
is twice as broad somewhere, and lacks so much of what a face lacks to white; without colours it is so much lighter."""
_STRAP = 0.05
"""Breadth of a strap, in heights of the face, on both sides of which there is skin."""
_THROAT = 0.3
"""So far below the chin, likewise, what is as thin beside a neck is its edge."""


class Skin(Struct, frozen=True):
    """Skin below a face of that `tone`: its share (h, w) of each pixel."""

    tone: Tone
    share: Plane


def own_skin(head: Head) -> Skin:
    """The skin of neck and chest."""
    image = as_rgb(head.image)
    values = lab(image)
    tone = face_tone(values, head.face.points)
    place = head.frame
    across, down = place.coordinates(values.shape)
    below = (head.alpha > 0.6) & (head.share < 0.5)
    bare = below & ~_pale(values, head, tone)
    core = bare & (np.abs(across) < 0.27) & (down > place.chin + 0.03) & (down < place.chin + 0.4)
    first = core & (_distance(values, tone.mean, np.array([24, 9, 9], np.float32)) < 1.3)
    # In the shadow of the jaw, or below a beard, what has the face's colours and not the clothes' is neck as well.
    clothes = below & (down > place.chin + 0.5)
    shaded = bare & (np.abs(across) < 0.4) & (down < place.chin + 0.22)
    known = clothes.sum() > 0.1 * place.height**2
    shaded = shaded & (likeness(cells(values), head.oval > 0.9, clothes) > 0.8) if known else np.zeros_like(core)
    least = 0.01 * place.height**2
    first = first if first.sum() >= least else core & shaded
    if first.sum() < least:
        return Skin(tone, np.zeros_like(head.alpha))
    column = below & (np.abs(across) < 2) & (down > place.chin - 0.35) & (down < place.chin + 1.8)
    column &= (np.abs(across) < 0.75) | (down > place.chin + 0.1)
    # A zip or a seam that begins at the neck is no skin.
    dark, threads = shaded.astype(np.float32), down > place.chin + _THROAT
    share = _more_skin(values, tone, first, column, dark, place.height, threads=threads) * bare
    found = widened(touching(narrowed(share > 0.3, 0.5 * _THREAD * place.height), first), _THREAD * place.height)
    share *= found | (down < place.chin + _STUBBLE)
    # With the jaw above it, or the shadow's edge there would pass for the skin's.
    jaw = head.share * ((down > place.chin - 0.35) & (np.abs(across) < 0.5))
    edged = _edged(image, np.maximum(share, jaw), place.height)
    edged *= gaussian(below.astype(np.float32), 0.7)
    return Skin(tone, np.where(column & bare, edged, 0).astype(np.float32))


def _pale(values: Floats, head: Head, tone: Tone) -> Mask:
    """Collars and shirts: what is lighter than a face, and hasn't its hue; without colours, lighter than all of it."""
    light, grey = values[..., 0], _greyness(values, tone.mean) > 1
    if float(np.hypot(*tone.mean[1:])) < GREY:
        return light > float(np.percentile(light[head.oval > 0.9], 98)) + _LIGHTER
    pale = opened(grey & (100 - light < _WHITER * (100 - tone.mean[0])), 0.5 * _COLLAR * head.frame.height)
    pale = touching(pale, narrowed(pale, _COLLAR * head.frame.height))
    return pale & ~binary_fill_holes(~grey & (light > 0.5 * tone.mean[0]))  # glints lie in the midst of skin


def limbs(person: Pose, seen: float) -> Mask:
    """Where arms, hands and legs are, by the pose, of which joints no less visible than `seen` count."""
    shoulders = max(8.0, person.shoulders)
    lines = [
        (person.points[start], person.points[end], 2 * breadth * shoulders)
        for start, end, breadth in _LIMBS
        if min(person.visible[start], person.visible[end]) >= seen
    ]
    return strokes(person.silhouette.shape, lines)


def limb_skin(image: Rgb, tone: Tone, where: Mask, perhaps: Mask, body: Mask, shoulders: float) -> tuple[Skin, Plane]:
    """The skin of a `body`, whose arms, hands and legs are `where` and `perhaps` elsewhere.

    All are of a part of a picture, in which the `shoulders` are so broad. With it comes what of it, (h, w) 0 to 1, was
    seen on its own, before it was taken as one with what is around.
    """
    values = lab(image)
    unit = 0.5 * max(8.0, shoulders)
    reach = max(1, round(0.03 * unit))
    bare = body & ~_beige(gaussian(values, 1.5 * reach), tone.mean)
    # A dark skin has little hue; what has none is no skin.
    apart = float(np.clip(0.4 * np.hypot(*tone.mean[1:]), 4, 9))
    away = np.hypot((values[..., 0] - tone.mean[0]) / 26, other_hue(values, tone.mean, most=_SHADE) / apart)
    first = narrowed(where & bare & (away < 1.3), reach)
    if first.sum() < 0.024 * unit**2:
        nothing = np.zeros(values.shape[:2], np.float32)
        return Skin(tone, nothing), nothing
    seen = _more_skin(values, tone, first, where & bare, np.zeros_like(where, np.float32), unit)
    # It ends where its colours do, and not where joints are hidden.
    skin, mean = seen > 0.5, np.median(values[first], axis=0)
    like = likeness(cells(values), skin, body & ~widened(skin, 0.1 * unit))
    away = other_hue(values, mean, most=_SHADE) / apart
    more = closed(skin | (bare & (like > _LIKE[0]) & (away < _LIKE[1])), 0.02 * unit) & bare
    sure = bare & perhaps & (like > _SURE[0]) & (away < _SURE[1]) & (np.abs(values[..., 0] - mean[0]) < _SURE[2])
    share = np.maximum(seen, touching(more, first | narrowed(sure, 2 * reach)))
    return Skin(tone, _edged(image, share, unit)), seen


def _beige(values: Floats, mean: Floats) -> Mask:
    """Cloth that skin of the colour `mean` is like but for its red: limbs are hardly yellower than a face."""
    turned = np.angle((values[..., 1] + 1j * values[..., 2]) * complex(mean[1], -mean[2]))
    red = values[..., 1] / (values[..., 0] + 16)
    return (turned > _YELLOWER) & (red < _LESS_RED * mean[1] / (mean[0] + 16))


def in_tone(image: Rgb, skin: Skin, change: Shifts) -> Rgb:
    """`image` with `skin` in the tone it is to have: as far from the new face as it was from its own."""
    where = skin.share > 0
    if not where.any() or not np.abs(change.body).max() > SEEN:
        return image
    result = image.copy()
    result[where] = retoned(lab(image[where][None]), change.body, skin.share[where][None], skin.tone.mean)[0]
    return result


def _more_skin(
    values: Floats, tone: Tone, first: Mask, where: Mask, shaded: Plane, unit: float, *, threads: Mask | None = None
) -> Plane:
    """What hangs together with the `first` skin and is like that, or a face of that `tone`, or `shaded`: (h, w) 0 to 1.

    Its reaches are in parts of `unit` pixels. Among `threads` what is narrower than half a strap is no skin by itself.
    """
    alike = np.maximum(_alike(values, first, tone), shaded) * gaussian(where.astype(np.float32), 0.02 * unit)
    if threads is not None:
        broad = narrowed(alike > 0.3, 0.25 * _STRAP * unit) | first
        alike *= ~threads | widened(broad, 0.5 * _STRAP * unit)
    parts = touching(widened(alike > 0.3, 0.5 * _STRAP * unit), first)
    share = np.where(widened(parts, 2), alike, 0).astype(np.float32)
    share = np.maximum(share, _unlike_cloth(values, share, np.median(values[first], axis=0), where, 0.1 * unit))
    return np.maximum(share, _shaded(values, share, where, 0.06 * unit))


def _unlike_cloth(values: Floats, share: Plane, mean: Floats, where: Mask, reach: float) -> Mask:
    """What is within `reach` of skin and more of it, in a shadow or a light: clothes haven't its colours.

    What skin surrounds needs but a hue of skin's (paint, a tattoo, a bracelet have another).
    """
    skin, far = share > 0.5, max(_PAINT, 0.5 * float(np.hypot(*mean[1:])))
    clothes = where & ~widened(share > 0.2, 2 * reach)
    close = widened(skin, reach) & (_greyness(values, mean) < 1) & (likeness(cells(values), clothes, skin) < _CLOTH)
    inside = binary_fill_holes(closed(skin, reach))
    return where & (close | (inside & (other_hue(values, mean, _GLINT, _SHADE) < far)))


def _shaded(values: Floats, share: Plane, where: Mask, reach: float) -> Plane:
    """How far what lies beside skin, within `reach`, is more of it, in the shadow of what comes next: (h, w) 0 to 1.

    It is where its colour lies between those of the two around it.
    """
    skin, beside = share > 0.75, where & ~widened(share > 0.25, reach)
    near = where & widened(skin, reach) & (gaussian(beside.astype(np.float32), reach) > 0.02)
    other = mean_near(values, beside, reach)
    line = mean_near(values, skin, reach) - other
    between = summed((values - other) * line) / np.maximum(summed(line * line), 100)
    return (np.clip(1.5 * between - 0.25, 0, 1) * near).astype(np.float32)


def _alike(values: Floats, sure: Mask, tone: Tone) -> Plane:
    """How much each pixel is like the skin where it is `sure`, or like the face's: 0 to 1."""
    middle = np.median(values[sure], axis=0)
    spread = np.maximum(values[sure].std(axis=0) * 1.3, np.array([17, 5, 5], np.float32))
    face = np.maximum(1.5 * tone.spread, np.array([12, 5, 5], np.float32))
    # However mixed the skin is, what has hardly any of its hue isn't that.
    own = np.maximum(_distance(values, middle, spread), 2.2 * _greyness(values, middle))
    return np.clip(2.2 - np.minimum(own, _distance(values, tone.mean, face)), 0, 1).astype(np.float32)


def _greyness(values: Floats, mean: Floats) -> Plane:
    """How far each pixel's hue is from that of skin of the colour `mean`: from 1 on it is cloth's."""
    return other_hue(values, mean, most=_SHADE) / max(_OTHER_HUE * float(np.hypot(*mean[1:])), 1)


def _distance(values: Floats, mean: Floats, spread: Floats) -> Floats:
    difference = values - mean.astype(np.float32)
    difference /= spread.astype(np.float32)
    return np.sqrt(summed(np.square(difference, out=difference)))


def _edged(image: Rgb, share: Plane, unit: float) -> Plane:
    """`share` with its edge along the picture's own, which is looked for at `_EDGE_UNIT` pixels to the `unit`."""
    scale = min(1.0, _EDGE_UNIT / unit)
    size = max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale))
    small = resized(gaussian(share, max(0.6, 0.006 * unit)), *size)
    edged = upsampled_alpha(
        resized(image, *size), small, image, radius=max(2, round(0.02 * unit * scale)), epsilon=4e-4
    )
    return np.where(np.isfinite(edged), edged, share).astype(np.float32)
