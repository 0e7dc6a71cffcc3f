"""Taking the figure's own head away: background behind it, neck and shoulders where it hid them."""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Mask, Plane, Points, Rgb
from actors.engines.local.filling.smooth import drawn_up, grain, levelled, smooth_fill
from actors.engines.local.filling.texture import textured_fill
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.likeness import cells, likeness
from actors.engines.local.perception.landmarks import JAW
from actors.engines.local.perception.pose import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER
from actors.engines.local.raster import gaussian, lab, smoothly, touching
from actors.engines.local.shapes import distance_to, narrowed, polygon, strokes, widened

_MARGIN = 0.035
"""So far beyond the head's matte, in heights of its face, the background is made anew: single hairs reach there."""
_BEARD = 0.1
"""Half the breadth, likewise, of what may lie between the head and the skin of the neck and is neither."""
_STEPS = 0.02
"""The head's outline was divided in steps so large, likewise."""
_STUB = 0.07
"""Half the breadth, likewise, of the largest part that isn't left beside the new head."""
_FADE = 0.12
"""So far, likewise, the made neck passes over into the real one."""
_LEVEL = 0.07
"""A difference in brightness (0 to 1) below which the new background is brought to the level of the old."""
_TEXTURE = 300
"""Texture is carried on in as many pixels as a square of this side has."""
_ARM = 0.32
"""Breadth of an upper arm in its sleeve, likewise."""
_UNDER, _SHOWS = 0.08, 0.35
"""So far below the chin, likewise, the new head's own neck shows its sides, if so much of it is there, likewise."""
_INWARDS = 0.93
"""So far out, of half the breadth of the jaw, the neck comes from behind it."""
_CURVE, _REACH, _LOOSE, _GAP = 0.04, 0.15, 0.08, 0.12
"""The body's new outline is smooth over so much, likewise, and so far beyond what is gone; no smaller part is left, and
no gap of less than twice that in skin, or half of it elsewhere."""
_SOFT = 1.25
"""How steep its edge is: about as soft as a lens makes one."""
_SLOPE, _ASIDE = 0.08, 0.7
"""So far above the shoulders, likewise, skin is theirs, and so far aside it isn't the neck's."""
_LOCK, _HAIR, _HANGS, _NAPE = 0.4, 0.75, 0.1, 0.25
"""So far from the head, likewise, old hair is looked for, which is as likely as that, where it reaches the chin or that
far above it: short hair leaves nothing on shoulders that are as dark."""
_ROUND, _SIDES = 0.1, 0.25
"""The made neck's sides are darker by so much at their edge, and over so much inwards, likewise."""


class Cleared(Struct, frozen=True):
    """The figure without its head: colours (h, w, 3).

    And (h, w, 0 to 1) what was made anew, what of that is neck, and what is the figure's at all.
    """

    image: Rgb
    made: Plane
    neck: Plane
    body: Plane


def cleared(figure: Portrait, head: Head, image: Rgb, skin: Plane, new_face: Points, new: Placed) -> Cleared:
    """`image` (the figure, perhaps retoned) without the head; the neck reaches up to the jaw of `new_face` (468, 2).

    Where the `new` head will lie on top nothing needs to be more than roughly right.
    """
    unit = figure.frame.height
    seen = narrowed(new.alpha > 0.97, max(1, round(0.02 * unit)))
    neck, torso = _neck_shape(figure, head, skin, new_face, new), _torso_shape(figure)
    # Soft before anything is made of it: all that it lets through is made then, and nothing of the old head.
    shape = gaussian(np.maximum(neck, torso), max(0.7, 0.008 * unit))
    gone = _gone(figure, head, image, skin, (neck, torso))
    # Beard, locks and folds that skin surrounds below were the old jaw's.
    reach = _BEARD * unit
    between = narrowed(widened(gone | (skin > 0.5), reach), reach + 1) & widened(gone, 1.5 * reach)
    gone |= between & (neck > 0.5) & (figure.alpha > 0.5)
    gone, shape = _outlined(figure.alpha, gone, shape, skin, unit)
    body = (figure.alpha > 0.5) & ~gone
    made_body, fade = _body(image, gone, ~seen, shape, body, skin, neck, head.oval > 0.9, unit)
    # A neck is round: its sides are darker.
    round_off = 1 - np.clip(2 * gaussian(shape, _ROUND * unit) - 1, 0, 1)
    made_body = made_body * (1 - _SIDES * round_off * neck)[..., None]
    ground = _ground(figure, image, gone, ~seen)
    inside = np.where(gone, shape, 1)[..., None]
    fresh = ground + inside * (made_body - ground)
    edge = np.maximum(gaussian(gone.astype(np.float32), max(0.8, 0.006 * unit)), gone * np.float32(0.999))
    edge = np.maximum(edge, fade)
    result = image + edge[..., None] * (fresh - image)
    fresh_neck = (gaussian(neck, 0.01 * unit) * edge).astype(np.float32)
    return Cleared(result.astype(np.float32), edge, fresh_neck, shape)


def _outlined(alpha: Plane, gone: Mask, shape: Plane, skin: Plane, unit: float) -> tuple[Mask, Plane]:
    """`gone` with what a smooth outline takes from or adds to the body beside it, and the whole body (h, w, 0 to 1).

    A shape's edge blurred and cut at its half is a curve without the jags of what it was put together from.
    """
    rough = ((alpha > 0.5) & ~gone) | (gone & (shape > 0.5))
    rough = touching(rough, narrowed(rough, _LOOSE * unit))
    # A gap within the body is no way to the background.
    for share, where in ((0.5, alpha > 0.5), (1, (alpha > 0.5) & (skin > 0.5))):
        reach = share * _GAP * unit
        rough |= narrowed(widened(rough, reach), reach) & where
    sigma = max(1.0, _CURVE * unit)
    curve = np.clip(0.5 + (gaussian(rough.astype(np.float32), sigma) - 0.5) * np.float32(_SOFT * sigma), 0, 1)
    near = widened(gone, _REACH * unit)
    other = near & ((curve > 0.5) != rough) | (near & (alpha > 0.5) & ~rough)
    gone = gone | widened(other, max(2, 0.012 * unit))
    return gone, np.where(near, curve, alpha).astype(np.float32)


def _ground(figure: Portrait, image: Rgb, gone: Mask, needed: Mask) -> Rgb:
    """`image` with the background where the head is `gone`."""
    unit = figure.frame.height
    sources = ~widened(figure.alpha > 0.05, max(2, round(0.03 * unit))) & ~gone
    hole = gone | (widened(gone, round(0.12 * unit)) & widened(figure.alpha > 0.03, max(1, round(0.03 * unit))))
    start = np.where(hole[..., None], smooth_fill(image, sources.astype(np.float32)), image)
    filled = textured_fill(start, hole & needed, sources, _TEXTURE)
    return levelled(filled, hole, sources, max(1.5, 0.03 * unit), _LEVEL)


def _gone(figure: Portrait, head: Head, image: Rgb, skin: Plane, shapes: tuple[Plane, Plane]) -> Mask:
    """The head with its outline and what would stick out beside the new one, whose neck and torso have these shapes."""
    unit, chin = figure.frame.height, figure.frame.chin
    person = figure.alpha > 0.04
    old = (person & (gaussian(head.share, _STEPS * unit) > 0.5)) | (head.oval > 0.2)
    body = person & ~old
    gone = widened(old, max(2, round(_MARGIN * unit))) & ~narrowed(body, max(1, round(0.016 * unit)))
    # Ears, locks and jewels may have been taken for body, beside the head where neither neck nor torso is.
    across, down = figure.frame.coordinates(old.shape)
    neck, torso = (shape > 0.5 for shape in shapes)
    thin = body & ~widened(narrowed(body, _STUB * unit), _STUB * unit) & widened(old, 0.25 * unit)
    stubs = thin & ~neck & ~torso & (down < chin + 0.6)
    # So does a broader neck's skin.
    beyond = body & ~neck & ~widened(torso, _SLOPE * unit) & (np.abs(across) < _ASIDE) & (down < chin + 0.4)
    stubs |= beyond & (skin > 0.5)
    # Nor is hair left that hangs down to neck and shoulders, or that the matte missed, if neither clothes nor what is
    # behind have its colours, nor background where the neck goes on.
    close = widened(old, _LOCK * unit)
    near = close & ~old & (skin < 0.5) & (~neck | ~person) & (down < chin + 0.8)
    hair, colours = old & (head.oval < 0.1) & (down < chin), cells(lab(image))
    sure = figure.alpha > 0.5
    locks = near & sure & (likeness(colours, hair, narrowed(body, _MARGIN * unit) & ~near) > _HAIR)
    locks |= near & ~sure & (likeness(colours, hair, ~person & ~close) > _HAIR)
    hanging = widened(old & (head.oval < 0.1) & (down > chin - _HANGS), _MARGIN * unit)
    stubs |= touching(widened(narrowed(locks, 1.5), 1.5), hanging)
    stubs |= neck & ~person & (down < chin + _NAPE)
    return gone | widened(stubs, max(1.0, 0.015 * unit))


def _neck_shape(figure: Portrait, head: Head, skin: Plane, new_face: Points, new: Placed) -> Plane:
    """Where the neck goes on under the old head: between its sides, as seen below the jaw, up to behind the new jaw.

    Right below that it has the sides of the `new` head's own neck, where they show.
    """
    place = figure.frame
    chin = place.chin
    across, down = place.coordinates(skin.shape)
    jaw, new_jaw = place.of(figure.face.points[list(JAW)]), place.of(new_face[list(JAW)])
    left, right = 0.82 * float(jaw[0, 0]), 0.82 * float(jaw[-1, 0])
    seen = (skin > 0.5) & (head.share < 0.5) & (down > chin - 0.1) & (down < chin + 0.3)
    if seen.sum() > 0.01 * place.height**2:
        left = float(np.clip(np.percentile(across[seen], 2), 1.1 * jaw[0, 0], 0.6 * jaw[0, 0]))
        right = float(np.clip(np.percentile(across[seen], 98), 0.6 * jaw[-1, 0], 1.1 * jaw[-1, 0]))
    # From behind the new jaw straight to the real neck's sides: further down the broader that is.
    first, last = (np.array([_INWARDS * x, y - 0.04]) for x, y in (new_jaw[0], new_jaw[-1]))
    low = [chin + float(np.clip(0.12 + 1.2 * (wide - 0.04), 0.12, 0.4)) for wide in (first[0] - left, right - last[0])]
    own = (new.neck > 0.5) & (np.abs(down - chin - _UNDER) < 0.5 * _UNDER)
    upper: tuple[Points, ...] = ()
    if own.sum() > _SHOWS * _UNDER * place.height**2:
        sides = np.percentile(across[own], [1, 99])
        sides = np.clip(sides, [1.1 * first[0], 0.75 * last[0]], [0.75 * first[0], 1.1 * last[0]])
        upper = tuple(np.array([x, chin + _UNDER]) for x in sides)
    ends = (
        last,
        *upper[1:],
        (right, low[1]),
        (right * 1.05, chin + 0.6),
        (left * 1.05, chin + 0.6),
        (left, low[0]),
        *upper[:1],
    )
    return polygon(skin.shape, np.array([place.place(float(x), float(y)) for x, y in (first, *ends)], np.float32))


def _torso_shape(figure: Portrait) -> Plane:
    """Where shoulders, chest and upper arms are, hidden or not, by the pose: to the hips, an arm along either side."""
    person, place = figure.pose, figure.frame
    if person is None:
        return np.zeros_like(figure.alpha)
    sides, hips = person.points[[LEFT_SHOULDER, RIGHT_SHOULDER]], person.points[[LEFT_HIP, RIGHT_HIP]]
    low = place.down * place.height * 0.6 * _ARM
    arms = strokes(
        figure.alpha.shape,
        [(side + low, side + 0.6 * (hip - side), _ARM * place.height) for side, hip in zip(sides, hips, strict=True)],
    )
    if sides[0][0] > sides[1][0]:
        sides, hips = sides[::-1], hips[::-1]
    up, out = place.down * place.height * -0.12, place.across * place.height * 0.12
    jaw = place.of(figure.face.points[list(JAW)])
    first, last = (place.place(0.85 * float(x), place.chin + 0.2) for x in (jaw[0, 0], jaw[-1, 0]))
    left, right = (sides[0] + up, sides[0] - out - 2 * up), (sides[1] + out - 2 * up, sides[1] + up)
    area = polygon(figure.alpha.shape, np.array([first, *left, *hips, *right, last], np.float32))
    return np.clip(gaussian(np.maximum(area, arms), 0.05 * place.height) * 6 - 2.5, 0, 1)


def _body(
    image: Rgb, gone: Mask, needed: Mask, shape: Plane, body: Mask, skin: Plane, neck: Plane, face: Mask, unit: float
) -> tuple[Rgb, Plane]:
    """`image` with neck and clothes where the head is `gone`, and how far the neck passes over into the real one."""
    bare = narrowed(body & (skin > 0.7), max(1, round(0.012 * unit)))
    known = narrowed(body, 1)
    hole = gone & (shape > 0)
    throat = hole & widened(neck > 0.3, 0.03 * unit)
    rest = hole & ~throat
    shown = bool(bare.sum() > 0.008 * unit * unit)
    near = smoothly(1 - distance_to(throat) / max(2.0, _FADE * unit)) if shown else np.zeros_like(neck)
    fade = (near * np.clip(3 * skin - 0.6, 0, 1) * body).astype(np.float32)
    wide = throat | (fade > 0)
    result = np.where(hole[..., None], smooth_fill(image, known.astype(np.float32)), image)
    if (rest & needed).any():
        result = textured_fill(result, rest & needed, known & ~rest, _TEXTURE)
    if throat.any():
        sources = bare & ~wide if (bare & ~wide).sum() > 0.008 * unit * unit else bare if shown else face
        smooth = drawn_up(image, sources, 0.03 * unit) + grain(image, sources, max(0.7, 0.003 * unit))
        result = np.where(wide[..., None], smooth, result)
        if shown:
            result = levelled(result, wide, body & (skin > 0.5) & ~wide, max(1.5, 0.012 * unit))
    return result, fade
