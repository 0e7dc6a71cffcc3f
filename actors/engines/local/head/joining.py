"""Putting the head on: its picture bent into place, its light matched, its edge let into the body."""

# Shares of a face's height and of pixels stand where they are used.
# ruff: noqa: PLR2004

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Rgb, as_rgb
from actors.engines.local.head.alignment import Fit, bending
from actors.engines.local.head.cutting import Head
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.head.shapes import bent, distance_to, widened
from actors.engines.local.head.skin import Shifts
from actors.engines.local.perception.foreground import separated
from actors.engines.local.raster import gaussian, lab, rgb, warped

_COLOUR_SIDE = 640
_FADING = 0.3
"""Long hair that goes on below the source's border fades out over so many heights of the face."""


class Placed(Struct, frozen=True):
    """A head in the figure's picture: colours (h, w, 3), alpha (h, w), its face and its neck (h, w, 0 to 1), its frame.

    `cut` is how long the edge is, in heights of the face, where the source's own border cuts through it.
    """

    colours: Rgb
    alpha: Plane
    oval: Plane
    neck: Plane
    frame: Frame
    cut: float


def placed(portrait: Portrait, head: Head, neck: Plane, fit: Fit, shape: tuple[int, ...]) -> Placed:
    """The head of `portrait` at its place, with its `neck` (h, w, 0 to 1)."""
    image = as_rgb(portrait.image)
    colours, _ = separated(image, portrait.alpha, work_side=_COLOUR_SIDE)
    alpha = head.share * np.maximum(portrait.alpha, head.oval)
    if fit.scale < 0.75:
        sigma = 0.38 / fit.scale
        colours, alpha = gaussian(colours, sigma), gaussian(alpha, sigma)
    places = bending(fit, shape)
    place = frame(fit.aim)
    alpha = np.clip(bent(alpha, places, smooth=False), 0, 1)
    outside = bent(np.ones(portrait.alpha.shape, np.float32), places, smooth=False) < 0.5
    _, down = place.coordinates(shape)
    # Hair that the border cuts below the chin fades out; higher up there is no help.
    low = np.clip((down - place.chin) / 0.2, 0, 1)
    alpha *= 1 - low * np.clip(1 - distance_to(outside) / (_FADING * place.height), 0, 1)
    cut = (alpha > 0.5) & widened(outside, 1.5) & ~outside & (low == 0)
    return Placed(
        colours=np.clip(bent(colours, places, smooth=True), 0, 1),
        alpha=alpha,
        oval=np.clip(bent(head.oval, places, smooth=False), 0, 1),
        neck=np.clip(bent(neck, places, smooth=False), 0, 1),
        frame=place,
        cut=float(cut.sum()) / place.height,
    )


def lit(head: Placed, change: Shifts) -> Rgb:
    """The head's colours with its tone and the fall of its light changed."""
    values = lab(head.colours)
    across, down = head.frame.coordinates(head.alpha.shape)
    values[..., 1:] *= np.float32(change.colour)
    values += change.head.astype(np.float32)
    slope = np.clip(across, -0.6, 0.6) * change.slope[0] + np.clip(down, -0.6, 0.8) * change.slope[1]
    values[..., 0] += slope.astype(np.float32)
    return rgb(values)


def as_sharp_as(colours: Rgb, head: Placed, reference: Rgb, place: Frame) -> Rgb:
    """`colours` no sharper than the figure's own face was, and with as much grain."""
    ours, theirs = _roughness(colours, head.frame), _roughness(reference, place)
    if ours > theirs * 1.15:
        low, high = 0.0, 4.0
        for _ in range(7):
            sigma = (low + high) / 2
            if _roughness(gaussian(colours, max(sigma, 0.05)), head.frame) > theirs:
                low = sigma
            else:
                high = sigma
        return gaussian(colours, max(low, 0.05))
    missing = float(np.sqrt(max(theirs**2 - ours**2, 0)))
    noise = np.random.default_rng(5).normal(0, min(missing, 0.012), colours.shape[:2]).astype(np.float32)
    return np.clip(colours + gaussian(noise, 0.6)[..., None], 0, 1)


def joined(colours: Rgb, head: Placed, body: Rgb, throat: Plane) -> Rgb:
    """The head over `body`, its jaw let in softly and its shadow on the neck; `throat` (h, w) is where neck shows."""
    place = head.frame
    across, down = place.coordinates(head.alpha.shape)
    shaded = body * (1 - _chin_shadow(head, throat, down))[..., None]
    alpha = _soft_jaw(head, across, down)[..., None]
    return np.clip(shaded + alpha * (colours - shaded), 0, 1)


def _chin_shadow(head: Placed, throat: Plane, down: Plane) -> Plane:
    place = head.frame
    near = _fallen(head.oval, place, 0.05, 0.04) * np.float32(0.14)
    far = _fallen(head.oval, place, 0.13, 0.07) * np.float32(0.22)
    low = np.clip((down - place.chin + 0.4) / 0.25, 0, 1)
    # The neck has a shadow of its own already, and what was made has it from there.
    return np.clip(near + far, 0, 1) * throat * low * np.float32(0.4) * (1 - head.oval)


def _fallen(oval: Plane, place: Frame, way: float, blur: float) -> Plane:
    """`oval` moved downwards by `way` and blurred by `blur`, both in heights of the face."""
    matrix = np.eye(2, 3, dtype=np.float32)
    matrix[:, 2] = place.down * place.height * way
    moved: Floats = warped(oval, matrix, oval.shape[1], oval.shape[0])
    return gaussian(moved, max(0.8, blur * place.height))


def _soft_jaw(head: Placed, across: Plane, down: Plane) -> Plane:
    """The head's alpha, fading inwards along the lower jaw."""
    place = head.frame
    blurred = gaussian(head.alpha, max(0.8, 0.018 * place.height))
    low = np.clip((down - place.chin + 0.34) / 0.15, 0, 1) * np.clip(1 - (np.abs(across) - 0.36) / 0.12, 0, 1)
    inner = np.minimum(head.alpha, np.clip(1.7 * blurred - 0.7, 0, 1))
    return head.alpha + low * (inner - head.alpha)


def _roughness(image: Rgb, place: Frame) -> float:
    """How strong the finest detail of a face is: the standard deviation of what a small blur takes away."""
    x, y = (int(v) for v in place.centre)
    reach = max(8, round(0.3 * place.height))
    part = image[max(0, y - reach) : y + 2 * reach, max(0, x - reach) : x + reach].mean(axis=2)
    if part.size == 0:
        return 0.0
    return float((part - gaussian(np.ascontiguousarray(part, np.float32), 1.2)).std())
