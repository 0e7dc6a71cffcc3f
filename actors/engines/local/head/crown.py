"""The crown of a head that the upper border of its photo cuts: carried on from the hair beside it."""

import numpy as np
from msgspec import Struct, structs

from actors.engines.local.arrays import Floats
from actors.engines.local.head.portrait import Portrait
from actors.engines.local.raster import bent, components

_FADES, _EYES = 0.03, 0.15
"""Where the outline is looked at, in heights of the face: so far from the border, where a matte fades, to so far above
the eyes."""
_LEAST, _MOST = 0.02, 0.2
"""So much of a head may be missing, in heights of the face: less is nothing, more nobody could guess."""
_UNLIKE = 0.05
"""An outline that is so much longer or shorter than the ellipse's radius, in the mean, is no head's."""
_HAIRS = 0.99, 1.05
"""Hair that stands out further than so fades, in radii: it would meet in a tuft."""
_AIR = 0.15
"""So much room is left above it, in heights of the face."""


class _Arch(Struct, frozen=True):
    """The ellipse whose upper part is a head's outline: its centre, and how far it reaches aside and up, in pixels."""

    x: float
    y: float
    aside: float
    up: float

    def polar(self, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Of these pixels the distances from the centre, 1 on the outline, and the angles from straight up."""
        right, high = (columns - self.x) / self.aside, (self.y - rows) / self.up
        return np.hypot(right, high), np.arctan2(right, high)

    def places(self, radius: Floats, angle: Floats) -> Floats:
        """The pixels (..., 2) there."""
        right, high = radius * np.sin(angle), radius * np.cos(angle)
        return np.stack([self.x + self.aside * right, self.y - self.up * high], axis=-1).astype(np.float32)


def crowned(portrait: Portrait) -> Portrait:
    """`portrait` with room above, where a head ends that its photo's upper border cuts, if but little is missing.

    Such a head is near an ellipse; what is missing is like what is beside it, at the same distance from the centre.
    """
    arch = _arch(portrait)
    if arch is None:
        return portrait
    unit, (height, width) = portrait.frame.height, portrait.alpha.shape
    room = int(np.ceil(arch.up - arch.y + _AIR * unit))
    rows, columns = np.mgrid[-room:height, :width].astype(np.float32)
    radius, angle = arch.polar(columns, rows)
    border = _FADES * unit
    begins = np.arccos(np.clip((arch.y - border) / (arch.up * np.maximum(radius, 1e-3)), 0, 1))
    missing = rows < border
    here = np.stack([columns, rows], axis=-1)
    # Turned over the angles at which the photo begins, from either side.
    sides = [
        np.where(missing[..., None], arch.places(radius, side * (2 * begins - np.minimum(side * angle, begins))), here)
        for side in (-1, 1)
    ]
    from_right = np.clip(0.5 + angle / np.maximum(begins, 1e-3), 0, 1).astype(np.float32)

    def drawn(plane: Floats) -> Floats:
        left, right = (bent(plane, places, smooth=True, edge=True) for places in sides)
        share = from_right[..., None] if plane.ndim == 3 else from_right
        return left + share * (right - left)

    first, last = _HAIRS
    alpha = drawn(portrait.alpha) * np.where(missing, np.clip((last - radius) / (last - first), 0, 1), 1)
    image = np.clip(drawn(portrait.image.astype(np.float32)) + 0.5, 0, 255).astype(np.uint8)
    lower = np.array([0, room], np.float32)
    pose = portrait.pose
    if pose is not None:
        above = np.pad(pose.silhouette, ((room, 0), (0, 0)))
        pose = structs.replace(pose, points=pose.points + lower, silhouette=above)
    return structs.replace(
        portrait,
        image=image,
        alpha=np.clip(alpha, 0, 1).astype(np.float32),
        face=structs.replace(portrait.face, points=portrait.face.points + lower),
        pose=pose,
        frame=structs.replace(portrait.frame, centre=portrait.frame.centre + lower),
    )


def _arch(portrait: Portrait) -> _Arch | None:
    """The ellipse that is nearest to the outline above the eyes, if the border cuts a head's."""
    unit, (x, y) = portrait.frame.height, portrait.frame.centre
    first, last = round(_FADES * unit), round(float(y) - _EYES * unit)
    if portrait.box.top > 0 or last - first < unit / 5:
        return None
    labels, _ = components(portrait.alpha[:last] > 0.5)
    middle = labels[-1, int(np.clip(x, 0, labels.shape[1] - 1))]
    head = (labels == middle)[first:]
    if middle == 0 or not head[0].any():
        return None
    left, right = head.argmax(axis=1), head.shape[1] - 1 - head[:, ::-1].argmax(axis=1)
    columns, rows = np.concatenate([left, right]) / unit, np.tile(np.arange(first, last), 2) / unit
    terms = np.stack([rows**2, columns, rows, np.ones_like(rows)], axis=1)
    flat, across, down, rest = np.linalg.lstsq(terms, -(columns**2), rcond=None)[0]
    if flat <= 0 or (square := (across / 2) ** 2 + (down / 2) ** 2 / flat - rest) <= 0:
        return None
    found = _Arch(-across / 2, -down / (2 * flat), float(np.sqrt(square)), float(np.sqrt(square / flat)))
    if float(np.abs(found.polar(columns, rows)[0] - 1).mean()) > _UNLIKE:
        return None
    # As high as it has to be to be so broad at the border.
    share = (columns[last - first] - columns[0]) / 2 / found.aside
    up = (found.y - first / unit) / float(np.sqrt(max(1 - share**2, 1e-3)))
    if not _LEAST < up - found.y < _MOST:
        return None
    return _Arch(*(unit * float(value) for value in (found.x, found.y, found.aside, up)))
