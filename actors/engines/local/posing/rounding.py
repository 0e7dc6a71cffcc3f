"""The outline around the shoulders of arms that turn: without the humps, notches and torn armpits a bend leaves."""

from collections.abc import Sequence

import numpy as np

from actors.engines.local.arrays import Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.posing.shapes import around, distance_to_line
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, CHEST, Doubles
from actors.engines.local.posing.targets import Target
from actors.engines.local.raster import gaussian, grown

_TURNED = np.radians(10.0)
"""A shoulder whose arm turns less stays as it is."""
_SIZE, _REACH, _FULL = 0.04, 0.4, 0.24
"""In torso lengths: details below the first go, as far from the joint as the second, all of them up to the third."""
_HEAD, _SOLID = 0.1, 0.98
"""Alpha from which a pixel has something of the head, and from which it has nothing of the background."""


def turned_shoulders(target: Target) -> list[Doubles]:
    """Where the shoulders (2,) of arms are that turn."""
    chest = target.motions[CHEST].angle
    turns = {BONES[CHAINS[arm][0]].start: target.motions[CHAINS[arm][0]].angle for arm in ARMS}
    return [target.joints[joint] for joint, turn in turns.items() if abs(turn - chest) > _TURNED]


def round_off(picture: Rgb, cover: Plane, shoulders: Sequence[Doubles], head: Plane, unit: float) -> None:
    """Round the outline of the figure `cover` (h, w) around `shoulders`, where `head` (h, w) isn't seen.

    `picture` (h, w, 3) is weighted by `cover`; what is added has the colours beside it. `unit` is the torso's length.
    """
    size = max(1.0, _SIZE * unit)
    for joint in shoulders:
        box = around(joint, joint, _REACH * unit, cover.shape)
        before = cover[box].copy()
        if not before.size:
            continue
        away = distance_to_line(joint, joint, cover.shape, box) / np.float32(unit)
        share = np.clip((_REACH - away) / (_REACH - _FULL), 0, 1)
        share *= 1 - gaussian(grown(head[box] > _HEAD, round(size)).astype(np.float32), size)
        # Where nothing is rounded the edge is as soft as it was, else a pixel or two.
        steep = 1 + share * np.float32(max(0.0, 1.25 * size - 1))
        level = before + (gaussian(before, size) - before) * share
        after = np.where(share > 0, np.clip((level - 0.5) * steep + 0.5, 0, 1), before)
        straight = picture[box] / np.maximum(before, np.float32(1e-3))[..., None]
        filled = smooth_fill(straight, (before > _SOLID).astype(np.float32))
        own = np.clip(before / np.maximum(after, np.float32(1e-3)), 0, 1)[..., None]
        changed = (after != before)[..., None]
        picture[box] = np.where(changed, (filled + (straight - filled) * own) * after[..., None], picture[box])
        cover[box] = after
