"""Which engine makes a mode at the moment: the first that is set for it, or the next while that is away or refuses."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from actors.engines.seam import Engine, Standing
from schema.models.edits import LOCAL, Mode

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 15.0
"""Seconds for which an engine without a place is asked for none; twice as many each time."""

REFUSING_FOR = 60.0
"""Seconds until an engine that refused is tried again: somebody may have mended it."""

TRIED_EVERY = 15.0
"""Seconds between two edits that try whether an engine which was away is back."""


class _Health(Struct):
    """What is known of an engine, in seconds of the clock."""

    away_since: float | None = None
    tried_at: float = 0.0
    refusing_until: float = 0.0
    full_until: float = 0.0
    pause: float = 0.0


class Routes:
    """Keeps what the engines' errors told, for one worker."""

    def __init__(
        self,
        engines: Mapping[Mode, Sequence[str]] | None = None,
        *,
        away_seconds: float = 60.0,
        at_once: Mapping[str, int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = engines or {}
        self._away_seconds = away_seconds
        self._at_once = at_once or {}
        self._clock = clock
        self._health: dict[str, _Health] = {}
        self._running: Counter[str] = Counter()

    def engine_of(self, mode: Mode) -> str | None:
        """The engine for the next edit of `mode`; None while there is no place with it."""
        names = self._engines.get(mode, ())
        for name in names:
            if not self._absent(name) or name == names[-1]:
                return name if self._has_place(name) else None
        return None

    def next_after(self, mode: Mode, name: str) -> bool:
        """Whether another engine takes over from this one now."""
        return self.engine_of(mode) not in {None, name}

    def may_follow(self, mode: Mode, name: str) -> bool:
        """Whether another engine would take over from this one, in time."""
        names = list(self._engines.get(mode, ()))
        return name in names[:-1]

    def instead_of(self, mode: Mode, name: str) -> str | None:
        """The engine that should have made an edit of `mode`, where another has."""
        names = self._engines.get(mode, ())
        return names[0] if name in names[1:] else None

    def most_of(self, name: str) -> int | None:
        """How many of an engine's jobs may run for the whole installation; None where nobody says."""
        return self._at_once.get(name)

    def begun(self, name: str) -> None:
        self._running[name] += 1

    def ended(self, name: str) -> None:
        self._running[name] -= 1

    def well(self, name: str) -> None:
        """It has made an edit, or failed at one by no fault of its own."""
        self._health.pop(name, None)

    def tell(self, name: str, standing: Standing) -> float:
        """What an error told of an engine; for how many seconds it is asked for nothing."""
        health, now = self._health.setdefault(name, _Health()), self._clock()
        if standing is Standing.FULL:
            health.pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, health.pause * 2))
            health.full_until = now + health.pause
            return health.pause
        if standing is Standing.AWAY:
            health.away_since = now if health.away_since is None else health.away_since
            health.tried_at = now
            return FIRST_PAUSE
        if standing is Standing.REFUSING:
            health.refusing_until = now + REFUSING_FOR
        else:
            self.well(name)
        return 0.0

    def _absent(self, name: str) -> bool:
        """Away for long enough, or refusing. Now and then an edit tries whether it is back."""
        health, now = self._health.get(name), self._clock()
        if health is None:
            return False
        if now < health.refusing_until:
            return True
        long_away = health.away_since is not None and now - health.away_since >= self._away_seconds
        return long_away and now - health.tried_at < TRIED_EVERY

    def _has_place(self, name: str) -> bool:
        health = self._health.get(name)
        full = health is not None and self._clock() < health.full_until
        return not full and self._running[name] < self._at_once.get(name, self._running[name] + 1)


class RoutedSlot(Mapping[Mode, Engine]):
    """What makes one edit at a time, on this machine or elsewhere: at any moment the modes that are routed there."""

    def __init__(self, routes: Routes, engines: Mapping[str, Engine]) -> None:
        self._routes = routes
        self._engines = engines
        self.kind = LOCAL if LOCAL in engines else "elsewhere"

    def __getitem__(self, mode: Mode) -> Engine:
        # The route may have changed since the claim: then it is this slot's all the same.
        name = self._routes.engine_of(mode)
        if name not in self._engines:
            name = next((one for one in self._engines if mode in self._engines[one].modes()), None)
        if name is None:
            raise KeyError(mode)
        return self._engines[name]

    def __iter__(self) -> Iterator[Mode]:
        return (mode for mode in Mode if self._routes.engine_of(mode) in self._engines)

    def __len__(self) -> int:
        return sum(1 for _ in self)
