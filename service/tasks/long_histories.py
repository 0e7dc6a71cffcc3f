"""What of a very long history isn't counted anew for every request: that it is longer than `total` tells, how it ended.

Nobody sees the difference in what they have just done: `total` stays 10,000 with some more or less, and those that
wait or run are counted every time. Only an end in so long a history is told some seconds later.
"""

import time
from collections.abc import Mapping
from typing import Final

from schema.models.edits import Mode
from schema.models.tasks import TaskStatus
from service.sharing.newest import Newest

LONG: Final = 20_000
"""Tasks from which on a history is very long: twice as many as `total` tells."""

KEPT_SECONDS: Final = 10.0
KEPT_USERS: Final = 10_000

Filters = tuple[str, TaskStatus | None, Mode | None]
"""Of which user, and which of their tasks."""


class LongHistories:
    """Remembers it for some seconds. One per process: each counts for itself."""

    def __init__(self) -> None:
        self._long: Newest[Filters, float] = Newest(KEPT_USERS)
        self._ended: Newest[str, tuple[float, Mapping[TaskStatus, int]]] = Newest(KEPT_USERS)

    def is_long(self, filters: Filters) -> bool:
        """Whether there were LONG of these or more a moment ago."""
        return self._long.get(filters, 0.0) > time.monotonic()

    def note_count(self, filters: Filters, counted: int) -> None:
        """There are so many, counted up to LONG."""
        if counted >= LONG:
            self._long.put(filters, time.monotonic() + KEPT_SECONDS)

    def ended(self, user_id: str) -> Mapping[TaskStatus, int] | None:
        """How many of a user's tasks have ended how, if it is a long history."""
        until, ended = self._ended.get(user_id, (0.0, None))
        return ended if until > time.monotonic() else None

    def note_counts(self, user_id: str, counted: Mapping[TaskStatus, int]) -> None:
        """There are so many in each status."""
        if sum(counted.values()) >= LONG:
            ended = {status: number for status, number in counted.items() if status.ended}
            self._ended.put(user_id, (time.monotonic() + KEPT_SECONDS, ended))

    def forget(self, user_id: str) -> None:
        """One of them was deleted here."""
        self._ended.pop(user_id, None)
