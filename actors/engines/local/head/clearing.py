"""Taking the figure's own head away: background behind it, neck and shoulders where it hid them."""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Mask, Plane, Rgb, as_rgb
from actors.engines.local.filling.smooth import even_fill, smooth_fill
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.ground import refilled, strays, walled
from actors.engines.local.head.joining import Placed
from actors.engines.local.head.shoulders import LOOSE, outline, torso
from actors.engines.local.likeness import cells, likeness
from actors.engines.local.perception.landmarks import JAW
from actors.engines.local.raster import gaussian, lab, smoothly, touching
from actors.engines.local.shapes import closed, distance_to, narrowed, opened, widened

_MARGIN = 0.035
"""So far beyond the head's matte, in heights of its face, the background is made anew: single hairs reach there."""
_UNDER_JAW, _CLEAR, _DARK, _HUED = 0.2, 0.02, 22.0, 9.0
"""So far below the old head, likewise, its shadow and tips of hair are looked for: so much darker, or of so much
another hue (in L*a*b*), than skin further away, without so much of its edge."""
_BEARD = 0.1
"""Half the breadth, likewise, of what skin surrounds and isn't cloth therefore, or lies between it and the old head."""
_STEPS, _STUB, _SIDE = 0.02, 0.07, 0.1
"""The head's outline was divided in steps so large, likewise; half the breadth of the largest part that isn't left
beside the new one, and of a neck's side that isn't."""
_UNDER, _OPENING = 0.08, 0.15
"""So far below the chin, likewise, there is nothing but neck, nor in half the breadth between the jaw and skin that is
seen: there a collar is open."""
_CURVE, _REACH, _GAP, _STANDS = 0.04, 0.15, 0.06, 0.3
"""The body's new outline is smooth over so much, likewise, and so far beyond what is gone; it has no gap of less than
twice that, and beside a collar none from so far above the chin."""
_ASIDE = 0.7
"""Skin so far aside, likewise, is no neck's."""
_SOFT = 1.25
"""How steep its edge is: about as soft as a lens makes one."""
_FAINT = 0.04
"""Whoever is in the matte, however faintly."""
_LOCK, _HAIR, _HANGS = 0.4, 0.75, 0.1
"""So far from the head, likewise, old hair is looked for, which is as likely as that, where it reaches the chin or that
far above it: short hair leaves nothing on shoulders that are as dark."""
_LYING, _THIN, _FRINGE, _SHRED, _ALIKE = 0.3, 0.03, 0.17, 0.05, 0.4
"""Hair that reaches so far below the chin, likewise, and isn't thinner than twice that, lies on a body; so much around
it may be more of it, and skin that is thinner than twice the next may. What is as likely hair as the last is like
it."""
_OPENS, _CLOSES = 0.4, 0.2
"""So far aside, likewise, and from there over so much, clothes are ever more likely under such hair than skin."""


class Cleared(Struct, frozen=True):
    """The figure without its head: colours (h, w, 3), over which the neck is to be laid.

    And (h, w, 0 to 1) what was made anew, what of that is neck, what is the figure's at all, and what is left of its
    own skin. `sure`: what hair hid of its shoulders is known, and as much of its clothes is seen. `left`: so much of
    its body is like its long hair, in squares of the face's height.
    """

    image: Rgb
    made: Plane
    neck: Plane
    body: Plane
    skin: Plane
    sure: bool
    left: float


class _Scene(Struct, frozen=True):
    """What is known of the `figure`, in its pixels.

    `image` (h, w, 3) is it, perhaps retoned; `old` (h, w) its head, of which `lying` (h, w) is hair that lies on the
    body; `skin` (h, w, 0 to 1) and `cloth` (h, w) what is which below that; `across` and `down` (h, w) the coordinates
    of its face, whose height is `unit`. `new` is the head that comes.
    """

    figure: Head
    image: Rgb
    old: Mask
    lying: Mask
    skin: Plane
    cloth: Mask
    across: Plane
    down: Plane
    unit: float
    new: Placed


def cleared(figure: Head, image: Rgb, skin: Plane, new: Placed) -> Cleared:
    """`image` (the figure, perhaps retoned) without the head; the neck reaches up to the jaw of the `new` one.

    Where that will lie on top nothing needs to be more than roughly right.
    """
    across, down = figure.frame.coordinates(skin.shape)
    unit = figure.frame.height
    old = ((figure.alpha > _FAINT) & (gaussian(figure.share, _STEPS * unit) > 0.5)) | (figure.oval > 0.2)
    lying = _lying(old & (figure.oval < 0.1), down - np.float32(figure.frame.chin), unit)
    scene = _Scene(figure, image, old, lying, skin, _cloth(figure, old, skin, down), across, down, unit, new)
    fringe = _fringe(scene)
    gone, again = _gone(scene), fringe & scene.cloth
    funnel = np.maximum(outline(figure, skin, gone, new), again)
    gone |= _stubs(scene, funnel) | fringe
    under = torso(figure, gone) if lying.any() else None
    if under is not None:
        # Clothes that went with such hair come again, whatever line shoulders have.
        under |= gone & scene.cloth & (down > figure.frame.chin + _LYING)
        funnel = np.maximum(funnel, under & (figure.alpha > 0.5))
    # Soft before anything is made of it: all that it lets through is made then, and nothing of the old head.
    gone, shape = _outlined(scene, gone, gaussian(funnel, max(0.7, 0.008 * unit)))
    body = (figure.alpha > 0.5) & ~gone
    neck = shape * _bare(scene, body, again & ~widened(old, 0.06 * unit))
    needed = ~narrowed(new.alpha > 0.97, max(1, round(0.02 * unit)))
    hole = gone & (shape > 0)
    clothes = narrowed(body & (skin < 0.3), 0.02 * unit)
    # Patches would bring folds and buttons of elsewhere; what is skin of it the neck covers.
    made_body = even_fill(image, hole, clothes if clothes.any() else narrowed(body, 1))
    wall, beside = walled(image, figure, old, gone, shape)
    shape, neck = (np.where(beside, np.float32(0), part) for part in (shape, neck))
    gone |= beside
    ground = refilled(image, figure, gone, needed, wall)
    behind, clothed = (1 - shape)[..., None], (shape - neck)[..., None]
    fresh = np.where(gone[..., None], behind * ground + clothed * made_body, (1 - neck)[..., None] * image)
    edge = np.maximum(gaussian(gone.astype(np.float32), max(0.8, 0.006 * unit)), gone * np.float32(0.999))
    neck = (neck * edge).astype(np.float32)
    # What the neck is laid over: nothing of what it hides shines through.
    rest = image + edge[..., None] * (fresh - image)
    result = (rest / np.maximum(1 - neck, 1e-3)[..., None]).astype(np.float32)
    own = np.where(gone & (neck < 0.5), np.float32(0), skin)
    sure = under is not None and bool(clothes.sum() > hole.sum())
    return Cleared(result, edge, neck, shape, own, sure=sure, left=_left(scene, gone))


def _cloth(figure: Head, old: Mask, skin: Plane, down: Plane) -> Mask:
    """Clothes: in the colours of what lies lower rather than of the head, one with that; not between that and skin."""
    unit, person = figure.frame.height, figure.alpha > 0.5
    cloth = person & (figure.share < 0.5) & (skin < 0.5)
    sure = narrowed(cloth & (down > figure.frame.chin + 0.25), _MARGIN * unit)
    share = likeness(cells(lab(as_rgb(figure.image))), sure, (figure.share > 0.5) & person)
    return touching((cloth & ~_between(old, skin, unit) & (gaussian(share, 0.02 * unit) > 0.5)) | sure, sure)


def _between(old: Mask, skin: Plane, unit: float) -> Mask:
    """What lies between the `old` head and `skin` right below it: a beard, though as black as a shirt, or shade."""
    reach = max(1, round(_UNDER_JAW * unit))
    lower = np.pad(np.cumsum(skin > 0.5, axis=0), ((0, reach), (0, 0)), mode="edge")
    return widened(old, reach) & (lower[reach:] > lower[:-reach])


def _outlined(scene: _Scene, gone: Mask, shape: Plane) -> tuple[Mask, Plane]:
    """`gone` with what a smooth outline takes from or adds to the body beside it, and the whole body (h, w, 0 to 1).

    A shape's edge blurred and cut at its half is a curve without the jags of what it was put together from.
    """
    alpha, cloth, unit = scene.figure.alpha, scene.cloth, scene.unit
    rough = ((alpha > 0.5) & ~gone) | (gone & (shape > 0.5))
    rough = touching(rough, narrowed(rough, LOOSE * unit))
    # A gap within the body is no way to the background.
    rough |= closed(rough, _GAP * unit) & (alpha > 0.5)
    # Nor is what lies between the neck and a collar that stands beside it.
    stands = rough & cloth & ~gone
    ways = np.logical_or.accumulate(stands, axis=1), np.logical_or.accumulate(stands[:, ::-1], axis=1)[:, ::-1]
    rough |= np.where(scene.across < 0, *ways) & (scene.down > scene.figure.frame.chin - _STANDS) & (alpha > 0.5)
    sigma = max(1.0, _CURVE * unit)
    curve = np.clip(0.5 + (gaussian(rough.astype(np.float32), sigma) - 0.5) * np.float32(_SOFT * sigma), 0, 1)
    # Clothes have their own, and so has the body where nothing was: a curve's small differences from that are left.
    near = widened(gone, _REACH * unit) & ~(cloth & ~gone)
    other = near & ((curve > 0.5) != rough) | (near & (alpha > 0.5) & ~rough)
    other = touching(other, widened(gone, 1.5)) & near
    gone = gone | (widened(other, max(2, 0.012 * unit)) & ~cloth)
    return gone, np.where(gone, curve, alpha).astype(np.float32)


def _lying(hair: Mask, low: Plane, unit: float) -> Mask:
    """The `hair` that lies on the body, if any is long, by how `low` it is below the chin."""
    return touching(hair & (low > 0), narrowed(hair & (low > _LYING), _THIN * unit))


def _fringe(scene: _Scene) -> Mask:
    """What is around hair on the body: the matte knows nothing of edges there, and single locks lie beside it."""
    aside, reach = np.abs(scene.across) > _OPENS, _FRINGE * scene.unit
    hangs = opened(scene.old & (scene.down > scene.figure.frame.chin) & aside, _THIN * scene.unit)
    return (widened(scene.lying, reach) | (widened(hangs, reach) & aside)) & (scene.skin < 0.5)


def _gone(scene: _Scene) -> Mask:
    """The old head, with its outline and what hangs about it."""
    figure, old, down, unit = scene.figure, scene.old, scene.down, scene.unit
    person = figure.alpha > _FAINT
    body = person & ~old
    gone = widened(old, max(2, round(_MARGIN * unit))) & ~narrowed(body, max(1, round(0.016 * unit)))
    gone |= _stained(scene) | strays(scene.image, figure, old)
    # No hair is left that hangs down to neck and shoulders, or that the matte missed, if neither clothes nor what is
    # behind have its colours.
    chin, close = figure.frame.chin, widened(old, _LOCK * unit)
    near = close & ~old & (scene.skin < 0.5) & (down < chin + 0.8)
    hair, colours = old & (figure.oval < 0.1), cells(lab(scene.image))
    hanging = widened(hair & (down > chin - _HANGS), _MARGIN * unit)
    hair &= down < chin
    sure = figure.alpha > 0.5
    locks = near & sure & (likeness(colours, hair, narrowed(body, _MARGIN * unit) & ~near) > _HAIR)
    locks |= near & ~sure & (likeness(colours, hair, ~person & ~close) > _HAIR)
    return gone | touching(opened(locks, 1.5), hanging)


def _left(scene: _Scene, gone: Mask) -> float:
    """How much of the body that isn't `gone` is as its long hair, if any is, in squares of the face's height."""
    figure, low = scene.figure, scene.down - np.float32(scene.figure.frame.chin)
    if not scene.lying.any():
        return 0.0
    hair = scene.old & (figure.oval < 0.1) & (figure.alpha > 0.5) & (low < _LYING)
    body = (figure.alpha > 0.5) & ~scene.old & (low > 0.1)
    share = likeness(cells(lab(scene.image)), narrowed(hair, 0.02 * scene.unit), body)
    near = body & ~gone & (scene.skin < 0.5) & (low < 1)
    return float((near & (share > _ALIKE)).sum()) / scene.unit**2


def _stubs(scene: _Scene, funnel: Plane) -> Mask:
    """Ears, locks and jewels that were taken for body beside the head, where no body is; and a broader neck's skin."""
    chin, unit = scene.figure.frame.chin, scene.unit
    body = (scene.figure.alpha > _FAINT) & ~scene.old
    beside = body & (funnel < 0.5) & (scene.down < chin + 0.6)
    stubs = beside & widened(scene.old, 0.25 * unit) & ~opened(body, _STUB * unit) & ~scene.cloth
    broad = beside & (scene.skin > 0.5) & (np.abs(scene.across) < _ASIDE) & (scene.down < chin + 0.2)
    # Broader than any neck's side is a shoulder's top, or cloth that passes for skin.
    stubs |= broad & ~widened(narrowed(broad, _SIDE * unit), 1.5 * _SIDE * unit)
    return widened(stubs, max(1.0, 0.015 * unit))


def _stained(scene: _Scene) -> Mask:
    """What lies on the skin below the old head and was part of it: beard, tips of hair, the deepest of its shadow.

    It is told by how far it is from the colours of the skin further away.
    """
    figure, old, skin, unit = scene.figure, scene.old, scene.skin, scene.unit
    flesh, close = (closed((skin > 0.5) | it, _BEARD * unit) for it in (False, old | _between(old, skin, unit)))
    sure = (figure.alpha > 0.5) & ~old & (flesh | (close & ~scene.cloth))
    if not flesh.any() and scene.cloth.any():  # what is right below the head and no cloth is the old neck
        return (figure.alpha > 0.5) & ~old & ~scene.cloth & widened(old & ~scene.lying, _UNDER_JAW * unit)
    long = int(scene.lying.any())  # single locks are left of it, further away
    near = sure & widened(old, (1 + long) * _UNDER_JAW * unit)
    clear = narrowed(sure & (skin > 0.7) & ~widened(old, 0.5 * _UNDER_JAW * unit), _CLEAR * unit)
    if not clear.any():
        return clear
    values = gaussian(lab(as_rgb(figure.image)), max(0.7, 0.006 * unit))
    clear &= ~_unlike(values - np.median(values[clear], axis=0))
    stain = old | (near & _unlike(values - smooth_fill(values, clear.astype(np.float32))))
    # Over so much its edge is smooth, whatever stubble or fold is there.
    reach = (0.012 if long else 0.025) * unit
    stain = widened(narrowed(stain, 0.5 * reach), 2 * reach)
    return touching(stain, old) & near


def _unlike(away: Floats) -> Mask:
    """Where L*a*b* `away` (h, w, 3) from skin's is no light on it: darker, or of another hue."""
    return np.hypot(np.minimum(away[..., 0] / _DARK, 0), np.hypot(away[..., 1], away[..., 2]) / _HUED) > 1


def _bare(scene: _Scene, body: Mask, again: Mask) -> Plane:
    """How far what is to be made is bare, (h, w) 0 to 1: below the new jaw, else as what of the `body` is nearest."""
    place, skin, across, down = scene.figure.frame, scene.skin, scene.across, scene.down
    jaw = place.of(scene.new.aim[list(JAW)])
    throat = (down < place.chin + _UNDER) & (across > 0.8 * jaw[0, 0]) & (across < 0.8 * jaw[-1, 0])
    clothes = narrowed((body & (skin < 0.5)) | again, 2)
    # Behind skin there is skin, where more of it is seen than through locks: clothes lie before it.
    bare = (body & (skin > 0.5)) | opened(skin > 0.5, _SHRED * place.height) | (throat & ~body)
    bare |= closed(bare, _OPENING * place.height) & ~body & ~again
    near, nearer = distance_to(bare), distance_to(widened(clothes, 2))
    if scene.lying.any():  # on hidden shoulders clothes begin beside the neck, in a smooth line
        near *= 1 + 2 * smoothly((np.abs(across) - _OPENS) / np.float32(_CLOSES))
        near, nearer = (gaussian(it, _CURVE * place.height) for it in (near, nearer))
    return smoothly(0.5 + (nearer - near) / max(2.0, 0.015 * place.height))
