"""Putting the head on: its picture bent into place, its light matched."""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Plane, Points, Rgb, as_rgb
from actors.engines.local.head.alignment import Fit, bending
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.head.tone import Shifts, relit
from actors.engines.local.perception.foreground import separated
from actors.engines.local.perception.spill import without_spill
from actors.engines.local.raster import bent, gaussian, greatest, lab, rgb
from actors.engines.local.shapes import widened

_COLOUR_SIDE = 640
_NEAR, _KIND, _SAME = 0.012, 0.12, 0.02
"""So far around, in heights of the face, both have to be alike: so much of alpha, so much of brightness (0 to 1)."""
_LIGHT = 60.0
"""From such a lightness on the hue moves wholly: what is dark, as hair, has little of it."""
_MOSTLY = 0.6
"""So much of a neck has to be alike for any of it to stay."""
_CURVE = 0.04
"""Spikes narrower than that, likewise, are cut from where the head's share ends."""


class Placed(Struct, frozen=True):
    """A head in the figure's picture: colours (h, w, 3), alpha (h, w), its face (h, w, 0 to 1).

    `aim` (468, 2) is where its landmarks are to be, and `frame` their frame.
    `photo` (h, w, 3) is all of its photo, bent likewise, `neck` (h, w, 0 to 1) what of it is bare below the head, and
    `person` (h, w) whose head it is; -1 beyond the border.
    `cut` is how long the edge is, in heights of the face, where the source's own border cuts through it.
    """

    colours: Rgb
    alpha: Plane
    oval: Plane
    aim: Points
    frame: Frame
    photo: Rgb
    neck: Plane
    person: Plane
    cut: float


def placed(head: Head, neck: Plane, fit: Fit, shape: tuple[int, ...]) -> Placed:
    """The `head`, below which `neck` (h, w, 0 to 1) is bare, at its place."""
    image = as_rgb(head.image)
    colours, behind = separated(image, head.alpha, work_side=_COLOUR_SIDE)
    colours, alpha = without_spill(colours, behind, head.alpha)
    # Where hair ends on shoulders it ends in a curve.
    sigma = max(0.7, _CURVE * head.frame.height)
    ends = np.clip(0.5 + (gaussian(head.share, sigma) - 0.5) * np.float32(sigma), 0, 1)
    alpha = np.maximum(ends, head.oval) * np.maximum(alpha, head.oval)
    places = bending(fit, shape)
    place = frame(fit.aim)
    alpha = np.clip(bent(alpha, places, smooth=False), 0, 1)
    outside = bent(np.ones(head.alpha.shape, np.float32), places, smooth=False) < 0.5
    _, down = place.coordinates(shape)
    cut = (alpha > 0.5) & widened(outside, 1.5) & ~outside
    # Beside the face and below the matte fades where the border cuts.
    near = max(1.5, 0.03 * place.height)
    rim = (alpha > 0.4) & widened(outside, near) & ~outside & (down > -0.2)
    return Placed(
        colours=np.clip(bent(colours, places, smooth=True), 0, 1),
        alpha=alpha,
        oval=np.clip(bent(head.oval, places, smooth=False), 0, 1),
        aim=fit.aim,
        frame=place,
        photo=np.clip(bent(image, places, smooth=True), 0, 1),
        neck=bent(neck, places, smooth=False),
        person=np.where(outside, -1, bent(head.alpha, places, smooth=False)).astype(np.float32),
        cut=float(max(cut.sum(), rim.sum() / near)) / place.height,
    )


def in_common(head: Placed, own: Rgb, figure: Head, throat: Plane) -> Plane:
    """How far the figure's photo can stay as it is under the head, as the head's shows the same: (h, w), 0 to 1.

    It does where both show head, body or background, in the same colours: the head's photo in its new tone, `own`
    (h, w, 3), since that would come instead. Of the `throat` (h, w) all or nothing.
    """
    reach = max(0.8, _NEAR * head.frame.height)
    kinds = np.maximum(np.abs(head.person - figure.alpha), np.abs(head.alpha - figure.share * figure.alpha))
    kinds = gaussian(kinds, reach)
    colours = gaussian(greatest(np.abs(own - as_rgb(figure.image))), reach)
    common = np.clip(2 - np.maximum(kinds / _KIND, colours / _SAME), 0, 1).astype(np.float32)
    neck = (throat > 0.5) & (head.alpha < 0.5)
    return common if not neck.any() or common[neck].mean() > _MOSTLY else common * (1 - throat)


def lit(colours: Rgb, change: Shifts) -> Rgb:
    """The `colours` of the head in its new tone."""
    values, move = lab(colours), change.head.astype(np.float32)
    if change.light[1] > change.light[0]:
        values = relit(values, change.light)
    lightness = np.clip(values[..., :1] / np.float32(_LIGHT), 0, 1)
    hues = values[..., 1:] * np.float32(change.colour) + move[1:] * lightness
    return rgb(np.dstack([values[..., 0] + move[0], hues]))


def as_sharp_as(colours: Rgb, head: Placed, reference: Rgb, place: Frame) -> Rgb:
    """`colours` no sharper than the figure's own face was, and with as much grain."""
    ours, theirs = _roughness(colours, head.frame), _roughness(reference, place)
    if ours > theirs * 1.15:
        blurred = (gaussian(colours, sigma) for sigma in np.arange(0.1, 4.0, 0.1))
        return next((image for image in blurred if _roughness(image, head.frame) <= theirs), gaussian(colours, 4.0))
    missing = float(np.sqrt(max(theirs**2 - ours**2, 0)))
    noise = np.random.default_rng(5).normal(0, min(missing, 0.012), colours.shape[:2]).astype(np.float32)
    return np.clip(colours + gaussian(noise, 0.6)[..., None], 0, 1)


def _roughness(image: Rgb, place: Frame) -> float:
    """How strong the finest detail of a face is: the standard deviation of what a small blur takes away."""
    x, y = (int(v) for v in place.centre)
    reach = max(8, round(0.3 * place.height))
    part = image[max(0, y - reach) : y + 2 * reach, max(0, x - reach) : x + reach].mean(axis=2)
    return float((part - gaussian(np.ascontiguousarray(part, np.float32), 1.2)).std())
