"""How good a head swap is, in numbers.

Identity is judged by dlib's face embedding (`face_recognition_models` 0.3.0, `dlib-bin` 20.0.1): distances below 0.6
are taken for the same person. It is used here and in tests only.
"""

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Mask, Points, Rgb8, as_rgb
from actors.engines.local.head.edit import PLAN, Swap, swapped
from actors.engines.local.head.frame import frame
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.landmarks import LEFT_EYE, RIGHT_EYE, landmarks
from actors.engines.local.perception.pose import LEFT_SHOULDER, RIGHT_SHOULDER, pose
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.raster import gaussian, lab
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.shapes import widened
from actors.engines.local.steps import Steps
from schema.models.edits import HeadSwapConfig

_NOTICED = 2.3
"""A difference in L*a*b* that is just noticed (Mahy and others, 1994): a smooth neck may have as much."""
_LEAST_NECK = 0.02
"""In squares of the face's height."""


TARGETS = {
    "landmarks": (0, 0.03),
    "to_source": (0, 0.45),
    "to_figure": (0.6, 2),
    "untouched": (0.99, 1),
    "neck_step": (0, 1),
    "proportion": (0.88, 1.12),
}
"""What each measure is to be, from and to."""


class Measures(Struct):
    """What is told of a swap.

    `untouched` is None where nothing has to stay, `neck_step` where no neck shows to be compared, `proportion` where no
    shoulders are found.
    """

    landmarks: float
    to_source: float
    to_figure: float
    untouched: float | None
    neck_step: float | None
    proportion: float | None
    seconds: float


class Identity:
    """Embeddings (128,) of faces."""

    def __init__(self) -> None:
        import dlib  # noqa: PLC0415 - only a development machine has it

        spec = importlib.util.find_spec("face_recognition_models")
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("face_recognition_models is a development dependency")
        models = Path(spec.submodule_search_locations[0]) / "models"
        library: Any = dlib
        self._rectangle: Any = library.rectangle
        self._points: Any = library.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        network = models / "dlib_face_recognition_resnet_model_v1.dat"
        self._network: Any = library.face_recognition_model_v1(str(network))

    def of(self, image: Rgb8, points: Points) -> Floats:
        """The embedding of the face with these landmarks (468, 2)."""
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        shape = self._points(image, self._rectangle(int(left), int(top), int(right), int(bottom)))
        return np.array(self._network.compute_face_descriptor(image, shape), np.float32)


def face_points(image: Rgb8, runtimes: Runtimes) -> Points:
    """The landmarks of the largest face."""
    found = max(faces(image, runtimes), key=lambda face: face.height)
    return landmarks(image, found, runtimes).points


def landmark_error(swap: Swap, runtimes: Runtimes) -> float:
    """Mean distance of the landmarks in the result from where they were aimed at, in distances of the eyes."""
    found = face_points(swap.image, runtimes)
    aim = swap.aim + np.array([swap.box.left, swap.box.top], np.float32)
    eyes = aim[list(LEFT_EYE)].mean(axis=0) - aim[list(RIGHT_EYE)].mean(axis=0)
    return float(np.hypot(*(found - aim).T).mean() / np.hypot(*eyes))


def untouched(swap: Swap, canvas: Rgb8, allowed: Mask) -> float | None:
    """The share of pixels outside `allowed` (h, w) that are exactly as they were; None if all of them are inside."""
    same = (swap.image == canvas).all(axis=2)
    return None if allowed.all() else float(same[~allowed].mean())


def changeable(swap: Swap, canvas: Rgb8) -> Mask:
    """Where a swap may change the figure: the new head, what was filled in, and skin."""
    box = swap.box
    mask = np.zeros(canvas.shape[:2], np.bool_)
    mask[box.top : box.bottom, box.left : box.right] = (swap.head > 0) | (swap.made > 0) | (swap.throat > 0)
    values = lab(as_rgb(canvas))
    chroma = np.hypot(values[..., 1], values[..., 2])
    hue = np.degrees(np.arctan2(values[..., 2], values[..., 1]))
    # Dark skin has little chroma.
    skin = (chroma > np.clip(values[..., 0] / 7, 1.5, 5)) & (hue > 5) & (hue < 95)
    return widened(mask, 3) | widened(skin, 3)


def neck_step(swap: Swap) -> float | None:
    """The colour difference across the seam between made and real neck, over the same within the real neck.

    Both between places a hundredth of the face's height apart on either side, medians of L*a*b* distances over the
    whole length; None if there is no such seam, or too little real neck to compare with.
    """
    box = swap.box
    part = as_rgb(np.ascontiguousarray(swap.image[box.top : box.bottom, box.left : box.right]))
    unit = frame(swap.aim).height
    bare = (swap.throat > 0.6) & ~widened(swap.head > 0.01, 0.01 * unit)  # the jaw's own edge is no seam
    made = swap.made > 0.5
    reach = max(2, round(0.012 * unit))
    values = lab(gaussian(part, max(0.7, 0.004 * unit)))
    seam = _differences(values, bare, made, reach)
    inside = _differences(values, bare & ~made, np.zeros_like(made), reach)
    if len(seam) < 10 or len(inside) < _LEAST_NECK * unit**2:
        return None
    return float(np.median(seam) / max(float(np.median(inside)), _NOTICED))


def _differences(values: Floats, area: Mask, made: Mask, reach: int) -> Floats:
    """Differences between pixels of `area`, 2 * `reach` apart downwards; if anything is `made`, across its edge."""
    step = 2 * reach
    both = area[:-step] & area[step:]
    if made.any():
        both &= made[:-step] != made[step:]
    return np.sqrt(((values[:-step] - values[step:]) ** 2).sum(axis=2))[both]


def proportion(swap: Swap, canvas: Rgb8, runtimes: Runtimes) -> float | None:
    """Height of the face over breadth of the shoulders, over the same of the figure as it was; None without a pose."""
    person = pose(canvas, runtimes)
    if person is None:
        return None
    shoulders = float(np.hypot(*(person.points[LEFT_SHOULDER] - person.points[RIGHT_SHOULDER])))
    was, now = (frame(points).height for points in (face_points(canvas, runtimes), swap.aim))
    return (now / shoulders) / (was / shoulders)


def measured(
    photo: Picture, canvas: Picture, config: HeadSwapConfig, runtimes: Runtimes, identity: Identity
) -> tuple[Measures, Rgb8]:
    """Make the swap and measure it.

    Raises:
        EngineError: the photos are refused.
    """
    steps = Steps(PLAN, lambda _percent, _words: None, lambda: False)
    started = time.process_time()
    swap = swapped(photo, canvas, config, runtimes, steps)
    seconds = time.process_time() - started
    result = identity.of(swap.image, face_points(swap.image, runtimes))
    source = identity.of(photo.image, face_points(photo.image, runtimes))
    figure = identity.of(canvas.image, face_points(canvas.image, runtimes))
    measures = Measures(
        landmarks=landmark_error(swap, runtimes),
        to_source=float(np.linalg.norm(result - source)),
        to_figure=float(np.linalg.norm(result - figure)),
        untouched=untouched(swap, canvas.image, changeable(swap, canvas.image)),
        neck_step=neck_step(swap),
        proportion=proportion(swap, canvas.image, runtimes),
        seconds=seconds,
    )
    return measures, swap.image
