"""Images that people, their broken disks and attackers send: a thousand of them from a seed, each with its fate."""

from collections.abc import Iterator

from msgspec import structs

# Importing these fills the book of recipes.
from tests.actors.engines.hostile import colours, contents, damage, headers, heif
from tests.actors.engines.hostile.recipes import RARE, RARE_RECIPES, RECIPES, Fate, Hostile, Random

__all__ = ["Fate", "Hostile", "colours", "contents", "damage", "headers", "heif", "hostile_images"]


def hostile_images(seed: int, count: int) -> Iterator[Hostile]:
    """`count` images, each kind about equally often."""
    made = turn = 0
    while made < count:
        for kind, recipe in RECIPES.items():
            if made == count:
                return
            if kind in RARE_RECIPES and turn % RARE:
                continue
            image = recipe(Random(f"{seed}/{kind}/{turn}"))
            yield structs.replace(image, name=f"{seed}-{turn:02}-{kind}")
            made += 1
        turn += 1
