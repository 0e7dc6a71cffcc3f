"""Rate limits, counted in Redis for all processes together; with Redis away everybody is let through."""

import hashlib
import time

import structlog
from msgspec import Struct

from service.newest import Newest
from service.queue import REDIS_AWAY, Queue, load_script

WINDOW_SECONDS = 60
READS_PER_WRITE = 10
DRAWS_PER_LIMIT = 100
"""A process draws a hundredth of a limit at once, so that not every request asks Redis."""

LONGEST_NAME = 64
"""Characters of a user's id or an address that are kept as they are."""

BREATH = 1.0
REMEMBERED = 50_000

log = structlog.get_logger(__name__)


class Verdict(Struct, frozen=True):
    """Whether a request may pass; how many more may in this window; in how many seconds a new one begins."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


class _Window:
    __slots__ = ("ends", "left_at_redis", "mine")

    def __init__(self, mine: int, left_at_redis: int, ends: float) -> None:
        self.mine = mine
        self.left_at_redis = left_at_redis
        self.ends = ends


class RateLimiter:
    """Counts requests per key and minute."""

    def __init__(self, queue: Queue, per_minute: int) -> None:
        self._keys = queue.keys
        self._draw = queue.redis.register_script(load_script("draw"))
        self._per_minute = per_minute
        self._windows = Newest[str, _Window](REMEMBERED)
        self._redis_away_until = 0.0

    async def take(self, kind: str, who: str, *, factor: int = 1) -> Verdict | None:
        """Count one request; None when limits are off or can't be counted now."""
        limit = self._per_minute * factor
        if limit == 0 or self._redis_away_until > time.monotonic():
            return None
        key = self._key(kind, who)
        window = self._windows.get(key)
        now = time.monotonic()
        if window is None or window.ends <= now or (window.mine == 0 and window.left_at_redis > 0):
            window = await self._refill(key, limit)
            if window is None:
                return None
        allowed = window.mine > 0
        if allowed:
            window.mine -= 1
        reset = max(1, round(window.ends - time.monotonic() + 0.5))
        return Verdict(allowed, limit, window.mine + window.left_at_redis, reset)

    def is_spent(self, kind: str, who: str) -> bool:
        """Whether nothing is left of this window, as far as is known without asking Redis or counting."""
        window = self._windows.get(self._key(kind, who))
        return (
            window is not None
            and window.ends > time.monotonic()
            and window.mine == 0
            and window.left_at_redis == 0
            and self._redis_away_until <= time.monotonic()
        )

    async def _refill(self, key: str, limit: int) -> _Window | None:
        amount = max(1, limit // DRAWS_PER_LIMIT)
        try:
            drawn, milliseconds = await self._draw(keys=[key], args=[amount, WINDOW_SECONDS * 1000])
        except REDIS_AWAY as error:
            self._redis_away_until = time.monotonic() + BREATH
            log.warning("rate limits can't be counted; letting everybody through", error=type(error).__name__)
            return None
        granted = max(0, min(amount, limit - drawn))
        # Concurrent requests may have drawn meanwhile: what they left is added, not lost.
        before = self._windows.get(key)
        now = time.monotonic()
        if before is not None and before.ends > now:
            granted += before.mine
        window = _Window(granted, max(0, limit - drawn - amount), now + milliseconds / 1000)
        self._windows.put(key, window)
        return window

    def _key(self, kind: str, who: str) -> str:
        if len(who) > LONGEST_NAME:
            # Ids of users are theirs who made them; Redis keeps a key for each.
            who = hashlib.sha256(who.encode()).hexdigest()
        return self._keys.rate(kind, who)
