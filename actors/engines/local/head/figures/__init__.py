"""The figures that come with Darkroom: photos whose licence allows it; see README.md beside them."""

from pathlib import Path

from actors.engines.seam import EngineError
from schema.models.edits import FIGURE_PRESETS
from schema.models.problems import FailureCode


def figure_path(name: str | None) -> Path:
    """The photo of the figure `name`, or of the first.

    Raises:
        EngineError: INVALID_CONFIG: there is no such figure.
    """
    wanted = FIGURE_PRESETS[0] if name is None else name
    if wanted not in FIGURE_PRESETS:
        raise EngineError(
            FailureCode.INVALID_CONFIG,
            f"There is no figure {wanted}. Choose one of: {', '.join(FIGURE_PRESETS)}.",
            details={"field": "figure_preset"},
        )
    return Path(__file__).with_name(f"{wanted}.jpg")
