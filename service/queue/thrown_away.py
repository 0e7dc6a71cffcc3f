"""Messages that were thrown away, told in the log: each reason once a minute at most."""

import time

import structlog

from schema.messages import Reason

TELL_EVERY = 60.0
SHOWN = 80

log = structlog.get_logger(__name__)


class ThrownAway:
    """Counts what isn't told at once. One thread at a time."""

    def __init__(self) -> None:
        self._told_at: dict[Reason, float] = {}
        self._untold: dict[Reason, int] = {}

    def tell(self, reason: Reason, identity: bytes | str) -> None:
        """Note a message that was thrown away."""
        count = self._untold.get(reason, 0) + 1
        now = time.monotonic()
        if now - self._told_at.get(reason, -TELL_EVERY) < TELL_EVERY:
            self._untold[reason] = count
            return
        self._told_at[reason] = now
        self._untold[reason] = 0
        log.warning("message thrown away", reason=reason.value, messages=count, last=ascii(identity[:SHOWN]))
