"""What a message becomes: a free slot, then a claim, then an attempt. PostgreSQL decides; the message only wakes us."""

import asyncio
from collections.abc import Iterable
from itertools import count

import structlog

from actors.attempt import Attempt
from actors.bench import Bench, Slot
from actors.patience import GaveUp, Patience
from schema.models.edits import Mode
from service.tasks import lifecycle
from service.tasks.dispatch import Dispatcher
from service.tasks.lifecycle import Claim

log = structlog.get_logger(__name__)


class Editor:
    """Takes tasks, one per free slot, and gives each exactly one outcome."""

    def __init__(self, bench: Bench, dispatcher: Dispatcher, slots: Iterable[Slot], *, worker_id: str) -> None:
        self._bench = bench
        self._dispatcher = dispatcher
        self._worker_id = worker_id
        self._idle: asyncio.Queue[tuple[int, Slot]] = asyncio.Queue()
        for numbered in enumerate(slots, 1):
            self._idle.put_nowait(numbered)

    def stop(self) -> None:
        """No more claims; running edits get a while to finish, and are given back otherwise."""
        self._bench.stopping.set()

    async def take(self, named_task_id: str) -> None:
        """Serve one message: it may lead to another task than the one it names, or to none.

        The slot comes first: a claim without one is a lease that runs down. Whoever is to stop takes none, claims
        nothing, and leaves the message to another worker.
        """
        log.info("task received", task_id=named_task_id)
        numbered = await self._free_slot()
        try:
            number, slot = numbered or (0, None)
            claim = await self._claim(named_task_id, number, None if slot is None else frozenset(slot))
            if claim is not None and slot is not None:
                await Attempt(self._bench, claim, slot[claim.task.mode]).run()
        finally:
            if numbered is not None:
                self._idle.put_nowait(numbered)

    async def _free_slot(self) -> tuple[int, Slot] | None:
        stopping = self._bench.stopping
        if stopping.is_set():
            return None
        if not self._idle.empty():
            return self._idle.get_nowait()
        free, stop = asyncio.create_task(self._idle.get()), asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({free, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            if not free.done():
                free.cancel()
        return free.result() if free.done() else None

    async def _claim(self, named_task_id: str, slot: int, modes: frozenset[Mode] | None) -> Claim | None:
        patience = Patience(self._bench.stopping)
        tries = count()
        try:
            taken = await patience.hold(
                lambda: lifecycle.claim(
                    self._bench.pool,
                    named_task_id,
                    worker_id=f"{self._worker_id}/{slot}",
                    modes=modes,
                    again=next(tries) > 0,
                )
            )
        except GaveUp as gave_up:
            log.warning(
                "gave up on the database; nothing claimed",
                task_id=named_task_id,
                error=type(gave_up.__cause__).__name__,
            )
            return None
        if taken.unknown:
            await self._dispatcher.count_unknown(named_task_id)
        if taken.announce is not None:
            self._dispatcher.announce(*taken.announce)
        if taken.claim is None:
            log.info("nothing to do", task_id=named_task_id)
        return taken.claim
