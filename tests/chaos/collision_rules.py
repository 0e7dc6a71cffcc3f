"""A worker's outcome and a customer's cancel at the same moment: one of the two wins, wholly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from schema.models.problems import ProblemCode
from schema.models.tasks import TaskRecord, TaskStatus
from service.accounts import credits as ledger
from service.tasks import lifecycle, store
from service.tasks.lifecycle import Claim
from tests.chaos.customer_rules import CustomerRules
from tests.chaos.machine import FINAL, answer_of, claims
from tests.chaos.model import MAX_ATTEMPTS

BLOCKED = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"


class CollisionRules(CustomerRules):
    """A rule for each way of meeting."""

    @rule(claim=claims, ending=st.sampled_from(["complete", "fail", "crash", "shut down"]))
    def cancel_at_the_same_moment(self, claim: Claim, ending: str) -> None:
        """The worker's outcome and the customer's cancel, whoever is first."""
        if not self.model.is_live(claim):
            return
        pool, now = self.world.pool, self.now
        outcomes: dict[str, Callable[[], Awaitable[TaskRecord | None]]] = {
            "complete": lambda: self.world.complete(claim, now),
            "fail": lambda: lifecycle.fail_task(pool, claim, FINAL, now=now),
            "crash": lambda: lifecycle.try_again_or_fail(
                pool, claim, FINAL, max_attempts=MAX_ATTEMPTS, at_once=True, now=now
            ),
            "shut down": lambda: lifecycle.give_back(pool, claim, now=now),
        }
        cancelling = self.world.tasks.cancel_task(self._owner(claim.task_id), claim.task_id)
        task, cancelled = self._both(outcomes[ending](), cancelling)
        assert not isinstance(task, ProblemCode)
        if task is not None and ending == "crash":
            self.model.cut_off(claim.task_id)
        elif task is not None and ending == "shut down":
            self.model.requeued(claim.task_id, to_the_head=True, attempts_returned=1, not_before=None)
        elif task is not None:
            self.model.ended(claim.task_id, task.status)
        life = self.model.lives[claim.task_id]
        if life.status in {TaskStatus.DONE, TaskStatus.FAILED}:
            assert cancelled == ProblemCode.TASK_NOT_CANCELLABLE
        else:
            assert not isinstance(cancelled, ProblemCode)
            self.model.ended(claim.task_id, TaskStatus.CANCELLED)
        # Who was first must not decide what the next steps can do: a life has to be repeatable.
        if life.status is TaskStatus.DONE:
            self.world.run(self.world.grant(life.user_id, life.price))
            self.model.balances[life.user_id] += life.price
        self.everything_is_as_it_should_be()
        self.delete(claim.task_id)

    @rule(claim=claims, commits=st.booleans())
    def cancel_while_an_outcome_is_being_written(self, claim: Claim, commits: bool) -> None:
        """A cancel that waits for a worker's transaction, which then commits or is lost with its connection."""
        if not self.model.is_live(claim):
            return
        cancelled = self.world.run(self._cancel_behind(claim, commits=commits))
        if commits:
            self.model.ended(claim.task_id, TaskStatus.FAILED)
            assert cancelled == ProblemCode.TASK_NOT_CANCELLABLE
        else:
            self.model.ended(claim.task_id, TaskStatus.CANCELLED)
            assert not isinstance(cancelled, ProblemCode)

    async def _cancel_behind(self, claim: Claim, *, commits: bool) -> Any:
        cancel = self.world.tasks.cancel_task(self._owner(claim.task_id), claim.task_id)
        async with self.world.pool.acquire() as holder:
            transaction = holder.transaction()
            await transaction.start()
            task = await store.fail_task(holder, claim.task_id, claim.lease_token, FINAL, now=self.now)
            assert task is not None
            await ledger.refund(holder, [task], "the task failed", now=self.now)
            waiting = asyncio.create_task(answer_of(cancel))
            async with asyncio.timeout(10):
                while not await holder.fetchval(BLOCKED):  # noqa: ASYNC110 - nobody but the database knows
                    await asyncio.sleep(0)
            await (transaction.commit() if commits else transaction.rollback())
        return await waiting
