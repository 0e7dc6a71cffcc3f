"""Turning the raw output of MediaPipe's single-shot detectors into boxes and points.

Source: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (2019), and the anchor
options published with the models (one size per layer, 2 anchors a cell, all offsets 0.5).
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Points, Rgb8
from actors.engines.local.raster import inverse, moved, resized, warped
from actors.engines.local.runtimes import Runtimes


class Detection(Struct, frozen=True):
    """A thing found: how sure (0 to 1), its box (left, top, right, bottom) and key points, in pixels of the picture."""

    score: float
    box: Floats
    points: Points

    @property
    def height(self) -> float:
        return float(self.box[3] - self.box[1])

    @property
    def middle(self) -> Floats:
        """Of the box: x, y."""
        return (self.box[:2] + self.box[2:]) / 2


class Square(Struct, frozen=True):
    """A picture, or a part, in a square: input (1, side, side, 3) and the map (2, 3) from picture to square."""

    pixels: Floats
    matrix: Floats


def letterboxed(image: Rgb8, side: int) -> Square:
    """`image` scaled to fit a square of `side` pixels, centred on black, values -1 to 1."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    small = resized(image, max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (side - small.shape[1]) // 2, (side - small.shape[0]) // 2
    square = np.full((1, side, side, 3), -1, np.float32)
    square[0, top : top + small.shape[0], left : left + small.shape[1]] = small.astype(np.float32) / 127.5 - 1
    scales = small.shape[1] / width, small.shape[0] / height
    return Square(square, np.array([[scales[0], 0, left], [0, scales[1], top]], np.float32))


def turned_square(image: Rgb8, centre: Points, size: float, angle: float, side: int) -> Square:
    """What of `image` is in the square of `size` around `centre`, turned by `angle` (radians), values 0 to 1.

    It is cut from a reduced picture where it is much larger than `side`.
    """
    size = max(size, 8.0)
    cosine, sine = np.cos(angle) * side / size, np.sin(angle) * side / size
    turn = np.array([[cosine, sine], [-sine, cosine]], np.float32)
    matrix = np.column_stack([turn, np.full(2, side / 2, np.float32) - turn @ centre]).astype(np.float32)
    part, onto = image, matrix
    if (reduce := size / side / 1.5) > 1:
        height, width = image.shape[:2]
        part = resized(image, max(1, round(width / reduce)), max(1, round(height / reduce)))
        scales = np.array([width / part.shape[1], height / part.shape[0]], np.float32)
        onto = np.column_stack([matrix[:, :2] * scales, matrix[:, 2]]).astype(np.float32)
    return Square((warped(part, onto, side, side).astype(np.float32) / 255)[None], matrix)


def anchor_centres(side: int, strides: Sequence[int], per_cell: int) -> Points:
    """The centres of the anchors, 0 to 1, in the models' order: layers of the same stride share their cells."""
    layers: list[Floats] = []
    for stride in dict.fromkeys(strides):
        cells = -(-side // stride)
        rows, columns = np.mgrid[0:cells, 0:cells]
        centres = (np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) / cells
        layers.append(np.repeat(centres, per_cell * strides.count(stride), axis=0).astype(np.float32))
    return np.concatenate(layers)


class Detector(Struct, frozen=True):
    """A model that finds things in a square of `side` pixels, values from `low` (-1 or 0) to 1; `anchors` (n, 2)."""

    model: str
    side: int
    anchors: Points
    numbers: int
    low: int = -1

    def found(self, image: Rgb8, runtimes: Runtimes, at_least: float) -> list[Detection]:
        """What is in `image` with a score of `at_least`, overlapping ones merged by their weight, best first."""
        boxed, count = letterboxed(image, self.side), len(self.anchors)
        outputs = runtimes.tflite(self.model, boxed.pixels if self.low else (boxed.pixels + 1) / 2)
        regressors, logits = outputs[1, count, self.numbers][0], outputs[1, count, 1][0, :, 0]
        return _decoded(regressors, logits, self.anchors, self.side, at_least, boxed.matrix)


def _decoded(
    regressors: Floats, logits: Floats, anchors: Points, side: int, at_least: float, matrix: Floats
) -> list[Detection]:
    """Those of which `regressors` (n, 4 + 2 k) and `logits` (n,) tell; `matrix` is the map from picture to input."""
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    chosen = np.flatnonzero(scores >= at_least)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    centres = regressors[chosen, :2] / side + anchors[chosen]
    halves = regressors[chosen, 2:4] / side / 2
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    points = (
        regressors[chosen, 4:].reshape(len(chosen), (regressors.shape[1] - 4) // 2, 2) / side + anchors[chosen][:, None]
    )
    back = inverse(matrix)
    found: list[Detection] = []
    waiting = np.arange(len(chosen))
    while len(waiting):
        together = _overlaps(boxes[waiting[0]], boxes[waiting]) > 0.3  # BlazeFace's threshold
        group = waiting[together]
        weights = (scores[chosen[group]] / scores[chosen[group]].sum()).astype(np.float32)
        box = np.tensordot(weights, boxes[group], 1).reshape(2, 2) * side
        merged = np.tensordot(weights, points[group], 1) * side
        score = float(scores[chosen[waiting[0]]])
        found.append(Detection(score, moved(box, back).reshape(4), moved(merged, back)))
        waiting = waiting[~together]
    return found


def _overlaps(box: Floats, others: Floats) -> Floats:
    """Intersection over union of `box` (4,) with each of `others` (n, 4)."""
    corners = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    sides = np.maximum(corners[1] - corners[0], 0)
    shared = sides[:, 0] * sides[:, 1]
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    own = (box[2] - box[0]) * (box[3] - box[1])
    return shared / (areas + own - shared + 1e-9)
