"""Tones: which one a face has, how two come together, and giving skin another with its texture kept.

Source of the idea: Reinhard et al., "Color Transfer between Images" (2001): means in a perceptual colour space.
"""

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Points, Rgb
from actors.engines.local.head.frame import frame
from actors.engines.local.perception.landmarks import EYES_AND_MOUTH, OVAL
from actors.engines.local.raster import rgb
from actors.engines.local.shapes import narrowed, polygon, widened

_HEAD_SHARE = 0.35
"""The head's own tone moves so far towards the figure's at full strength: it has to stay somebody's face."""
_HEAD_LIMIT, _HEAD_FAR = np.array([9, 4, 4], np.float32), np.array([14, 6, 6], np.float32)
"""No further than the one; or than the other, where it comes all the way."""
_BRIGHTER, _BRIGHT = 20.0, 72.0
"""Light makes it no brighter than by so much, nor than that, or it burns out; and never darker: that looks muddy."""
GREY, _COLOURED = 4.0, 19.0
"""Chroma below which a face is that of a black-and-white photo, and which it has at least where the figure isn't."""
_OPEN, _LID, _FEW, _GLASS = 0.2, 0.008, 12, 2.5
"""Eyes less open, in parts of their breadth, show no whites; nor do they so near to a lid, in heights of the face, in
fewer pixels, or where skin has more than that many times as much light (its cube root), behind dark glasses."""
_DOUBT = np.array([1000, 3, 3], np.float32)
"""So much of that in L*a*b* may be the eyes' own."""
_FULL = 0.75
"""From this strength on the figure's skin takes the head's tone completely."""
_FLATTER = 0.25
_FADING = (50, 75), (0.7, -0.1)
"""Hue fades in the shade with this power of light in dark skins, and hardly changes in light ones (107 limbs)."""
SEEN = 0.2
"""A change in L*a*b* below which nothing is to be seen."""


class Tone(Struct, frozen=True):
    """A skin's mean L*a*b* (3,) and how far its colours spread (3,); those of each eye's white (2, 3), if seen."""

    mean: Floats
    spread: Floats
    whites: Floats | None = None


def face_tone(values: Floats, points: Points) -> Tone:
    """The tone of the face with these landmarks, from L*a*b* `values` (h, w, 3)."""
    place = frame(points)
    reach = max(1, round(0.05 * place.height))
    skin = narrowed(polygon(values.shape, points[list(OVAL)]) > 0.5, reach)
    for outline in EYES_AND_MOUTH:
        skin &= ~widened(polygon(values.shape, points[list(outline)]) > 0.5, reach)
    _, down = place.coordinates(values.shape)
    skin &= (down > -0.22) & (down < 0.33)  # a fringe may hang over the forehead, and a beard grow below
    found = values[skin]
    if len(found) < 16:
        return Tone(values.reshape(-1, 3).mean(axis=0), np.full(3, 5, np.float32))
    away = np.abs(found - np.median(found, axis=0)).mean(axis=1)
    kept = away <= np.percentile(away, 75)
    mean = found[kept].mean(axis=0)
    return Tone(mean, found[kept].std(axis=0), _whites(values, points, float(mean[0])))


def _whites(values: Floats, points: Points, skin: float) -> Floats | None:
    """L*a*b* (2, 3) of the whites of the eyes of a face whose `skin` is so light, if they are seen."""
    reach, found = _LID * frame(points).height, list[Floats]()
    for outline in EYES_AND_MOUTH[:2]:
        lids = points[list(outline)]
        inside = values[narrowed(polygon(values.shape, lids) > 0.5, reach)]
        high = float(np.linalg.norm(lids[1:3] - lids[:3:-1], axis=1).mean())
        if high < _OPEN * float(np.linalg.norm(lids[0] - lids[3])) or len(inside) < _FEW:
            return None
        lightest = inside[inside[:, 0] >= np.percentile(inside[:, 0], 60)]
        found.append(np.median(lightest, axis=0))
    whites = np.array(found)
    return whites if _GLASS * (whites[:, 0].mean() + 16) > skin + 16 else None


class Shifts(Struct, frozen=True):
    """What to add to L*a*b*: to the head (3,) and to the figure's skin (3,).

    Before that the head's light changes as skin does from the first L* of `light` to the second, and its own colours
    are multiplied by `colour`: 0 on a black-and-white figure. `taken` is how far the figure's skin takes the head's
    tone, 0 to 1.
    """

    head: Floats
    body: Floats
    taken: float
    colour: float = 1.0
    light: tuple[float, float] = (0, 0)


def shifts(head: Tone, figure: Tone, strength: float, *, head_alone: bool = False) -> Shifts:
    """How the two are brought together; `strength` 0 leaves both as they are.

    With the `head_alone` moved, what is to add to the figure's skin is what stays between the two.
    """
    taken = min(1.0, strength / _FULL)
    share, limit = (taken, _HEAD_FAR) if head_alone else (_HEAD_SHARE * strength, _HEAD_LIMIT)
    lighter = 0.0 if head_alone else _light(head, figure) * taken  # alone it comes all the way anyway
    light = float(head.mean[0]), float(head.mean[0]) + lighter
    mean: Floats = relit(head.mean[None, None], light)[0, 0] if light[1] > light[0] else head.mean
    apart = figure.mean - mean
    tint = _tint(head, figure) * np.float32(0 if head_alone else taken)
    own = tint + np.clip((apart - tint) * share, -limit, limit)
    if float(np.hypot(*figure.mean[1:])) < GREY:  # black and white: nothing tells skin from clothes there
        return Shifts(own * np.array([1, 0, 0], np.float32), np.zeros(3, np.float32), taken, 0.0, light)
    if float(np.hypot(*head.mean[1:])) < GREY:
        chroma = float(np.hypot(*figure.mean[1:]))
        own = np.array([own[0], *(figure.mean[1:] * (max(chroma, _COLOURED) / chroma) - mean[1:])], np.float32)
    return Shifts(own, (own - apart) * taken, taken, light=light)


def _light(head: Tone, figure: Tone) -> float:
    """What of the difference in L* is their photos' light: what skin and whites of the eyes agree on."""
    if head.whites is None or figure.whites is None:
        return 0.0
    skin, other = float(head.mean[0]), float(figure.mean[0])
    ours, theirs = (float(it[:, 0].mean()) + 16 for it in (head.whites, figure.whites))
    return max(0.0, min(other - skin, (skin + 16) * (theirs / ours - 1), _BRIGHTER, _BRIGHT - skin))


def _tint(head: Tone, figure: Tone) -> Floats:
    """The same of a* and b*: (3,), as far as skin and each of the eyes agree."""
    if head.whites is None or figure.whites is None:
        return np.zeros(3, np.float32)
    apart = np.concatenate([[figure.mean - head.mean], *(figure.whites - eye for eye in head.whites)])
    agreed = np.maximum(apart.min(axis=0), 0) + np.minimum(apart.max(axis=0), 0)
    return (np.sign(agreed) * np.maximum(np.abs(agreed) - _DOUBT, 0)).astype(np.float32)


def relit(values: Floats, light: tuple[float, float]) -> Floats:
    """L*a*b* `values` in so much more light that skin of the first L* has the second.

    There is as many times as much, but that it comes nearer to white without burning out (what is multiplied are the
    odds of its square), and hues grow by half as much as it.
    """
    old, new = (((it + 16) / 116) ** 6 for it in light)
    before = values[..., :1] + np.float32(16)
    power = np.clip((before / 116) ** 6, 1e-6, 0.999)
    odds = power / (1 - power) * np.float32(new / (1 - new) / (old / (1 - old)))
    after = 116 * (odds / (1 + odds)) ** np.float32(1 / 6)
    return np.concatenate([after - 16, values[..., 1:] * np.sqrt(after / before)], axis=2)


def other_hue(values: Floats, mean: Floats, least: float = 1.0, most: float = 1.0) -> Plane:
    """How far a* and b* are from those of skin of the colour `mean` in the light that each pixel has.

    With the light they change as L* + 16 does. In a glint, which is the lamp's own light, the `least` of that may be
    left, and in the shade, where light comes from skin, there may be at `most` so many times as much.
    """
    light = np.clip((values[..., 0] + np.float32(16)) / np.float32(max(float(mean[0]), 5) + 16), 0.1, 1.3)
    red, yellow = (light * np.float32(mean[hue]) for hue in (1, 2))
    share = (values[..., 1] * red + values[..., 2] * yellow) / np.maximum(red * red + yellow * yellow, 1)
    share = np.where(light > 1, np.clip(share, least, 1), np.clip(share, 1, most))
    return np.hypot(values[..., 1] - share * red, values[..., 2] - share * yellow).astype(np.float32)


def retoned(values: Floats, shift: Floats, share: Plane, mean: Floats) -> Rgb:
    """Skin of the tone `mean` moved by `shift` where `share` says: (h, w, 3) sRGB.

    The same light falls on the new skin, so that there is as many times as much of it; where that is more, lights come
    nearer to white without ever burning out (what is multiplied are the odds). What is redder than the rest is so in
    the same parts of its hue, which is turned and made stronger or weaker as a whole.
    """
    old, new = (_luminance(np.array([[it]], np.float32)) for it in (mean, mean + shift))
    light = _luminance(values)
    # A light skin has less contrast.
    odds = (new / (1 - new)) * (light / (1 - light) / (old / (1 - old))) ** np.clip((old / new) ** _FLATTER, 0.6, 1)
    after = 116 * np.cbrt(np.where(new > old, odds / (1 + odds), light * (new / old))) - 16
    first, last = (complex(float(it[1]), float(it[2])) for it in (mean, mean + shift))
    turn = last / first if abs(first) > 0 else 1
    turn /= max(1, abs(turn))  # glints and noise don't grow
    first_fades, last_fades = np.interp([mean[0], mean[0] + shift[0]], *_FADING).tolist()
    level = float(np.average(values[..., 0], weights=np.maximum(share, 1e-6)))
    shade = np.clip((values[..., 0] + 16) / (level + 16), 0.4, 1.4) ** (last_fades - first_fades)
    more = (last - first * turn) * np.clip(values[..., 0] / max(float(mean[0]), 1), 0, 1)
    hues = ((values[..., 1] + 1j * values[..., 2]) * turn + more) * shade
    moved = rgb(np.dstack([after, hues.real, hues.imag]).astype(np.float32))
    image = np.clip(rgb(values), 0, 1)
    return (image + share[..., None] * (moved - image)).astype(np.float32)


def _luminance(values: Floats) -> Plane:
    """Linear light, neither none nor all, of L*a*b* `values`."""
    return np.clip(((values[..., 0] + 16) / 116) ** 3, 0.0005, 0.9995)
