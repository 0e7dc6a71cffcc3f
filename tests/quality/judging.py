"""Making one pair's edit as users would get it, and measuring what came of it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct, structs
from PIL import Image

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.background.edit import PLAN, change_background
from actors.engines.local.head.edit import SOURCE_EDGE
from actors.engines.local.head.figures import figure_path
from actors.engines.local.pictures.opening import open_picture
from actors.engines.local.raster import resized
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import (
    LONG_EDGE,
    BackgroundChangeConfig,
    BackgroundType,
    HeadSwapConfig,
    Mode,
    PoseChangeConfig,
    Size,
)
from schema.models.problems import FailureCode
from tests.quality import head, matte, pose
from tests.quality.pairs import DONE, KnownMiss, Pair

MAX_PIXELS = 40_000_000
_SHOWN = 512
"""Long edge in pixels at which pictures are kept for the sheet."""


Targets = Mapping[str, tuple[float, float]]


class Measured(Struct, frozen=True):
    """An edit that was made: its picture, its numbers, and the targets it has."""

    picture: Rgb8
    measures: dict[str, float | None]
    targets: Targets


class Verdict(Struct, frozen=True):
    """How a pair ended: "done" or a code.

    `missed` says what isn't as expected, `known` what misses its target as is known.
    Pictures: source, reference, result.
    """

    outcome: str
    message: str | None
    measures: dict[str, float | None]
    missed: tuple[str, ...]
    known: tuple[str, ...]
    pictures: tuple[Rgb8 | None, Rgb8 | None, Rgb8 | None]


class Judge:
    """Judges pair after pair with the same models."""

    def __init__(self, runtimes: Runtimes) -> None:
        self._runtimes = runtimes
        self._identity: head.Identity | None = None
        self._make: dict[Mode, Callable[[Pair], Measured]] = {
            Mode.BACKGROUND_CHANGE: self._background,
            Mode.HEAD_SWAP: self._head,
            Mode.POSE_CHANGE: self._pose,
        }

    def judged(self, pair: Pair) -> Verdict:
        """Make the edit and measure it."""
        shown = _shown(pair.source), None if pair.reference is None else _shown(pair.reference)
        try:
            made = self._make[pair.mode](pair)
        except EngineError as error:
            code = error.code.value
            missed = () if code == pair.expected else (f"{code} instead of {pair.expected}",)
            return Verdict(code, error.message, {}, missed, (), (*shown, None))
        pictures = (*shown, _small(made.picture))
        if pair.expected != DONE:
            return Verdict(DONE, None, made.measures, (f"done instead of {pair.expected}",), (), pictures)
        missed, known = missed_and_known(made.measures, made.targets, pair.known)
        return Verdict(DONE, None, made.measures, missed, known, pictures)

    def _background(self, pair: Pair) -> Measured:
        assert isinstance(pair.config, BackgroundChangeConfig)
        made = change_background(
            pair.source, pair.reference, pair.config, MAX_PIXELS, self._runtimes, Steps(PLAN, _untold, _never)
        )
        if pair.alpha is None:
            return Measured(made.outcome.seen(), {}, {})
        alpha = made.outcome.alpha
        if alpha is None:
            removed = structs.replace(pair.config, background_type=BackgroundType.REMOVE, background_preset=None)
            steps = Steps(PLAN, _untold, _never)
            alpha = change_background(pair.source, None, removed, MAX_PIXELS, self._runtimes, steps).outcome.alpha
            assert alpha is not None
        measures = matte.compared(alpha, _true_alpha(pair.alpha, alpha.shape[1], alpha.shape[0]))
        told: dict[str, float | None] = {
            "overlap": measures.overlap,
            "sad": measures.sad,
            "gradient": measures.gradient,
        }
        return Measured(made.outcome.seen(), told, {"overlap": (0.96, 1), "sad": (0, 16)})

    def _head(self, pair: Pair) -> Measured:
        assert isinstance(pair.config, HeadSwapConfig)
        if self._identity is None:
            self._identity = head.Identity()
        size = LONG_EDGE[pair.config.size or Size.MEDIUM]
        reference = pair.reference or figure_path(pair.config.figure_preset)
        photo = open_picture(pair.source, role="source", max_pixels=MAX_PIXELS, long_edge=SOURCE_EDGE)
        canvas = open_picture(reference, role="reference", max_pixels=MAX_PIXELS, long_edge=size)
        measures, picture = head.measured(photo, canvas, pair.config, self._runtimes, self._identity)
        told: dict[str, float | None] = structs.asdict(measures)
        return Measured(picture, told, head.TARGETS)

    def _pose(self, pair: Pair) -> Measured:
        assert isinstance(pair.config, PoseChangeConfig)
        measures, picture = pose.measured(pair.source, pair.reference, pair.config, self._runtimes)
        told: dict[str, float | None] = {
            "found": measures.match.found,
            "angle": measures.match.mean_angle,
            "foreign": measures.foreign,
            "holes": measures.holes,
        }
        if not measures.match.good:
            raise EngineError(FailureCode.POSE_EXTRACTION_FAILED, "The outcome isn't in the wanted pose.", details=told)
        return Measured(picture, told, {"found": (0.9, 1), "angle": (0, 8)})


def missed_and_known(
    told: Mapping[str, float | None], targets: Targets, known: Mapping[str, KnownMiss]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The measures outside their range; and those that are, but no further than is known."""
    missed: list[str] = []
    expected: list[str] = []
    for name, (low, high) in targets.items():
        value = told[name]
        if value is None or low <= value <= high:
            continue
        miss = known.get(name)
        if miss is not None and min(low, miss.bound) <= value <= max(high, miss.bound):
            expected.append(f"{name} {value:.3g}: {miss.reason}")
        else:
            asked = f"asked {low:g} to {high:g}" if miss is None else f"known as far as {miss.bound:g}"
            missed.append(f"{name} {value:.3g} ({asked})")
    return tuple(missed), tuple(expected)


def _true_alpha(path: Path, width: int, height: int) -> Plane:
    """The matte (h, w) in a picture: its alpha if it has some, else how white it is."""
    with Image.open(path) as file:
        plane = file.getchannel("A") if "A" in file.getbands() else file.convert("L")
        return resized(np.asarray(plane, dtype=np.float32) / 255, width, height)


def _shown(path: Path) -> Rgb8 | None:
    """What is in a file, for the sheet; None if that can't be told."""
    try:
        return open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=_SHOWN).image
    except EngineError:
        return None


def _small(picture: Rgb8) -> Rgb8:
    """`picture` no larger than the sheet needs it."""
    height, width = picture.shape[:2]
    scale = min(1.0, _SHOWN / max(height, width))
    return resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))


def _untold(_percent: int, _words: str) -> None:
    """Nobody follows."""


def _never() -> bool:
    return False
