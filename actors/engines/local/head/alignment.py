"""Where the new head goes: its landmarks on the figure's, moved, tilted and enlarged as one.

Source: Kabsch, "A solution for the best rotation to relate two sets of vectors" (1976), with a scale (Umeyama, 1991).
"""

import numpy as np
from msgspec import Struct
from scipy.spatial.transform import Rotation

from actors.engines.local.arrays import Floats, Points
from actors.engines.local.head.frame import Frame, frame
from actors.engines.local.perception.landmarks import CHIN, FOREHEAD, JAW, LEFT_CHEEK, RIGHT_CHEEK, STEADY
from actors.engines.local.raster import moved

_STEADINESS = np.where(np.isin(np.arange(468), STEADY), 8.0, 1.0)
_WEIGHTS = (_STEADINESS / _STEADINESS.sum()).astype(np.float32)
_CHEEKS = np.where(np.isin(np.arange(468), (RIGHT_CHEEK, LEFT_CHEEK)), np.float32(0.5), np.float32(0))
_AXIS = _WEIGHTS + np.float32(1.2) * (_CHEEKS - _WEIGHTS)
"""Where heads turn: on the neck, behind the face; from the middle of that so many times as far as the cheeks' (1 to 1.4
by the necks of 81 portraits)."""
_HEIGHTS = 0.91, 1.09
"""The face becomes so high, in heights of the figure's, whatever its width: shoulders suit no other."""
_LEVER, _UNSURE = 0.475, 0.02
"""So far before the axis on which a head nods its chin is, likewise: by so much of the sine it is lower when bowed (by
189 portraits); the sine may be so wrong, as where the same head is seen larger."""


class Fit(Struct, frozen=True):
    """The place of a head.

    `aim` (468, 2) is where its landmarks go in the figure's picture; `back` (2, 3) leads from a pixel there to the one
    in its own, `scale` from its pixels to the figure's.
    """

    aim: Points
    back: Floats
    scale: float


def turned(head: Floats, figure: Floats) -> tuple[float, float]:
    """Degrees by which `figure` (468, 3) is turned from `head` (468, 3): out of the picture's plane, and within it."""
    _, rotation = _similarity(head, figure)
    plane = _plane_part(rotation)
    out, roll = (Rotation.from_matrix(part).as_rotvec(degrees=True) for part in (plane.T @ rotation, plane))
    return float(np.linalg.norm(out)), float(roll[2])


def fitted(head: Floats, figure: Floats) -> Fit:
    """Where the landmarks of `head` (468, 3) go on `figure` (468, 3)."""
    scale, rotation = _similarity(head, figure)
    # A flat picture that is turned out of its plane folds at the cheek: only the tilt is taken over.
    rotation = _plane_part(rotation)
    middle, goal = _AXIS @ head, _AXIS @ figure
    other = frame(figure[:, :2])
    aim = scale * (head - middle) @ rotation.T
    size = frame(aim[:, :2])
    # The size of the face by its height and width together.
    ratio = float(np.sqrt(other.height * other.width / (size.height * size.width)))
    low, high = (share * other.height / size.height for share in _HEIGHTS)
    scale *= float(np.clip(ratio, low, high))

    aim = scale * (head - middle) @ rotation.T + goal
    goal = goal + _onto_chin(aim, figure, other)
    inverse = rotation[:2, :2].T / scale
    return Fit(
        aim=(scale * (head - middle) @ rotation.T + goal)[:, :2].astype(np.float32),
        back=np.column_stack([inverse, middle[:2] - inverse @ goal[:2]]).astype(np.float32),
        scale=scale,
    )


def bending(fit: Fit, shape: tuple[int, ...]) -> Floats:
    """For each pixel of the figure's picture the place in the head's: (h, w, 2), x and y."""
    rows, columns = np.indices(shape[:2], np.float32)
    return moved(np.dstack([columns, rows]), fit.back)


def _similarity(start: Floats, goal: Floats) -> tuple[float, Floats]:
    """The scale and the rotation (3, 3) that bring `start` (n, 3) nearest to `goal` (n, 3)."""
    first, second = start - _WEIGHTS @ start, goal - _WEIGHTS @ goal
    found, _ = Rotation.align_vectors(second, first, _WEIGHTS)
    rotation = found.as_matrix().astype(np.float32)
    scale = float((_WEIGHTS @ (second * (first @ rotation.T)).sum(axis=1)) / (_WEIGHTS @ (first**2).sum(axis=1)))
    return scale, rotation


def _plane_part(rotation: Floats) -> Floats:
    """The part of a rotation that stays within the picture's plane."""
    roll = np.arctan2(rotation[1, 0] - rotation[0, 1], rotation[0, 0] + rotation[1, 1])
    return Rotation.from_euler("z", roll).as_matrix().astype(np.float32)


def _onto_chin(aim: Floats, figure: Floats, other: Frame) -> Floats:
    """The shift (3,) that brings the chin to the old one's height, or lower to cover another jaw.

    A head that is bowed further has its chin lower, and one that is held up further higher.
    """
    apart = float(np.hypot(*(figure[list(JAW), :2] - aim[list(JAW), :2]).T).mean())
    low = float((figure[CHIN, :2] - aim[CHIN, :2]) @ other.down) + min(apart, 0.015 * other.height)
    bow = _bowed(aim) - _bowed(figure)
    low += _LEVER * (bow - float(np.clip(bow, -_UNSURE, _UNSURE))) * other.height
    return np.append(other.down * low, 0).astype(np.float32)


def _bowed(face: Floats) -> float:
    """The sine by which a `face` (468, 3) is bowed."""
    chin = face[CHIN] - face[FOREHEAD]
    return float(chin[2] / np.linalg.norm(chin))
