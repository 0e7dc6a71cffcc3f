"""Making one edit as users would get it, and looking at it: whether it was made, how it compares, what it shows."""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct

from actors.engines.local.arrays import Floats, Plane, Rgb8, as_rgb, as_rgb8
from actors.engines.local.background.compositing import composited
from actors.engines.local.background.edit import PLAN as BACKGROUND_PLAN
from actors.engines.local.background.edit import change_background
from actors.engines.local.head.edit import PLAN as HEAD_PLAN
from actors.engines.local.head.edit import swap_head
from actors.engines.local.perception.saliency import subject
from actors.engines.local.perception.selfie import of_selfies
from actors.engines.local.pictures.opening import open_picture
from actors.engines.local.pictures.writing import Made
from actors.engines.local.posing.edit import PLAN as POSE_PLAN
from actors.engines.local.posing.edit import change_pose
from actors.engines.local.raster import resized
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import LONG_EDGE, Mode, Size
from tests.quality.wild import looks
from tests.quality.wild.brought import without_brought
from tests.quality.wild.outlines import misplaced, read_outlines
from tests.quality.wild.trials import Trial

MAX_PIXELS = 40_000_000
DONE = "done"
_SHOWN = 640
"""Long edge in pixels at which pictures are kept and hashed."""
_BEHIND = np.array([0.1, 0.55, 0.45], np.float32)
"""What people are shown on: neither skin, nor cloth, nor hair has this colour."""

Measures = Mapping[str, float | None]


class RememberingRuntimes(Runtimes):
    """Runtimes that keep what the large network said of an input in a directory: a change of rules asks it nothing."""

    def __init__(self, threads: int, kept: Path) -> None:
        super().__init__(threads)
        self._kept = kept
        kept.mkdir(parents=True, exist_ok=True)

    def onnx(self, name: str, image: Floats) -> Floats:
        key = hashlib.sha256(name.encode() + image.tobytes()).hexdigest()[:32]
        path = self._kept / f"{key}.npy"
        if path.exists():
            said: Floats = np.load(path)
            return said
        said = super().onnx(name, image)
        unfinished = path.with_suffix(f".{time.monotonic_ns()}")
        with unfinished.open("wb") as file:
            np.save(file, said)
        unfinished.replace(path)
        return said


class Ended(Struct, frozen=True):
    """How a trial ended: "done" or a code; `output` names the picture that came of it, by its pixels.

    `pictures` (h, w, 3): the source, the reference if there is one, and what came; for backgrounds also what plain
    U²-Net makes, and MediaPipe's selfie model; and the edit without a model that was brought, where there is one.
    """

    outcome: str
    message: str | None
    seconds: float
    output: str | None
    measures: Measures
    pictures: tuple[Rgb8 | None, ...]


def ended(trial: Trial, cache: Path, runtimes: Runtimes) -> Ended:
    """Try it."""
    source = trial.source.within(cache)
    reference = None if trial.reference is None else trial.reference.within(cache)
    shown = [_opened(source, _SHOWN)]
    if reference is not None:
        shown.append(_opened(reference, _SHOWN))
    started = time.process_time()
    try:
        made = _made(trial, source, reference, runtimes)
    except EngineError as error:
        seconds = time.process_time() - started
        others = _peers(shown[0], runtimes) if trial.mode is Mode.BACKGROUND_CHANGE else ()
        return Ended(error.code.value, error.message, seconds, None, {}, (*shown, None, *others))
    seconds = time.process_time() - started
    picture, measures, others = _looked_at(trial, source, made, runtimes)
    output = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()[:16]
    message = " ".join(made.warnings) or None
    return Ended(DONE, message, seconds, output, measures, (*shown, picture, *others))


def _made(trial: Trial, source: Path, reference: Path | None, runtimes: Runtimes) -> Made:
    edit, plan = {
        Mode.BACKGROUND_CHANGE: (change_background, BACKGROUND_PLAN),
        Mode.HEAD_SWAP: (swap_head, HEAD_PLAN),
        Mode.POSE_CHANGE: (change_pose, POSE_PLAN),
    }[trial.mode]
    steps = Steps(plan, lambda _percent, _words: None, lambda: False)
    return edit(source, reference, trial.config, MAX_PIXELS, runtimes, steps)  # pyright: ignore[reportArgumentType] - the mode's own


def _looked_at(trial: Trial, source: Path, made: Made, runtimes: Runtimes) -> tuple[Rgb8, Measures, tuple[Rgb8, ...]]:
    outcome = made.outcome
    if trial.mode is Mode.BACKGROUND_CHANGE:
        assert outcome.alpha is not None
        height, width = outcome.alpha.shape
        image = resized(_opened(source, max(height, width)), width, height)
        selfie = of_selfies(image, runtimes)
        with without_brought(runtimes):
            plain = subject(image, runtimes)
        told = looks.agreement(outcome.alpha, plain, selfie)
        if outline := read_outlines().get(trial.source.name):
            told |= misplaced(outcome.alpha, outline)
        others = tuple(_small(_over(image, alpha)) for alpha in (plain, selfie))
        others += _default(trial, source, runtimes)
        return _small(_over(outcome.colours, outcome.alpha)), told, others
    picture = outcome.seen()
    size = LONG_EDGE[Size.MEDIUM]
    if trial.mode is Mode.HEAD_SWAP:
        told = looks.changed(_opened(source, size), picture, runtimes) if trial.itself else {}
        return _small(picture), told, ()
    return _small(picture), looks.cloth(_opened(source, size), picture, runtimes), ()


def _default(trial: Trial, source: Path, runtimes: Runtimes) -> tuple[Rgb8, ...]:
    """Where a model was brought, what the edit is without it."""
    if runtimes.matte is None:
        return ()
    try:
        with without_brought(runtimes):
            outcome = _made(trial, source, None, runtimes).outcome
    except EngineError:
        return ()
    assert outcome.alpha is not None
    return (_small(_over(outcome.colours, outcome.alpha)),)


def _peers(image: Rgb8, runtimes: Runtimes) -> tuple[Rgb8, ...]:
    return tuple(_over(image, alpha) for alpha in (subject(image, runtimes), of_selfies(image, runtimes)))


def _over(colours: Rgb8, alpha: Plane) -> Rgb8:
    """A cut-out (h, w, 3), (h, w) on a plain colour."""
    return as_rgb8(composited(as_rgb(colours), alpha, np.broadcast_to(_BEHIND, colours.shape)))


def _opened(path: Path, long_edge: int) -> Rgb8:
    return open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=long_edge).image


def _small(picture: Rgb8) -> Rgb8:
    height, width = picture.shape[:2]
    scale = min(1.0, _SHOWN / max(height, width))
    return resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
