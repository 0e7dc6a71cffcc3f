"""What an engine elsewhere is sent, and what comes back from it: opened, judged and written here, in a child process.

Photos leave upright, in sRGB, without EXIF and GPS, and no larger than a result may be.
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
from PIL import Image

from actors.engines.local import wire
from actors.engines.local.arrays import Rgb8, as_rgb8
from actors.engines.local.background.presets import preset
from actors.engines.local.head.figures import figure_path
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.pictures.profile import EMBEDDED
from actors.engines.local.pictures.writing import Made, Outcome, not_saved, write_pictures
from actors.engines.seam import EngineError
from schema.models.edits import (
    BACKGROUND_PRESETS,
    CONFIG_TYPES,
    LONG_EDGE,
    AnyConfig,
    BackgroundChangeConfig,
    BackgroundType,
    HeadSwapConfig,
    Mode,
)
from schema.models.problems import FailureCode

MOST_SENT = max(LONG_EDGE.values())
"""Pixels of the longer side."""
_QUALITY = 95
_SAME_SHAPE = 0.02
"""By how much proportions may differ that are the same but for rounding."""


class PhotoDesk:
    """Does what is ordered; see `Maker`."""

    def make(self, work: wire.Work, say: Callable[[wire.Report], None], stopped: Callable[[], bool]) -> wire.Report:
        """Prepare photos, or finish a picture; see `Maker`."""
        del stopped  # each takes a moment
        if isinstance(work, wire.PreparePhotos):
            return _prepared(work, say)
        return _finished(cast("wire.FinishPicture", work), say)


def _prepared(work: wire.PreparePhotos, say: Callable[[wire.Report], None]) -> wire.Report:
    config = msgspec.convert(work.config, CONFIG_TYPES[Mode(work.mode)])
    source = open_picture(Path(work.source), role="source", max_pixels=work.max_pixels, long_edge=MOST_SENT)
    _send(source.image, Path(work.workspace), "source", say)
    if work.referred:
        _send(_reference(work, config, source), Path(work.workspace), "reference", say)
    return wire.Done({})


def _reference(work: wire.PreparePhotos, config: AnyConfig, source: Picture) -> Rgb8:
    """The photo that was sent, or the preset that was asked for, or the first.

    Raises:
        EngineError: INVALID_CONFIG: there is no picture of what was asked for.
    """
    path = None if work.reference is None else Path(work.reference)
    if isinstance(config, BackgroundChangeConfig):
        named = config.background_type is None and config.background_preset is not None
        if path is None or named or config.background_type is BackgroundType.PRESET:
            name = config.background_preset or BACKGROUND_PRESETS[0]
            if name not in BACKGROUND_PRESETS:
                message = f"There is no background preset {name}. Choose one of: {', '.join(BACKGROUND_PRESETS)}."
                raise EngineError(FailureCode.INVALID_CONFIG, message, details={"field": "background_preset"})
            return as_rgb8(preset(name, source.width, source.height).image)
    if path is None and isinstance(config, HeadSwapConfig):
        path = figure_path(config.figure_preset)
    if path is None:
        message = "This server's engine takes a pose from a photo alone. Please add a reference image."
        raise EngineError(FailureCode.INVALID_CONFIG, message, details={"field": "reference_image"})
    return open_picture(path, role="reference", max_pixels=work.max_pixels, long_edge=MOST_SENT).image


def _send(image: Rgb8, workspace: Path, kind: str, say: Callable[[wire.Report], None]) -> None:
    path = workspace / f"{kind}.jpg"
    try:
        Image.fromarray(image).save(path, "JPEG", quality=_QUALITY, subsampling=0, icc_profile=EMBEDDED)
    except OSError as error:
        raise not_saved() from error
    say(wire.Written(kind, str(path), "image/jpeg", image.shape[1], image.shape[0]))


def _finished(work: wire.FinishPicture, say: Callable[[wire.Report], None]) -> wire.Report:
    before = open_picture(Path(work.photo), role="source", max_pixels=work.max_pixels, long_edge=work.long_edge)
    canvas = open_picture(Path(work.canvas), role="reference", max_pixels=work.max_pixels, long_edge=work.long_edge)
    largest = max(canvas.width, canvas.height)
    try:
        made = open_picture(Path(work.picture), role="result", max_pixels=work.max_pixels, long_edge=largest)
    except EngineError as error:
        raise EngineError(
            FailureCode.ENGINE_RESPONSE_ERROR,
            "The engine gave back a picture that can't be used.",
            details={"reason": error.code, "why": error.message},
        ) from error
    warnings: list[str] = []
    if abs(made.width * canvas.height / (made.height * canvas.width) - 1) > _SAME_SHAPE:
        warnings.append("The engine's picture has other proportions than the photo.")
    if work.transparent and made.alpha is None:
        warnings.append("The engine's picture has no transparency.")
    cut_out = work.transparent and made.alpha is not None
    outcome = Outcome(made.colours, made.alpha) if cut_out else Outcome(made.image)
    finished = Made(outcome, before, warnings)
    return wire.Done(write_pictures(finished, Path(work.workspace), say, provenance=work.provenance))
