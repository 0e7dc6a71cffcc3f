"""Rate limits, counted in Redis for all processes together; with Redis away everybody is let through."""

import asyncio
import hashlib
import time

import structlog
from msgspec import Struct

from service.queue import REDIS_AWAY, Queue, load_script
from service.sharing.for_everybody import begin_for_everybody
from service.sharing.newest import Newest

WINDOW_SECONDS = 60
READS_PER_WRITE = 10
DRAWS_PER_LIMIT = 100
"""A process draws a hundredth of a limit at once, so that not every request asks Redis."""

MOST_DRAWS = 50
"""At once: beyond its connections Redis would seem to be away, and a crowd at one moment be let through uncounted."""

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

    def must_draw(self, now: float) -> bool:
        return self.ends <= now or (self.mine == 0 and self.left_at_redis > 0)


class RateLimiter:
    """Counts requests per key and minute."""

    def __init__(self, queue: Queue, per_minute: int) -> None:
        self._keys = queue.keys
        self._draw = queue.redis.register_script(load_script("draw"))
        self._per_minute = per_minute
        self._windows = Newest[str, _Window](REMEMBERED)
        self._drawing: dict[str, asyncio.Task[bool]] = {}
        self._at_once = asyncio.Semaphore(MOST_DRAWS)
        self._redis_away_until = 0.0

    async def take(self, kind: str, who: str, *, factor: int = 1) -> Verdict | None:
        """Count one request; None when limits are off or can't be counted now."""
        limit = self._per_minute * factor
        if limit == 0 or self._redis_away_until > time.monotonic():
            return None
        key = self._key(kind, who)
        while (window := self._windows.get(key)) is None or window.must_draw(time.monotonic()):
            # However many requests come together: one of them draws, and the others look again.
            drawing = self._drawing.get(key)
            if drawing is None:
                drawing = self._drawing[key] = begin_for_everybody(self._draw_for(key, limit))
            # Who hangs up stops nobody else's.
            if not await asyncio.shield(drawing):
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

    async def _draw_for(self, key: str, limit: int) -> bool:
        """Put what may be used into this key's window; False when Redis is away."""
        amount = max(1, limit // DRAWS_PER_LIMIT)
        try:
            async with self._at_once:
                if self._redis_away_until > time.monotonic():
                    # Found out by those before: a crowd would wait for it in turns.
                    return False
                drawn, milliseconds = await self._draw(keys=[key], args=[amount, WINDOW_SECONDS * 1000])
        except REDIS_AWAY as error:
            self._redis_away_until = time.monotonic() + BREATH
            log.warning("rate limits can't be counted; letting everybody through", error=type(error).__name__)
            return False
        finally:
            del self._drawing[key]
        granted = max(0, min(amount, limit - drawn))
        ends = time.monotonic() + milliseconds / 1000
        self._windows.put(key, _Window(granted, max(0, limit - drawn - amount), ends))
        return True

    def _key(self, kind: str, who: str) -> str:
        if len(who) > LONGEST_NAME:
            # Ids of users are theirs who made them; Redis keeps a key for each.
            who = hashlib.sha256(who.encode()).hexdigest()
        return self._keys.rate(kind, who)
