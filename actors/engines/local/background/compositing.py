"""Putting a person in front of another background so that they seem to stand there."""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

import numpy as np

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.perception.pose import FEET, Pose
from actors.engines.local.raster import extent, gaussian, lab, rgb, shrunk_values, tallness

_MATCH = np.array([0.0875, 0.21, 0.21], np.float32)
"""The share of the difference in mean lightness and in colour by which the person follows the background."""
_MATCH_LIMIT = np.array([10, 8, 8], np.float32)
_SKIN_SHARE = 0.55
"""Skin follows only so far: people see a wrong skin before anything else."""
_WRAP = 0.25


def feathered(alpha: Plane, blur: float) -> Plane:
    """`alpha` with an edge softened over `blur` pixels, inwards: nothing of the old background comes in."""
    if blur <= 0:
        return alpha
    return np.minimum(alpha, gaussian(shrunk_values(alpha, max(1, round(blur / 2))), max(0.4, blur / 2)))


def colour_matched(foreground: Rgb, alpha: Plane, background: Rgb) -> Rgb:
    """`foreground` moved towards the background's light: its mean L*a*b* by a part of the difference, within limits.

    Source of the idea: Reinhard et al., "Color Transfer between Images" (2001), means only.
    """
    values = lab(foreground)
    solid = alpha > 0.8  # the person, not the mixed edge
    if not solid.any():
        return foreground
    wanted = lab(background[::4, ::4]).reshape(-1, 3).mean(axis=0)
    shift = np.clip((wanted - values[solid].mean(axis=0)) * _MATCH, -_MATCH_LIMIT, _MATCH_LIMIT)
    amount = 1 - (1 - _SKIN_SHARE) * gaussian(_skin(values).astype(np.float32), max(alpha.shape) / 250)
    values += amount[..., None] * shift
    return rgb(values)


def _skin(values: Rgb) -> Mask:
    """Where L*a*b* values can be skin of any shade: reddish yellow, neither grey nor vivid."""
    light, red, yellow = values[..., 0], values[..., 1], values[..., 2]
    chroma = np.hypot(red, yellow)
    hue = np.degrees(np.arctan2(yellow, red))
    return (light > 15) & (light < 95) & (chroma > 9) & (chroma < 50) & (hue > 15) & (hue < 80)  # measured on photos


def wrapped_in_light(foreground: Rgb, alpha: Plane, background: Rgb) -> Rgb:
    """`foreground` with a little of a bright background's light around its edge, as a lens lets it spill."""
    reach = max(alpha.shape) / 300
    share = np.clip(gaussian(1 - alpha, reach) * alpha, 0, 1)[..., None] * np.float32(_WRAP)
    light = np.maximum(foreground, gaussian(background, 3 * reach))
    light -= foreground
    light *= share
    light += foreground
    return light


def with_contact_shadow(background: Rgb, alpha: Plane, person: Pose | None) -> Rgb:
    """`background` with soft shadows where the person's feet stand; as it was when none are in the picture."""
    feet = _standing_feet(alpha, person)
    if not feet:
        return background
    height, width = alpha.shape
    x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    light: Plane = np.ones((height, width), np.float32)
    tall = tallness(alpha > 0.5)
    left, right = min(foot[0] for foot in feet), max(foot[1] for foot in feet)
    lowest = max(foot[2] for foot in feet)
    spots = [((left + right) / 2, lowest - 0.005 * tall, (right - left) / 2 + 0.11 * tall, 0.030 * tall, 0.28)]
    for start, end, ground in feet:
        middle, reach = (start + end) / 2, (end - start) / 2
        spots.append((middle, ground - 0.004 * tall, reach + 0.020 * tall, 0.011 * tall, 0.55))
    for middle, ground, across, deep, dark in spots:
        light *= 1 - np.float32(dark) * np.exp(-(((x - middle) / across) ** 2) - ((y - ground) / deep) ** 2)
    return background * light[..., None]


def _standing_feet(alpha: Plane, person: Pose | None) -> list[tuple[float, float, float]]:
    """For each foot on the ground: its left and right end and the height of its sole, in pixels."""
    if person is None:
        return []
    height, width = alpha.shape
    found: list[tuple[float, float, float]] = []
    for side in (0, 1):
        indices = list(FEET[side::2])
        points, seen = person.points[indices], person.visible[indices]
        inside = (points[:, 0] >= 0) & (points[:, 0] < width) & (points[:, 1] >= 0) & (points[:, 1] < height)
        if not inside.all() or float(seen.mean()) < 0.5:  # more hidden than seen
            continue
        start, end = float(points[:, 0].min()), float(points[:, 0].max())
        top = max(0, int(points[:, 1].min()))
        strip = alpha[top:, max(0, int(start)) : int(end) + 1] > 0.5  # the person
        around = extent(strip)
        sole = float(top + around[0].stop - 1) if around else float(points[:, 1].max())
        if sole < 0.985 * height:  # a foot at the picture's edge is cut off, and stands elsewhere
            found.append((start, end, sole))
    tall = tallness(alpha > 0.5)
    if not found or not tall:
        return []
    lowest = max(foot[2] for foot in found)
    return [foot for foot in found if lowest - foot[2] < 0.10 * tall]


def composited(foreground: Rgb, alpha: Plane, background: Rgb) -> Rgb:
    """`foreground` over `background` by `alpha`."""
    result = foreground - background
    result *= alpha[..., None]
    result += background
    return result
