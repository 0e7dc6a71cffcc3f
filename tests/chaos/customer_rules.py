"""What customers do: create, with a key and without, retry, cancel, delete; twice, and two at once."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, rule

from schema.models.edits import Mode
from schema.models.problems import ProblemCode
from schema.models.tasks import NewTask, Priority, TaskStatus
from service.tasks.store import IdempotencyKey
from service.tasks.submission import Submitted, fingerprint
from tests.chaos.machine import NOTHING, Machine, people, tasks
from tests.chaos.model import RETRYABLE

PRICES = {"standard": 36, "high": 54}

keys = st.sampled_from(["first", "second"])
qualities = st.sampled_from(["standard", "high"])


class CustomerRules(Machine):
    """A rule for each thing that customers can ask for."""

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
