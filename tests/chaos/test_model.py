"""Every operation on tasks, in any order, twice and too late, on two connections at once: compared with a model.

The same 60 lives of 40 steps at every run; CHAOS_EXAMPLES and CHAOS_STEPS ask for more and for new ones.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from schema.models.edits import Mode
from schema.models.problems import FailureCode, ProblemCode
from schema.models.tasks import NewTask, Priority, TaskFailure, TaskRecord, TaskStatus
from service.accounts import credits as ledger
from service.refusals import Refused
from service.settings import Settings
from service.tasks import lifecycle, store
from service.tasks.lifecycle import LEASE, Claim
from service.tasks.store import IdempotencyKey
from service.tasks.submission import Submitted, fingerprint
from tests.chaos.model import CREDITS, MAX_ATTEMPTS, RETRYABLE, Model, row_as_life
from tests.chaos.world import World

T = TypeVar("T")

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "60"))
STEPS = int(os.environ.get("CHAOS_STEPS", "40"))
USUAL = "CHAOS_EXAMPLES" not in os.environ

PEOPLE = 3
NOTHING = cast("Any", multiple())
"""What a rule gives that led to no task and no claim."""

SHORT = timedelta(milliseconds=1)
WHILES = {"a while": timedelta(seconds=4), "a lease": LEASE + SHORT, "a minute": timedelta(seconds=60)}
FINAL = TaskFailure(FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo.")
PASSING = TaskFailure(FailureCode.ENGINE_TIMEOUT, "Try again later.")

people = st.integers(0, PEOPLE - 1).map("usr_{}".format)
keys = st.sampled_from(["first", "second"])
qualities = st.sampled_from(["standard", "high"])


class Lives(RuleBasedStateMachine):
    """The rules; each does something to the world, and says what it must have led to."""

    tasks = Bundle("tasks")
    claims = Bundle("claims")
    """Also those that are lost: whoever holds one may come back at any time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.photos = world.run(world.begin(PEOPLE, CREDITS))
        self.model = Model(dict.fromkeys(self.photos, CREDITS))
        # Ahead of the real clock, which the operations without `now` go by; it moves only when a rule moves it.
        self.now = datetime.now(UTC) + timedelta(hours=1)

    # ------------------------------------------------------------------ what customers do

    def _new(self, user_id: str, quality: str, priority: Priority = Priority.NORMAL) -> NewTask:
        config = {"quality": quality}
        return NewTask(Mode.BACKGROUND_CHANGE, self.photos[user_id], config=config, priority=priority)

    def _submitted(self, user_id: str, price: int, answer: Submitted | ProblemCode) -> Any:
        """A create or retry without an earlier one of the same key: made and charged, or refused as it must be."""
        refusal = self.model.refusal(user_id, price)
        if isinstance(answer, ProblemCode) or refusal is not None:
            assert answer == refusal
            return NOTHING
        assert not answer.replayed
        assert answer.task.credits_consumed == price
        self.model.created(answer.task)
        return answer.task.task_id

    @initialize(target=tasks)
    def begin(self) -> Any:
        """Two tasks of each, so that there is something to do from the first step on."""
        made: list[str] = []
        for user_id in [*self.photos, *self.photos]:
            answer = self._do(self.world.tasks.create_task(user_id, self._new(user_id, "standard"), None))
            made.append(self._submitted(user_id, PRICES["standard"], answer))
        self.world.run(self.world.dispatch(self.now))
        return multiple(*made)

    @rule(target=tasks, user_id=people, quality=qualities, priority=st.sampled_from(Priority))
    def create(self, user_id: str, quality: str, priority: Priority) -> Any:
        answer = self._do(self.world.tasks.create_task(user_id, self._new(user_id, quality, priority), None))
        return self._submitted(user_id, PRICES[quality], answer)

    @rule(target=tasks, user_id=people, quality=qualities, key=keys, twins=st.booleans())
    def create_with_key(self, user_id: str, quality: str, key: str, twins: bool) -> Any:
        new = self._new(user_id, quality)
        idempotency = IdempotencyKey("POST /tasks", key, fingerprint([quality]))
        answers = self._both(*(self.world.tasks.create_task(user_id, new, idempotency) for _ in range(1 + twins)))
        return self._submitted_with_key(user_id, PRICES[quality], idempotency, answers)

    def _submitted_with_key(
        self, user_id: str, price: int, key: IdempotencyKey, answers: list[Submitted | ProblemCode]
    ) -> Any:
        slot = (user_id, key.route, key.key)
        made: Any = NOTHING
        if slot not in self.model.keys:
            # Among twins either may have been the first.
            answers.sort(key=lambda answer: isinstance(answer, Submitted) and answer.replayed)
            first = answers.pop(0)
            made = self._submitted(user_id, price, first)
            if isinstance(first, ProblemCode):
                # Errors aren't kept: the twin was refused for the same reason.
                assert answers in ([], [first])
                return made
            self.model.keys[slot] = (key.fingerprint, first.task.task_id)
        kept_fingerprint, task_id = self.model.keys[slot]
        for answer in answers:
            if kept_fingerprint != key.fingerprint:
                assert answer == ProblemCode.IDEMPOTENCY_KEY_REUSED
            elif task_id not in self.model.lives:
                assert answer == ProblemCode.TASK_NOT_FOUND
            else:
                assert isinstance(answer, Submitted)
                assert answer.replayed
                assert answer.task.task_id == task_id
        return made

    @rule(target=tasks, task_id=tasks, key=st.none() | keys)
    def retry(self, task_id: str, key: str | None) -> Any:
        user_id = self._owner(task_id)
        idempotency = key and IdempotencyKey(f"POST /tasks/{task_id}/retry", key, fingerprint([task_id]))
        answer = self._do(self.world.tasks.retry_task(user_id, task_id, idempotency or None))
        life = self.model.lives.get(task_id)
        if idempotency and (user_id, idempotency.route, idempotency.key) in self.model.keys:
            return self._submitted_with_key(user_id, 0, idempotency, [answer])
        if life is None:
            assert answer == ProblemCode.TASK_NOT_FOUND
            return NOTHING
        if life.status not in RETRYABLE:
            assert answer == ProblemCode.TASK_NOT_RETRYABLE
            return NOTHING
        if idempotency:
            return self._submitted_with_key(user_id, life.price, idempotency, [answer])
        return self._submitted(user_id, life.price, answer)

    @rule(task_id=tasks, times=st.integers(1, 2))
    def cancel(self, task_id: str, times: int) -> None:
        user_id = self._owner(task_id)
        answers = self._both(*(self.world.tasks.cancel_task(user_id, task_id) for _ in range(times)))
        life = self.model.lives.get(task_id)
        for answer in answers:
            if life is None:
                assert answer == ProblemCode.TASK_NOT_FOUND
            elif life.status in {TaskStatus.DONE, TaskStatus.FAILED}:
                assert answer == ProblemCode.TASK_NOT_CANCELLABLE
            else:
                assert not isinstance(answer, ProblemCode)
                assert answer.status is TaskStatus.CANCELLED
                assert not self.world.run(self.world.waits_in_redis(answer))
                if not life.status.ended:
                    self.model.ended(task_id, TaskStatus.CANCELLED)

    @rule(task_id=tasks)
    def delete(self, task_id: str) -> None:
        answer = self._do(self.world.tasks.delete_task(self._owner(task_id), task_id))
        life = self.model.lives.get(task_id)
        if life is None:
            assert answer == ProblemCode.TASK_NOT_FOUND
        elif not life.status.ended:
            assert answer == ProblemCode.TASK_NOT_FINISHED
        else:
            assert answer is None
            del self.model.lives[task_id]

    # ------------------------------------------------------------------ what workers do

    @rule(target=claims, task_id=tasks, announce=st.booleans())
    def claim(self, task_id: str, announce: bool) -> Any:
        """A message for this task arrives: the first one, or once more, or long after its end."""
        return self._claimed(self.world.run(self.world.claim(task_id, self._later(), announce=announce)))

    @rule(target=claims, acknowledge=st.booleans())
    def deliver(self, acknowledge: bool) -> Any:
        """Whatever message is next in Redis."""
        claim = self.world.run(self.world.deliver(self._later(), acknowledge=acknowledge))
        return NOTHING if claim is None else self._claimed(claim)

    @rule(target=claims, one=tasks, other=tasks)
    def two_claims_at_once(self, one: str, other: str) -> Any:
        now = self._later()
        claims = self._both(self.world.claim(one, now), self.world.claim(other, now))
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

    # ------------------------------------------------------------------ at the same moment

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
            await ledger.refund(holder, task, "the task failed", now=self.now)
            waiting = asyncio.create_task(_answer(cancel))
            async with asyncio.timeout(10):
                while not await holder.fetchval(BLOCKED):  # noqa: ASYNC110 - nobody but the database knows
                    await asyncio.sleep(0)
            await (transaction.commit() if commits else transaction.rollback())
        return await waiting

    # ------------------------------------------------------------------ what goes wrong, and who mends it

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

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        rows = self.world.run(self.world.rows())
        assert self.world.run(self.world.wrongs(rows)) == []
        assert self.world.run(self.world.balances()) == self.model.balances
        assert {task_id: row_as_life(row) for task_id, row in rows.items()} == {
            task_id: life.what() for task_id, life in self.model.lives.items()
        }

    # ------------------------------------------------------------------ helpers

    def _owner(self, task_id: str) -> str:
        life = self.model.lives.get(task_id)
        return life.user_id if life is not None else "usr_0"

    def _later(self) -> datetime:
        """The next claim's moment: no two have the same, unless they are to."""
        self.now += SHORT
        return self.now

    def _do(self, work: Awaitable[T]) -> T | ProblemCode:
        return self.world.run(_answer(work))

    def _both(self, *works: Awaitable[T]) -> list[T | ProblemCode]:
        """At once, each on a connection of its own."""
        return self.world.run(_answers(*works))


PRICES = {"standard": 36, "high": 54}

BLOCKED = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"


async def _answer(work: Awaitable[T]) -> T | ProblemCode:
    try:
        return await work
    except Refused as refused:
        return refused.code


async def _answers(*works: Awaitable[T]) -> list[T | ProblemCode]:
    return await asyncio.gather(*(_answer(work) for work in works))


@pytest.fixture
def world(recycled_url: str, redis_url: str, tmp_path: Path) -> Generator[World]:
    directory = tmp_path / "files"
    settings = Settings(database_url=recycled_url, redis_url=redis_url, storage_url=directory.as_uri())
    with World(settings, directory) as opened:
        yield opened


def test_whatever_happens_to_tasks_is_what_the_model_says(world: World) -> None:
    run_state_machine_as_test(
        cast("type[Lives]", partial(Lives, world)),
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=USUAL,
            database=None,
            print_blob=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
