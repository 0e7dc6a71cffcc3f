"""Head swaps for these tests: made once each, by the real models in this process."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from actors.engines.local.head import edit
from actors.engines.local.head.edit import PLAN, Swap, swapped
from actors.engines.local.head.portrait import Portrait, portrait
from actors.engines.local.pictures.opening import Picture, open_picture
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from schema.models.edits import HeadSwapConfig

SAMPLES = Path(__file__).parents[4] / "samples"
ASTRONAUT = SAMPLES / "astronaut.jpg"
HOPPER = SAMPLES / "hopper.jpg"
MAX_PIXELS = 40_000_000

Swapping = Callable[..., Swap]


def quiet() -> Steps:
    """Steps that nobody follows."""
    return Steps(PLAN, lambda _percent, _words: None, lambda: False)


def opened(path: Path) -> Picture:
    return open_picture(path, role="source", max_pixels=MAX_PIXELS, long_edge=1024)


@pytest.fixture(scope="session")
def looked_once() -> Generator[None]:
    """The matte, by far the slowest step, is made once per photo and scale."""
    seen: dict[tuple[object, ...], Portrait] = {}

    def remembered(picture: Picture, *args: Any, scale: float, **rest: Any) -> Portrait:
        key = picture.image.tobytes(), picture.image.shape, scale, rest["effort"]
        if key not in seen:
            seen[key] = portrait(picture, *args, scale=scale, **rest)
        return seen[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit, "portrait", remembered)
        yield


@pytest.fixture(scope="session")
def swap(runtimes: Runtimes, looked_once: None) -> Swapping:
    """Makes a swap of two files, or gives what the same one gave before."""
    del looked_once
    made: dict[tuple[Path, Path, HeadSwapConfig], Swap] = {}

    def make(source: Path, figure: Path, config: HeadSwapConfig | None = None) -> Swap:
        asked = config or HeadSwapConfig()
        key = source, figure, asked
        if key not in made:
            made[key] = swapped(opened(source), opened(figure), asked, runtimes, quiet())
        return made[key]

    return make
