"""Who stands at the door: connections on which a whole request has yet to come. There may not be too many of them.

Anybody can open them, for nothing. Who has waited longest goes first: an ordinary client's request is here in no time.
"""

from collections import Counter
from typing import Final, Protocol

MOST_PER_ADDRESS: Final = 100
MOST_WAITING: Final = 1000
GRACE = 2.0
"""Seconds in which a connection isn't counted out: its request may have arrived, and not been read yet."""

MOST_CONNECTIONS: Final = 20_000
RESERVED_FILES: Final = 200
"""Files that a process needs for everything but clients: databases, storage, uploads."""


class Visitor(Protocol):
    """A connection, as seen from here."""

    network: str
    """Where it comes from."""

    def has_news(self) -> bool:
        """Whether something has arrived that wasn't read yet."""
        ...

    def show_out(self) -> None:
        """Close it, now."""
        ...


class Crowd:
    """Keeps count of those who owe us a request (or the rest of one that is answered), and of those who are idle."""

    def __init__(self, open_files: int) -> None:
        self._most = min(MOST_CONNECTIONS, max(RESERVED_FILES, open_files - RESERVED_FILES))
        # Oldest first; the time since when.
        self._waiting: dict[Visitor, float] = {}
        self._idle: dict[Visitor, float] = {}

    def waits(self, visitor: Visitor, now: float) -> None:
        """Something has begun, and how long it takes is the peer's affair."""
        self._idle.pop(visitor, None)
        self._waiting.setdefault(visitor, now)

    def rests(self, visitor: Visitor, now: float) -> None:
        """Nothing is asked of us at the moment."""
        self._waiting.pop(visitor, None)
        self._idle[visitor] = now

    def leaves(self, visitor: Visitor) -> None:
        """It is being served, or gone."""
        self._waiting.pop(visitor, None)
        self._idle.pop(visitor, None)

    def make_room(self, connections: int) -> bool:
        """Before one more is let in beside so many: whether there is room, if need be by showing somebody out."""
        if connections < self._most:
            return True
        for group in (self._waiting, self._idle):
            visitor = next((one for one in group if not one.has_news()), None)
            if visitor is not None:
                self._show_out(visitor)
                return True
        return False

    def thin_out(self, now: float) -> None:
        """Show out the oldest of those who are too many; to be called every second or so."""
        count = Counter(visitor.network for visitor in self._waiting)
        surplus = len(self._waiting) - MOST_WAITING
        for visitor, since in list(self._waiting.items()):
            if now - since < GRACE:
                return
            if (surplus > 0 or count[visitor.network] > MOST_PER_ADDRESS) and not visitor.has_news():
                surplus -= 1
                count[visitor.network] -= 1
                self._show_out(visitor)

    def _show_out(self, visitor: Visitor) -> None:
        self.leaves(visitor)
        visitor.show_out()
