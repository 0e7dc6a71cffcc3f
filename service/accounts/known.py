"""Whose keys, sessions and tokens came lately: looked up once, and kept fresh together while they come."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import asyncpg
import structlog
from msgspec import Struct

from schema.models.accounts import Scope
from service.accounts.store import Holder
from service.accounts.uses import Uses
from service.database import UNAVAILABLE, Connection, Pool
from service.sharing.for_everybody import begin_for_everybody
from service.sharing.newest import Newest

K = TypeVar("K", bytes, str)

KNOWN_SECONDS: Final = 5.0
"""What was seen in the database is believed for so long: revoking a key takes that long at most."""

UNKNOWN_SECONDS: Final = 2.0
"""For so long a key that nobody has isn't looked up again; it may be made meanwhile."""

REFRESHED_EVERY: Final = 3.0
IN_USE_SECONDS: Final = 30.0
"""Whoever came within this time is looked up again before it is too late, in one statement with all others."""

KEPT: Final = 10_000

log = structlog.get_logger(__name__)


class Caller(Struct, frozen=True):
    """An active user, and what their key or session is good for."""

    user_id: str
    scope: Scope


class _Entry:
    __slots__ = ("caller", "until", "used_at")

    def __init__(self, caller: Caller, seen_at: float) -> None:
        self.used_at = seen_at
        self.see(caller, seen_at)

    def see(self, caller: Caller, at: float) -> None:
        self.caller = caller
        self.until = at + KNOWN_SECONDS


class KnownCallers(Generic[K]):
    """Those of one kind. One per event loop."""

    def __init__(
        self,
        pool: Pool,
        look_up: Callable[[Connection, Sequence[K]], Awaitable[Mapping[K, Holder]]],
        uses: Uses | None = None,
    ) -> None:
        self._pool = pool
        self._look_up = look_up
        self._uses = uses
        self._known = Newest[K, _Entry](KEPT)
        # Apart from those that are known: guesses, however many, push nobody out.
        self._unknown = Newest[K, float](KEPT)
        self._looking: dict[K, asyncio.Task[Caller | None]] = {}
        self._refreshing: asyncio.Task[None] | None = None

    async def get(self, what: K, *, only_if_known: bool = False) -> Caller | None:
        """Whom it stands for, if they are active.

        `only_if_known`: it is looked up only if it has been right before, however long ago.
        """
        entry, now = self._known.get(what), time.monotonic()
        if entry is not None and now < entry.until:
            entry.used_at = now
            return entry.caller
        if (only_if_known and entry is None) or self._unknown.get(what, 0.0) > now:
            return None
        looking = self._looking.get(what)
        if looking is None:
            # Once for all who come meanwhile: a thousand streams of one user look at the same moment.
            looking = self._looking[what] = begin_for_everybody(self._looked_up(what))
            looking.add_done_callback(lambda task: self._has_looked(what, task))
        return await asyncio.shield(looking)

    async def _looked_up(self, what: K) -> Caller | None:
        now = time.monotonic()
        async with self._pool.acquire() as connection:
            holder = (await self._look_up(connection, [what])).get(what)
        caller = self._caller(what, holder, noting=True)
        if caller is None:
            self.forget(what)
        if caller is None or self._unknown.get(what, 0.0) > now:  # forgotten meanwhile, which is later
            return None
        self._known.put(what, _Entry(caller, now))
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = begin_for_everybody(self._refresh())
        return caller

    def _has_looked(self, what: K, task: asyncio.Task[Caller | None]) -> None:
        del self._looking[what]
        if not task.cancelled():
            task.exception()  # theirs who wait, if anybody still does

    def forget(self, what: K) -> None:
        """It stands for nobody, or doesn't any more."""
        self._known.pop(what, None)
        self._unknown.put(what, time.monotonic() + UNKNOWN_SECONDS)

    async def close(self) -> None:
        """Wait for what is being noted, and look up nothing any more."""
        running = [*self._looking.values(), *([self._refreshing] if self._refreshing is not None else [])]
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._uses is not None:
            await self._uses.close()

    async def _refresh(self) -> None:
        """Until nobody comes any more."""
        while True:
            await asyncio.sleep(REFRESHED_EVERY)
            now = time.monotonic()
            entries = {what: entry for what, entry in self._known.items() if entry.used_at > now - IN_USE_SECONDS}
            if not entries:
                return
            try:
                async with self._pool.acquire() as connection:
                    holders = await self._look_up(connection, list(entries))
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                # Whoever comes once they are too old looks for themselves, and is told.
                log.debug("known callers not looked up", callers=len(entries), error=type(error).__name__)
                continue
            for what, entry in entries.items():
                if self._known.get(what) is not entry:
                    # Forgotten or looked up meanwhile, which is later.
                    continue
                caller = self._caller(what, holders.get(what), noting=entry.used_at > entry.until - KNOWN_SECONDS)
                if caller is None:
                    self.forget(what)
                else:
                    entry.see(caller, now)
                    self._known.put(what, entry)

    def _caller(self, what: K, holder: Holder | None, *, noting: bool) -> Caller | None:
        if holder is None or not holder.is_active:
            return None
        if noting and self._uses is not None and isinstance(what, bytes) and not holder.use_is_noted:
            self._uses.note(what)
        return Caller(holder.user_id, holder.scope)
