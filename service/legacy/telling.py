"""What an import and a comparison tell while they run: how far they are, and what they find."""

from typing import Protocol

from msgspec import Struct


class Finding(Struct, frozen=True):
    """Something about one record that a person should know."""

    kind: str
    record_id: str
    what: str
    reasons: tuple[str, ...]


class Told(Protocol):
    """Who listens: the command line, a report, a test."""

    def phase(self, name: str, total: int | None) -> None:
        """A part begins; `total` records of it are expected, about."""
        ...

    def advance(self, records: int) -> None:
        """So many more were looked at."""
        ...

    def find(self, finding: Finding) -> None:
        """Something was found."""
        ...


class Everybody:
    """Tells several, or none."""

    def __init__(self, *listeners: Told) -> None:
        self._listeners = listeners

    def phase(self, name: str, total: int | None) -> None:
        for listener in self._listeners:
            listener.phase(name, total)

    def advance(self, records: int) -> None:
        for listener in self._listeners:
            listener.advance(records)

    def find(self, finding: Finding) -> None:
        for listener in self._listeners:
            listener.find(finding)
