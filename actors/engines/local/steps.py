"""Following an edit step by step: what it tells, where it may be stopped, and what each step cost."""

import time
from collections.abc import Callable


class StoppedError(Exception):
    """Whoever asked for the edit doesn't want it any more."""


class Steps:
    """The steps of one edit, in the order in which they happen.

    `plan` has the words of every step that may come, with the percentage at its start. `tell` is told each, `stopped`
    asked before each.
    """

    def __init__(self, plan: dict[str, int], tell: Callable[[int, str], None], stopped: Callable[[], bool]) -> None:
        self._plan = plan
        self._tell = tell
        self._stopped = stopped
        self._current: tuple[str, float] | None = None
        self.seconds: dict[str, float] = {}

    def __call__(self, words: str) -> None:
        """Begin the step `words`.

        Raises:
            StoppedError: the edit is to end here.
        """
        self.end()
        if self._stopped():
            raise StoppedError
        self._tell(self._plan[words], words)
        self._current = words, time.perf_counter()

    def end(self) -> None:
        """End the step that is under way."""
        if self._current is not None:
            words, started = self._current
            self.seconds[words] = round(self.seconds.get(words, 0) + time.perf_counter() - started, 3)
            self._current = None
