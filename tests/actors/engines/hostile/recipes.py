"""What a recipe for a hostile image is, and where recipes are kept."""

import random
from collections.abc import Callable
from enum import Enum, auto

from msgspec import Struct
from PIL import Image

Random = random.Random


class Fate(Enum):
    """What has to come of an upload."""

    OPENS = auto()
    OTHER_TYPE = auto()
    INVALID = auto()
    """Refused when it is uploaded."""
    ANY = auto()
    """Damaged somewhere: opened or refused, whichever the damage allows."""


class Hostile(Struct, frozen=True):
    """A file as it is sent. `truth` is how an opened one has to look, turned upright, within `tolerance` of 255."""

    content: bytes
    fate: Fate
    truth: Image.Image | None = None
    tolerance: float = 5
    name: str = ""


Recipe = Callable[[Random], Hostile]
RECIPES: dict[str, Recipe] = {}
RARE = 12
"""Every so many rounds the slow ones come too."""
RARE_RECIPES: set[str] = set()


def recipe(make: Recipe) -> Recipe:
    RECIPES[make.__name__.strip("_")] = make
    return make


def rare(make: Recipe) -> Recipe:
    RARE_RECIPES.add(make.__name__.strip("_"))
    return recipe(make)


def opens(content: bytes, truth: Image.Image | None = None, tolerance: float = 5) -> Hostile:
    return Hostile(content, Fate.OPENS, truth, tolerance)
