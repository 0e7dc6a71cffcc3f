"""Images that people, their broken disks and attackers send: a thousand of them from a seed, each with its fate."""

import random
from collections.abc import Iterator

from msgspec import structs

# Importing these fills the book of recipes.
from tests.actors.engines.hostile import colours, contents, damage, headers, heif
from tests.actors.engines.hostile.recipes import RARE, RARE_RECIPES, RECIPES, Fate, Hostile, Random

__all__ = [
    "Fate", "Hostile", "colours", "contents", "damage", "headers", "heif", "hostile_images", "shuffled_images",
]  # fmt: skip


def hostile_images(seed: int, count: int) -> Iterator[Hostile]:
    """`count` images, each kind about equally often."""
    return (_made(seed, *one) for one in _kinds(count))


def shuffled_images(seed: int, count: int, order: random.Random) -> Iterator[Hostile]:
    """The same in another order; whoever needs only some of them has the others not made."""
    kinds = list(_kinds(count))
    order.shuffle(kinds)
    return (_made(seed, *one) for one in kinds)


def _kinds(count: int) -> Iterator[tuple[str, int]]:
    """Of each image its kind, and which of this kind it is."""
    made = turn = 0
    while made < count:
        for kind in RECIPES:
            if made == count:
                return
            if kind in RARE_RECIPES and turn % RARE:
                continue
            yield kind, turn
            made += 1
        turn += 1


def _made(seed: int, kind: str, turn: int) -> Hostile:
    image = RECIPES[kind](Random(f"{seed}/{kind}/{turn}"))
    return structs.replace(image, name=f"{seed}-{turn:02}-{kind}")
