"""Where the bones are to go: the reference's directions, the source's own lengths."""

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from actors.engines.local.arrays import Floats
from actors.engines.local.perception.pose import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER
from actors.engines.local.posing.skeleton import (
    ARMS,
    BONES,
    CHAINS,
    CHEST,
    COLLARS,
    HEAD,
    HIPS,
    LEGS,
    LIMBS,
    NECK,
    PELVIS,
    SIDE,
    SKULL,
    Doubles,
    Layer,
    length,
    torso_length,
)

_LIMB_RANGE = (0.72, 1.22)
"""A limb in the picture may become so much shorter or longer than it is in the source."""
_TORSO_RANGE, _WIDTH_RANGE = (0.84, 1.10), (0.88, 1.10)
_NECK_RANGE = (0.88, 1.42)
_NOD = np.radians(18.0)
"""The head follows the reference so far, when it may turn at all."""
_ANKLE = np.radians(22.0)
"""A foot stays with the ground while its shin turns, up to this."""
_BUILD = 1.15
"""Two people's proportions differ by up to this; only what is more is foreshortening."""
_RISE, _MOST_RISE = 0.035, 0.07
"""A shoulder rises by so many torso lengths for each radian that its arm goes up, and the most (measured)."""
_COLLAR = 0.2
"""The share of its arm's turn that a collar bone takes: without it cloth folds on the shoulder."""
_STRAIGHTEN, _WRIST = 0.8, np.radians(65.0)
"""The share of a wrist's bend that is taken out, and the most."""


class Motion(Struct, frozen=True):
    """What happens to a bone.

    `pivot` goes to `place`, it turns by `angle` (radians, not wrapped: the way it takes counts), and it is stretched by
    `along` in the direction `axis` (2,) of the source, by `across` at a right angle.
    """

    pivot: Doubles
    place: Doubles
    angle: float
    axis: Doubles
    along: float
    across: float

    def stretch(self) -> Doubles:
        """The stretch (2, 2), before the turn."""
        return self.across * np.eye(2) + (self.along - self.across) * np.outer(self.axis, self.axis)

    def moved(self, points: Doubles) -> Doubles:
        """`points` (..., 2) where this bone takes them."""
        return self.place + (points - self.pivot) @ self._matrix().T

    def origins(self, points: Doubles) -> Doubles:
        """Where `points` (..., 2), that this bone has taken along, were."""
        return self.pivot + (points - self.place) @ np.linalg.inv(self._matrix()).T

    def taken(self, box: tuple[slice, slice], shape: tuple[int, int]) -> tuple[tuple[slice, slice], Floats]:
        """The rows and columns of a picture of `shape` that what is in `box` may come to; where (h, w, 2) that was."""
        rows, columns = box
        corners = [[x, y] for x in (columns.start, columns.stop) for y in (rows.start, rows.stop)]
        moved = self.moved(np.array(corners, np.float64))
        (left, top), (right, bottom) = moved.min(axis=0).astype(int), moved.max(axis=0).astype(int) + 1
        there = slice(max(0, top), max(0, min(shape[0], bottom))), slice(max(0, left), max(0, min(shape[1], right)))
        y, x = np.mgrid[there]
        return there, self.origins(np.stack([x, y], axis=-1).astype(np.float64)).astype(np.float32)

    def _matrix(self) -> Doubles:
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]]) @ self.stretch()


class Target(Struct, frozen=True):
    """The wanted figure: its joints (38, 2) in pixels, one motion for each of BONES, its size beside the source's."""

    joints: Doubles
    motions: tuple[Motion, ...]
    size: float = 1.0


def retargeted(source: Doubles, reference: Doubles, *, turn_head: bool) -> Target:
    """The figure `source` (38, 2) in the pose of `reference` (38, 2), its pelvis where it was.

    Bones take the reference's directions; their lengths follow its foreshortening within what a flat picture can bear.
    """
    scale = _relative_size(source, reference)
    wanted = source.copy()
    spine = _directed(source, reference, PELVIS, NECK, scale, _TORSO_RANGE)
    wanted[NECK] = wanted[PELVIS] + spine
    for left, right, centre in ((LEFT_SHOULDER, RIGHT_SHOULDER, NECK), (LEFT_HIP, RIGHT_HIP, PELVIS)):
        half = _directed(source, reference, right, left, scale, _WIDTH_RANGE) / 2
        wanted[left], wanted[right] = wanted[centre] + half, wanted[centre] - half
    for limb in ARMS:
        joint = BONES[COLLARS[limb]].end
        wanted[joint] += _rise(limb, source, reference) * spine
    bend = wrapped(angle_of(spine) - angle_of(source[NECK] - source[PELVIS]))
    motions: dict[int, Motion] = {}
    motions[CHEST] = _torso(source, wanted, NECK, (RIGHT_SHOULDER, LEFT_SHOULDER), bend)
    motions[HIPS] = _torso(source, wanted, PELVIS, (RIGHT_HIP, LEFT_HIP), bend)
    motions[SKULL] = _head(source, reference, wanted, bend, scale, turn=turn_head)
    for limb, chain in CHAINS.items():
        previous = 0.0
        for order, index in enumerate(chain):
            bone = BONES[index]
            if order < 2:  # noqa: PLR2004 - hands and feet go with what they hang on
                step = _directed(source, reference, bone.start, bone.end, scale, _LIMB_RANGE)
                wanted[bone.end] = wanted[bone.start] + step
            if order == 0:
                angle = _at_body(limb, source, reference, bone.start, bone.end, bend)
            elif order == 1:
                angle = previous + _joint_change(source, reference, BONES[chain[0]].start, bone.start, bone.end)
            else:
                angle = previous + _end_change(source, chain, previous)
            motions[index] = _limb(source, wanted, index, angle)
            if order == 0 and limb in ARMS:
                motions[COLLARS[limb]] = _collar(source, wanted, limb, bend + _COLLAR * (angle - bend))
            if order == 2:  # noqa: PLR2004 - the same
                ends = [bone.end, bone.end - 2] if limb in LEGS else [bone.end]  # a toe with its heel
                wanted[ends] = motions[index].moved(source[ends])
            previous = angle
    wanted[HEAD] = motions[SKULL].moved(source[[HEAD]])[0]
    return Target(wanted, tuple(motions[index] for index in range(len(BONES))))


def placed(target: Target, scale: float, shift: Doubles) -> Target:
    """`target` made smaller around the picture's origin by `scale`, then moved by `shift` (2,)."""
    motions = tuple(
        replace(m, place=m.place * scale + shift, along=m.along * scale, across=m.across * scale)
        for m in target.motions
    )
    return Target(target.joints * scale + shift, motions, target.size * scale)


def _relative_size(source: Doubles, reference: Doubles) -> float:
    """How much larger the source is: the median over torso and legs, which turn least towards the camera."""
    ratios = [length(source, a, b) / max(length(reference, a, b), 1e-6) for a, b in ((NECK, PELVIS), *LIMBS[4:])]
    return float(np.median(ratios))


def _directed(
    source: Doubles, reference: Doubles, start: int, end: int, scale: float, limits: tuple[float, float]
) -> Doubles:
    theirs = length(reference, start, end)
    ratio = _foreshortening(theirs * scale / length(source, start, end))
    wanted = length(source, start, end) * float(np.clip(ratio, *limits))
    return (reference[end] - reference[start]) / max(theirs, 1e-6) * wanted


def _foreshortening(ratio: float) -> float:
    """What of a ratio of lengths is more than two people's bodies differ by."""
    return ratio / float(np.clip(ratio, 1 / _BUILD, _BUILD))


def _rise(limb: Layer, source: Doubles, reference: Doubles) -> float:
    """How far a shoulder rises, as a share of the torso: it goes up and down with its arm."""
    start, end = BONES[CHAINS[limb][0]].start, BONES[CHAINS[limb][0]].end
    before, after = (abs(_outwards(figure, start, end, SIDE[limb])) for figure in (source, reference))
    return float(np.clip(_RISE * (after - before), -_MOST_RISE, _MOST_RISE))


def _torso(source: Doubles, wanted: Doubles, centre: int, line: tuple[int, int], bend: float) -> Motion:
    """One end of the torso: it turns with the spine and with the line of its joints."""
    tilt = wrapped(angle_of(wanted[line[1]] - wanted[line[0]]) - angle_of(source[line[1]] - source[line[0]]))
    spine = source[NECK] - source[PELVIS]
    return Motion(
        source[centre],
        wanted[centre],
        (bend + tilt) / 2,
        spine / np.hypot(*spine),
        torso_length(wanted) / torso_length(source),
        length(wanted, *line) / max(length(source, *line), 1e-6),
    )


def _head(source: Doubles, reference: Doubles, wanted: Doubles, bend: float, scale: float, *, turn: bool) -> Motion:
    """The head keeps its shape; it only moves, and turns in the picture's plane if it may.

    Shoulders rise with the arms: the neck follows the reference's length.
    """
    offset = source[HEAD] - source[NECK]
    tilt = wrapped(angle_of(reference[HEAD] - reference[NECK]) - angle_of(offset))
    angle = float(np.clip(tilt, -_NOD, _NOD)) if turn else 0.0
    lean = angle if turn else float(np.clip(bend, -_NOD / 2, _NOD / 2))
    ratio = length(reference, NECK, HEAD) * scale / length(source, NECK, HEAD)
    stretch = np.clip(_foreshortening(ratio), *_NECK_RANGE)
    place = wanted[NECK] + float(stretch) * _turned(offset, lean)
    return Motion(source[HEAD], place, angle, offset / np.hypot(*offset), 1.0, 1.0)


def _limb(source: Doubles, wanted: Doubles, index: int, angle: float) -> Motion:
    bone = BONES[index]
    along = source[bone.end] - source[bone.start]
    axis = along / max(float(np.hypot(*along)), 1e-6)
    last = index == CHAINS[bone.layer][2]
    ratio = 1.0 if last else length(wanted, bone.start, bone.end) / max(length(source, bone.start, bone.end), 1e-6)
    return Motion(source[bone.start], wanted[bone.start], angle, axis, ratio, 1.0)


def _collar(source: Doubles, wanted: Doubles, limb: Layer, angle: float) -> Motion:
    """The shoulder goes to its place, and turns a little: a chest that turns with its arm bulges."""
    joint = BONES[COLLARS[limb]].end
    return Motion(source[joint], wanted[joint], angle, np.array([1.0, 0.0]), 1.0, 1.0)


def _at_body(limb: Layer, source: Doubles, reference: Doubles, start: int, end: int, bend: float) -> float:
    """The turn of a limb at the body.

    An arm goes on the outer side, from hanging over sideways to above the head, never through the torso.
    """
    before, after = _outwards(source, start, end, SIDE[limb]), _outwards(reference, start, end, SIDE[limb])
    if limb in ARMS:
        return bend - SIDE[limb] * (_on_outer_side(after) - _on_outer_side(before))
    return bend - SIDE[limb] * wrapped(after - before)


def _on_outer_side(angle: float) -> float:
    """An arm's angle from hanging (0) over sideways to above the head and beyond, without a jump there."""
    return angle + 2 * np.pi if angle < np.radians(-100) else angle


def _outwards(figure: Doubles, start: int, end: int, side: int) -> float:
    """The angle between a limb and the downward spine, positive away from the body."""
    down = figure[PELVIS] - figure[NECK]
    out = np.array([down[1], -down[0]]) * side
    limb = figure[end] - figure[start]
    return float(np.arctan2(limb @ out, limb @ down))


def _joint_change(source: Doubles, reference: Doubles, first: int, second: int, third: int) -> float:
    """How much more a joint bends; through straight, never through itself."""
    bends = [
        wrapped(angle_of(figure[third] - figure[second]) - angle_of(figure[second] - figure[first]))
        for figure in (source, reference)
    ]
    return bends[1] - bends[0]


def _end_change(source: Doubles, chain: tuple[int, ...], before: float) -> float:
    """How much a hand or foot turns beyond the bone it hangs on, which has turned by `before`.

    A foot stays with the ground; a hand goes most of the way to being in line with its forearm.
    """
    bone, holder = BONES[chain[2]], BONES[chain[1]]
    if bone.layer in LEGS:
        return -float(np.clip(0.65 * wrapped(before), -_ANKLE, _ANKLE))
    bend = wrapped(
        angle_of(source[bone.end] - source[bone.start]) - angle_of(source[holder.end] - source[holder.start])
    )
    return -float(np.clip(_STRAIGHTEN * bend, -_WRIST, _WRIST))


def angle_of(vector: Doubles) -> float:
    """The angle of a vector (2,) with the picture's right, clockwise."""
    return float(np.arctan2(vector[1], vector[0]))


def wrapped(angle: float) -> float:
    """`angle` from -pi to pi."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _turned(vector: Doubles, angle: float) -> Doubles:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * vector[0] - sine * vector[1], sine * vector[0] + cosine * vector[1]])
