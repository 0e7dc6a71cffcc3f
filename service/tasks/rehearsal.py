"""The line, rehearsed: who is served when, if everything goes on as it does now.

The rule is the claim's: a slot that becomes free goes to the user with the fewest tasks running, among equals to
whoever's last claim is oldest. Pure: what is known now goes in, everybody's places come out.
"""

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from schema.models.edits import Mode
from schema.models.tasks import PlaceInLine

MOST_STEPS: Final = 2000
"""Up to which place the line is rehearsed: what stands behind it isn't told its own."""

UNMEASURED_SECONDS: Final = 10.0
"""What an edit takes as long as none was made."""

LEAST_LEFT: Final = 0.1
"""Of an edit's time, what is left at least of one that takes longer than others did."""

Kind = tuple[Mode, str | None]
"""What an edit's time goes by: its mode and the size asked for."""


class Waiting(Struct, frozen=True):
    """How many tasks of a kind a user has waiting."""

    user_id: str
    mode: Mode
    size: str | None
    tasks: int


class Running(Struct, frozen=True):
    """A task that has run for so long."""

    user_id: str
    mode: Mode
    size: str | None
    seconds: float


Places = Mapping[str, Sequence[PlaceInLine]]
"""Each user's places, in the order of their own line."""


class Times:
    """How long edits take: by kind, or by mode where none of the size was made, or as all of them."""

    def __init__(self, medians: Mapping[Kind, float]) -> None:
        self._medians = medians
        modes = {mode for mode, _ in medians}
        self._of_mode = {mode: _mean([took for (of, _), took in medians.items() if of is mode]) for mode in modes}
        self._of_all = _mean(list(medians.values())) or UNMEASURED_SECONDS

    def of(self, mode: Mode, size: str | None) -> float:
        """Seconds."""
        return self._medians.get((mode, size)) or self._of_mode.get(mode) or self._of_all


def rehearse(lines: Sequence[Waiting], running: Sequence[Running], slots: int, times: Times) -> Places:
    """When each waiting task begins, up to MOST_STEPS of them.

    Args:
        lines: What waits, users in the order of their turns.
        running: What runs now.
        slots: How many edits are made at a time, at least 1.
        times: How long they take; of one user's waiting tasks all count as long as their mean.
    """
    waits: Counter[str] = Counter()
    work: Counter[str] = Counter()
    for line in lines:
        waits[line.user_id] += line.tasks
        work[line.user_id] += math.ceil(1000 * line.tasks * times.of(line.mode, line.size))
    busy = Counter(one.user_id for one in running)
    turns = {user_id: place for place, user_id in enumerate(waits)}
    # When each slot is free, and whose task it has until then.
    ends: list[tuple[float, str]] = [(_left(one, times), one.user_id) for one in running]
    ends += [(0.0, "")] * (slots - len(running))
    heapq.heapify(ends)
    fairest = [(busy[user_id], turn, user_id) for user_id, turn in turns.items()]
    heapq.heapify(fairest)
    mean = {user_id: work[user_id] / 1000 / waits[user_id] for user_id in waits}
    places: dict[str, list[PlaceInLine]] = {user_id: [] for user_id in waits}
    for position in range(1, min(waits.total(), MOST_STEPS) + 1):
        now, whose = heapq.heappop(ends)
        if whose:
            busy[whose] -= 1
            if waits[whose]:
                heapq.heappush(fairest, (busy[whose], turns[whose], whose))
        user_id = _fairest(fairest, busy, turns, waits)
        places[user_id].append(PlaceInLine(position, math.ceil(now)))
        waits[user_id] -= 1
        busy[user_id] += 1
        turns[user_id] = len(turns) + position
        if waits[user_id]:
            heapq.heappush(fairest, (busy[user_id], turns[user_id], user_id))
        heapq.heappush(ends, (now + mean[user_id], user_id))
    return places


def _fairest(
    fairest: list[tuple[int, int, str]], busy: Counter[str], turns: Mapping[str, int], waits: Counter[str]
) -> str:
    """Whose turn it is; what the heap holds of before is passed over."""
    while True:
        running, turn, user_id = heapq.heappop(fairest)
        if waits[user_id] and (running, turn) == (busy[user_id], turns[user_id]):
            return user_id


def _left(one: Running, times: Times) -> float:
    takes = times.of(one.mode, one.size)
    return max(takes - one.seconds, LEAST_LEFT * takes)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
