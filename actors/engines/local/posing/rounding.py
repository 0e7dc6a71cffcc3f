"""The outline around joints that turn: without the humps, notches and tears that a bend leaves there."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Mask, Plane, Rgb
from actors.engines.local.filling.smooth import smooth_fill
from actors.engines.local.posing.shapes import around, distance_to_line, near
from actors.engines.local.posing.skeleton import ARMS, BONES, CHAINS, CHEST, HIPS, LEGS, Doubles, torso_length
from actors.engines.local.posing.targets import Target
from actors.engines.local.raster import gaussian, grown

_SHOULDER, _OTHER = (0.04, 0.4), (0.025, 0.25)
"""Details of the outline below the first go, as far away as the second, in torso lengths: at shoulders, and at elbows,
hips and sides."""
_FULL = 0.6
"""Up to this share of that all of them go."""
_ARMPIT = 0.3
"""So far from the shoulder to the hip the body's side begins; it ends in the middle of the thigh, where hands hang."""
_TURNED = np.radians(10.0)
"""Where a joint turns by less, only smaller ones go."""
_KNUCKLES, _HAND = 0.3, 0.14
"""From this share of a hand's bone on nothing so near to it is rounded: fingers. In torso lengths."""
_HEAD, _SOLID = 0.1, 0.98
"""Alpha from which a pixel has something of the head, and from which it has nothing of the background."""


class Bend(Struct, frozen=True):
    """Where details below `size` are rounded off: up to `reach` from the line between two points (2,), in pixels."""

    start: Doubles
    end: Doubles
    size: float
    reach: float


def bends(target: Target) -> list[Bend]:
    """The joints that turn by so much that it would be seen, and the body's sides that arms turn at."""
    joints, angles = target.joints, [motion.angle for motion in target.motions]
    unit, result = torso_length(joints), list[Bend]()

    def bend(start: Doubles, end: Doubles, turn: float, details: tuple[float, float]) -> None:
        size = min(1.0, abs(turn) / _TURNED) * details[0] * unit
        if size >= 1:
            result.append(Bend(start, end, size, details[1] * unit))

    for arm, leg in zip(ARMS, LEGS, strict=True):
        upper, lower, thigh = CHAINS[arm][0], CHAINS[arm][1], CHAINS[leg][0]
        shoulder, elbow, hip, knee = (
            joints[joint] for joint in (BONES[upper].start, BONES[upper].end, BONES[thigh].start, BONES[thigh].end)
        )
        turn = angles[upper] - angles[CHEST]
        bend(shoulder, shoulder, turn, _SHOULDER)
        bend(elbow, elbow, angles[lower] - angles[upper], _OTHER)
        bend(hip, hip, angles[thigh] - angles[HIPS], _OTHER)
        bend(shoulder + _ARMPIT * (hip - shoulder), (hip + knee) / 2, turn, _OTHER)
    return result


def head_and_hands(head: Plane, target: Target) -> Mask:
    """Where the head is, whose alpha `head` (h, w) is, or fingers may be."""
    result: Mask = head > _HEAD
    for bone in (BONES[CHAINS[arm][-1]] for arm in ARMS):
        start, end = target.joints[bone.start], target.joints[bone.end]
        result |= near(start + _KNUCKLES * (end - start), end, _HAND * torso_length(target.joints), head.shape)
    return result


def round_off(picture: Rgb, cover: Plane, where: Sequence[Bend], kept: Mask) -> None:
    """Round the outline of the figure `cover` (h, w) at bends, but for what is `kept` (h, w).

    `picture` (h, w, 3) is weighted by `cover`; what is added has the colours beside it.
    """
    for bend in where:
        box = around(bend.start, bend.end, bend.reach, cover.shape)
        before = cover[box].copy()
        if not before.size:
            continue
        away = distance_to_line(bend.start, bend.end, cover.shape, box) / np.float32(bend.reach)
        share = np.clip((1 - away) / (1 - _FULL), 0, 1)
        share *= 1 - gaussian(grown(kept[box], round(bend.size)).astype(np.float32), bend.size)
        # Where nothing is rounded the edge is as soft as it was, else a pixel or two.
        steep = 1 + share * np.float32(1.25 * bend.size - 1)
        level = before + (gaussian(before, bend.size) - before) * share
        after = np.where(share > 0, np.clip((level - 0.5) * steep + 0.5, 0, 1), before)
        straight = picture[box] / np.maximum(before, np.float32(1e-3))[..., None]
        filled = smooth_fill(straight, (before > _SOLID).astype(np.float32))
        own = np.clip(before / np.maximum(after, np.float32(1e-3)), 0, 1)[..., None]
        changed = (after != before)[..., None]
        picture[box] = np.where(changed, (filled + (straight - filled) * own) * after[..., None], picture[box])
        cover[box] = after
