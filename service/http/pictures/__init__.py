"""What each mode and preset looks like: pictures that `make mode-pictures` makes and /modes names."""

from functools import cache
from pathlib import Path

from schema.models.edits import Mode
from service.http.assets import Asset

DIRECTORY = Path(__file__).parent
ADDRESS = "/api/v1/modes/pictures/"
KINDS = ("webp", "svg")

BEFORE, AFTER, SOURCE = "example-before", "example-after", "example-source"
"""The pictures of a mode's example."""


def picture_name(mode: Mode, what: str) -> str:
    """What the picture of a preset, or of the example, is called, without its kind."""
    return f"{mode.lower()}.{what}"


def picture_url(mode: Mode, what: str) -> str | None:
    """Where it is served, under an address that changes with it; None where there is none."""
    for kind in KINDS:
        name = f"{picture_name(mode, what)}.{kind}"
        if name in pictures():
            return f"{ADDRESS}{name}?v={pictures()[name].etag[:8]}"
    return None


@cache
def pictures() -> dict[str, Asset]:
    """Each, by its file's name."""
    return {path.name: Asset.read(path) for path in DIRECTORY.iterdir() if path.suffix.removeprefix(".") in KINDS}
