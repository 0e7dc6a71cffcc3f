"""Which records of a sample are broken, and how: known by their number, so that nothing has to be remembered."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from tests.legacy.sampling.breakage import Breakage
from tests.legacy.sampling.drafts import Damage

D = TypeVar("D")


class Plan(Generic[D]):
    """Spreads every kind of damage evenly over `total` records.

    A `share` of them are broken, but at least one of each kind (as far as half of the records go), and none at 0.
    No two neighbours are.
    """

    def __init__(self, total: int, share: float, damage: Mapping[Breakage, Damage[D]]) -> None:
        self._total = total
        self._kinds = tuple(damage)
        self._damage = damage
        self._broken = 0 if share == 0 else min(total // 2, max(round(total * share), len(damage)))

    def at(self, index: int) -> Breakage | None:
        """What is wrong with a record."""
        number = index * self._broken // self._total
        if (index + 1) * self._broken // self._total == number:
            return None
        turn, place = divmod(number, len(self._kinds))
        kind = self._kinds[place]
        limit = self._damage[kind].at_most
        return kind if limit is None or turn < limit else None
