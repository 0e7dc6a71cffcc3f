"""What a message becomes: a free slot, then a claim, then an attempt. PostgreSQL decides; the message only wakes us."""

import asyncio
from collections.abc import Iterable
from itertools import count

import structlog

from actors.attempt import Attempt
from actors.bench import Bench, Slot
from actors.patience import GaveUp, Patience
from actors.slots import Held, Slots
from service.sharing.for_everybody import begin_for_everybody
from service.tasks import lifecycle
from service.tasks.claiming import Turns
from service.tasks.dispatch import Dispatcher
from service.tasks.lifecycle import Claim
from service.tasks.outcomes import Outcomes

HOLD_ON = 2.0
"""Seconds that a message waits here for a slot of the kind that is busy: it may be for that."""

log = structlog.get_logger(__name__)


class Editor:
    """Takes tasks, one per free slot, and gives each exactly one outcome."""

    def __init__(self, bench: Bench, dispatcher: Dispatcher, slots: Iterable[Slot], *, worker_id: str) -> None:
        self._bench = bench
        self._dispatcher = dispatcher
        self._worker_id = worker_id
        self._slots = Slots(slots)
        self._turns = Turns(bench.pool)
        self._outcomes = Outcomes(bench.pool)
        self._stopping_elsewhere: set[asyncio.Task[None]] = set()
        self._grace: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """No more claims; running edits get a while to finish, and are given back otherwise."""
        self._bench.stopping.set()

    async def take(self, named_task_id: str) -> None:
        """Serve one message: it may lead to another task than the one it names, or to none.

        The slot comes first: a claim without one is a lease that runs down. Whoever is to stop takes none, claims
        nothing, and leaves the message to another worker.
        """
        log.info("task received", task_id=named_task_id)
        held = await self._free_slots()
        try:
            claim = await self._claim(named_task_id, held)
            if claim is None and held is not None and held.kinds() != self._slots.kinds:
                # Nothing for the slots that are free. It may be for one of the others.
                busy = self._slots.kinds - held.kinds()
                held.release()
                held = None
                if await self._slots.wait(busy, self._bench.stopping, HOLD_ON) and (held := self._slots.take()):
                    claim = await self._claim(named_task_id, held)
            if claim is not None and held is not None:
                await self._attempt(claim, held)
        finally:
            if held is not None:
                held.release()

    async def close(self) -> None:
        """Tell what was done; wait until what runs elsewhere for nobody was asked to stop, which a chore asks again."""
        await self._bench.changes.close()
        if self._grace is not None:
            self._grace.cancel()
        await asyncio.gather(*self._stopping_elsewhere, return_exceptions=True)

    async def _free_slots(self) -> Held | None:
        """One of each kind that has one; None for a worker that is to stop."""
        while not self._bench.stopping.is_set():
            if held := self._slots.take():
                return held
            await self._slots.wait(self._slots.kinds, self._bench.stopping)
        return None

    async def _attempt(self, claim: Claim, held: Held) -> None:
        if self._grace is None:
            self._grace = begin_for_everybody(self._wait_out_grace())
        attempt = Attempt(self._bench, claim, held.use(claim.task.mode), self._outcomes, self._grace)
        await attempt.run()
        if attempt.runs_elsewhere:
            # The slot isn't kept for that.
            stopping = asyncio.create_task(attempt.stop_elsewhere())
            self._stopping_elsewhere.add(stopping)
            stopping.add_done_callback(self._stopping_elsewhere.discard)

    async def _wait_out_grace(self) -> None:
        await self._bench.stopping.wait()
        await asyncio.sleep(self._bench.limits.shutdown_grace)

    async def _claim(self, named_task_id: str, held: Held | None) -> Claim | None:
        number, modes = (0, None) if held is None else (held.number, held.modes())
        patience = Patience(self._bench.stopping)
        tries = count()
        try:
            taken = await patience.hold(
                lambda: lifecycle.claim(
                    self._bench.pool,
                    named_task_id,
                    worker_id=f"{self._worker_id}/{number}",
                    modes=modes,
                    turns=self._turns,
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
