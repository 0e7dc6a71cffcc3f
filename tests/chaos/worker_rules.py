"""What workers do with messages and claims, also with those they lost; and the sweep, which mends what goes wrong."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from schema.models.tasks import TaskStatus
from service.tasks import lifecycle, store
from service.tasks.lifecycle import LEASE, Claim
from tests.chaos.machine import FINAL, NOTHING, PASSING, SHORT, Machine, claims, tasks
from tests.chaos.model import MAX_ATTEMPTS

WHILES = {"a while": timedelta(seconds=4), "a lease": LEASE + SHORT, "a minute": timedelta(seconds=60)}


class WorkerRules(Machine):
    """A rule for each thing that becomes of a message or a claim, and for time that passes."""

    @rule(target=claims, task_id=tasks, announce=st.booleans())
    def claim(self, task_id: str, announce: bool) -> Any:
        """A message for this task arrives: the first one, or once more, or long after its end."""
        return self._claimed(self.world.run(self.world.claim(task_id, self._later(), announce=announce)))

    @rule(target=claims, acknowledge=st.booleans())
    def deliver(self, acknowledge: bool) -> Any:
        """Whatever message is next in Redis."""
        claim = self.world.run(self.world.deliver(self._later(), acknowledge=acknowledge))
        return NOTHING if claim is None else self._claimed(claim)

    @rule(target=claims)
    def two_claims_at_once(self) -> Any:
        """Without messages: one that names another task has its row marked, and a claim passes over a locked row.

        Which tasks the two get would then hang on who was first, and a life has to be repeatable.
        """
        now = self._later()
        claims = self._both(*(self.world.claim_without_message(now) for _ in range(2)))
        held = {claim.task_id: claim for claim in claims if isinstance(claim, Claim)}
        in_turn: list[Claim] = []
        while len(in_turn) < len(claims) and (expected := self.model.next(now)) is not None:
            self.model.claimed(expected, now)
            in_turn.append(held.pop(expected.task_id))
            assert in_turn[-1].lease_token == expected.token
        assert held == {}
        return multiple(*in_turn)

    def _claimed(self, claim: Claim | None) -> Any:
        expected = self.model.next(self.now)
        assert (claim and claim.task_id) == (expected and expected.task_id)
        if claim is None or expected is None:
            return NOTHING
        self.model.claimed(expected, self.now)
        assert (claim.lease_token, claim.task.attempts) == (expected.token, expected.attempts)
        return claim

    @rule(target=claims, claim=claims, how=st.sampled_from(["lost", "shut down", "crashed"]))
    def pass_on(self, claim: Claim, how: str) -> Any:
        """The holder loses its claim, and others claim until somebody has the task: the old claim is too late now."""
        if not self.model.is_live(claim):
            return NOTHING
        if how == "lost":
            self.now += LEASE + SHORT
            self.sweep(at_once=False)
        elif how == "shut down":
            self.shut_down(claim)
        else:
            self.fail_for_now(claim, crashed=True)
        claims: list[Claim] = []
        while self.model.lives[claim.task_id].status is TaskStatus.PENDING:
            taken = self._claimed(self.world.run(self.world.claim(claim.task_id, self._later())))
            claims.append(taken)
        return multiple(*claims)

    @rule(claim=claims, percent=st.integers(0, 100))
    def progress(self, claim: Claim, percent: int) -> None:
        told = self.world.run(lifecycle.update_task_progress(self.world.pool, claim, percent, "working"))
        assert told == self.model.is_live(claim)
        if told:
            life = self.model.lives[claim.task_id]
            life.progress = max(life.progress, percent)

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        renewed = self.world.run(self._renewed(claim))
        assert renewed == self.model.is_live(claim)
        if renewed:
            self.model.lives[claim.task_id].lease_until = self.now + LEASE

    async def _renewed(self, claim: Claim) -> bool:
        async with self.world.pool.acquire() as connection:
            return await store.renew_lease(connection, claim.task_id, claim.lease_token, lease=LEASE, now=self.now)

    @rule(claim=claims, times=st.integers(1, 2))
    def complete(self, claim: Claim, times: int) -> None:
        outcomes = self._both(*(self.world.complete(claim, self.now) for _ in range(times)))
        assert len([one for one in outcomes if one]) == self.model.is_live(claim)
        if any(outcomes):
            self.model.ended(claim.task_id, TaskStatus.DONE)

    @rule(claim=claims)
    def fail(self, claim: Claim) -> None:
        task = self.world.run(lifecycle.fail_task(self.world.pool, claim, FINAL, now=self.now))
        assert (task is not None) == self.model.is_live(claim)
        if task is not None:
            self.model.ended(claim.task_id, TaskStatus.FAILED)

    @rule(claim=claims, crashed=st.booleans())
    def fail_for_now(self, claim: Claim, crashed: bool) -> None:
        task = self.world.run(
            lifecycle.try_again_or_fail(
                self.world.pool, claim, PASSING, max_attempts=MAX_ATTEMPTS, at_once=crashed, now=self.now
            )
        )
        assert (task is not None) == self.model.is_live(claim)
        if task is None:
            return
        if crashed or self.model.lives[claim.task_id].attempts >= MAX_ATTEMPTS:
            self.model.cut_off(claim.task_id)
            return
        assert task.not_before is not None
        assert timedelta(seconds=1) <= task.not_before - self.now <= timedelta(seconds=30)
        self.model.requeued(claim.task_id, to_the_head=False, attempts_returned=0, not_before=task.not_before)

    @rule(claim=claims)
    def come_back_too_late(self, claim: Claim) -> None:
        """Whoever lost a claim may try whatever they like: it changes nothing."""
        if self.model.is_live(claim):
            return
        self.progress(claim, 99)
        self.renew(claim)
        self.complete(claim, 1)
        self.fail(claim)
        self.fail_for_now(claim, crashed=False)
        self.shut_down(claim)

    @rule(claim=claims)
    def shut_down(self, claim: Claim) -> None:
        task = self.world.run(lifecycle.give_back(self.world.pool, claim, now=self.now))
        assert (task is not None) == self.model.is_live(claim)
        if task is not None:
            self.model.requeued(claim.task_id, to_the_head=True, attempts_returned=1, not_before=None)

    @rule(what=st.sampled_from(["a while", "a lease", "a minute", "dispatch", "redis forgets", "clean"]))
    def meanwhile(self, what: str) -> None:
        if what in WHILES:
            self.now += WHILES[what]
        elif what == "dispatch":
            self.world.run(self.world.dispatch(self.now))
        elif what == "redis forgets":
            self.world.run(self.world.forget_messages(self.now))
        else:
            self.world.run(self.world.clean())

    @rule(at_once=st.booleans())
    def sweep(self, at_once: bool) -> None:
        """Lost leases; also by two sweeps at the same moment, which are kept apart only by rows' locks here."""
        swept = self._both(*(self.world.sweep(self.now) for _ in range(1 + at_once)))
        recovered = [task_id for batch in swept for task_id in batch]
        lost = {
            life.task_id
            for life in self.model.lives.values()
            if life.lease_until is not None and life.lease_until < self.now
        }
        assert len(recovered) == len(set(recovered))
        assert set(recovered) == lost
        for task_id in lost:
            self.model.cut_off(task_id)
