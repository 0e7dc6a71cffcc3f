"""The places of a worker: of several kinds, each for one edit at a time."""

import asyncio
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

from actors.bench import Slot
from actors.engines.seam import Engine
from actors.routing import RoutedSlot
from schema.models.edits import Mode


class Held:
    """One free slot of each kind, as long as it isn't known of which kind the claim is; then that one."""

    def __init__(self, slots: "Slots", number: int, free: Mapping[str, Slot]) -> None:
        self._slots = slots
        self._free = dict(free)
        # As it is now: by the time of the claim engines may have come and gone.
        self._offers = {kind: dict(slot) for kind, slot in free.items()}
        self.number = number

    def modes(self) -> frozenset[Mode]:
        """What can be made now."""
        return frozenset(mode for offer in self._offers.values() for mode in offer)

    def kinds(self) -> frozenset[str]:
        return frozenset(self._free)

    def use(self, mode: Mode) -> Engine:
        """The engine for a claim of `mode`; the slots of other kinds are free again."""
        kind = next(kind for kind, offer in self._offers.items() if mode in offer)
        for other in [one for one in self._free if one != kind]:
            self._slots.free(other, self._free.pop(other))
        return self._offers[kind][mode]

    def release(self) -> None:
        """All of it is free again."""
        for kind in list(self._free):
            self._slots.free(kind, self._free.pop(kind))
        self._slots.number_free(self.number)


class Slots:
    """All slots of a worker. Each claim has a number that no other has at the time."""

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._idle: dict[str, list[Slot]] = {}
        for slot in slots:
            self._idle.setdefault(slot.kind if isinstance(slot, RoutedSlot) else "", []).append(slot)
        self._numbers = list(range(1, 1 + sum(len(idle) for idle in self._idle.values())))
        heapify(self._numbers)
        self._freed = asyncio.Event()

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self._idle)

    def take(self) -> Held | None:
        """A free slot of each kind that has one; None when none has."""
        free = {kind: idle.pop() for kind, idle in self._idle.items() if idle}
        return Held(self, heappop(self._numbers), free) if free else None

    async def wait(self, kinds: frozenset[str], stopping: asyncio.Event, seconds: float | None = None) -> bool:
        """Return once a slot of one of these kinds is free, the worker is to stop, or time is over; whether one is."""
        try:
            async with asyncio.timeout(seconds):
                while not stopping.is_set() and not any(self._idle[kind] for kind in kinds):
                    self._freed.clear()
                    await _first(self._freed, stopping)
        except TimeoutError:
            return False
        return not stopping.is_set()

    def free(self, kind: str, slot: Slot) -> None:
        self._idle[kind].append(slot)
        self._freed.set()

    def number_free(self, number: int) -> None:
        heappush(self._numbers, number)


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
