"""The task service: what the HTTP face may do with tasks. The worker's half is in lifecycle.py."""

import asyncio

from schema.identifiers import is_id
from schema.models.events import Timeline
from schema.models.problems import ProblemCode
from schema.models.tasks import UNFINISHED, NewRetry, NewTask, Pagination, TaskRecord, TaskStats, TaskStatus
from service.database import Pool
from service.refusals import Refused
from service.tasks import history, lifecycle, retention, store, submission
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from service.tasks.events import timeline
from service.tasks.history import PageRequest
from service.tasks.long_histories import LongHistories
from service.tasks.older import OlderAway, OlderTasks
from service.tasks.store import IdempotencyKey, Order, Submission
from service.tasks.submission import Rules, Submitted
from service.tasks.watching import Changes, Waiters

AS_BEFORE = NewRetry()

LOOK_ELSEWHERE_EVERY = 1.0
"""Seconds between two looks at a task that somebody waits for and that the older system works on."""


class TaskService:
    """Database first, queue second: Redis is told only what is committed, and need not be there."""

    def __init__(
        self,
        pool: Pool,
        dispatcher: Dispatcher,
        waiters: Waiters,
        rules: Rules,
        older: OlderTasks | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._pool = pool
        self._dispatcher = dispatcher
        self._changes = Changes(dispatcher)
        self._waiters = waiters
        self._rules = rules
        self._deadlines = deadlines or Deadlines(pool, dispatcher)
        self._older = older
        self._long = LongHistories()

    async def create_task(self, user_id: str, new: NewTask, idempotency: IdempotencyKey | None) -> Submitted:
        """Charge and write a task, then announce it.

        Raises:
            Refused: As `submission.new_submission` and `submission.submit` tell.
        """
        return await self._submit(user_id, submission.new_submission(new, rules=self._rules), idempotency)

    async def retry_task(
        self, user_id: str, task_id: str, idempotency: IdempotencyKey | None, again: NewRetry = AS_BEFORE
    ) -> Submitted:
        """Make a failed or cancelled task's edit once more, as a new task.

        Raises:
            Refused: TASK_NOT_FOUND, TASK_NOT_RETRYABLE, and as `submission.submit` tells.
        """
        if idempotency is not None:
            earlier = await submission.find_replay(self._pool, user_id, idempotency)
            if earlier is not None:
                return earlier
        task = await self.get_task(user_id, task_id)
        return await self._submit(user_id, submission.retry_submission(task, again, rules=self._rules), idempotency)

    async def _submit(self, user_id: str, new: Submission, idempotency: IdempotencyKey | None) -> Submitted:
        order = Order(user_id=user_id, tasks=[new], idempotency=idempotency)
        submitted = await submission.submit(self._pool, order, max_pending=self._rules.max_pending)
        if not submitted.replayed:
            self._dispatcher.announce(submitted.task.task_id, submitted.task.message_no)
            self._deadlines.expect(submitted.tasks)
        return submitted

    async def get_task(self, user_id: str, task_id: str) -> TaskRecord:
        """One task of this user. What the older system still has, or still works on, is read there.

        Raises:
            Refused: TASK_NOT_FOUND, another user's task included; SERVICE_UNAVAILABLE when only the older system could
                tell, and doesn't answer.
        """
        task = None
        if is_id(task_id):
            async with self._pool.acquire() as connection:
                task = await store.get_task_by_id(connection, user_id, task_id)
            if task is None or task.elsewhere:
                task = await self._older_task(user_id, task_id, task)
        if task is None:
            raise not_found(task_id)
        return task

    async def _older_task(self, user_id: str, task_id: str, imported: TaskRecord | None = None) -> TaskRecord | None:
        """The task as it is in the older system now; what was `imported` of it where that can't be had."""
        if self._older is None:
            return imported
        try:
            return await self._older.get_task(user_id, task_id) or imported
        except OlderAway:
            if imported is not None:
                return imported
            raise Refused(
                ProblemCode.SERVICE_UNAVAILABLE,
                "The task may be one that hasn't moved here yet, and can't be read at the moment. Try again soon.",
                retry_after=1,
            ) from None

    async def wait_for_end(self, task: TaskRecord, seconds: float) -> TaskRecord:
        """The task once it has ended, or as it is after this many seconds (or when the process shuts down).

        Raises:
            Refused: TASK_NOT_FOUND when it was deleted meanwhile.
        """
        if task.status.ended or seconds <= 0 or task.user_id is None:
            return task
        user_id = task.user_id
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            # Nobody tells when a task ends elsewhere: it is looked at now and then.
            left = deadline - loop.time()
            await self._waiters.wait(task.task_id, min(left, LOOK_ELSEWHERE_EVERY) if task.elsewhere else left)
            await self._deadlines.settle(user_id)
            task = await self.get_task(user_id, task.task_id)
            if not task.elsewhere or self._waiters.stopping or loop.time() >= deadline:
                return task

    async def get_timeline(self, user_id: str, task_id: str) -> Timeline:
        """Everything that became of a task.

        Raises:
            Refused: TASK_NOT_FOUND and SERVICE_UNAVAILABLE, as `get_task` tells.
        """
        task = await self.get_task(user_id, task_id)
        async with self._pool.acquire() as connection:
            return timeline(task, await store.events_of_task(connection, user_id, task_id))

    async def has_told_end(self, task: TaskRecord, seq: int) -> bool:
        """Whether an ended task's last event is this one: there is nothing more to tell."""
        async with self._pool.acquire() as connection:
            events = await store.events_of_task(connection, task.user_id or "", task.task_id, after=seq - 1)
        return [event.seq for event in events] == ([seq] if seq else [])

    async def get_task_by_link(self, task_id: str) -> TaskRecord:
        """A task for whoever holds a signed address of it.

        Raises:
            Refused: TASK_NOT_FOUND, also when its owner may no longer use the service.
        """
        task = None
        if is_id(task_id):
            async with self._pool.acquire() as connection:
                task = await store.task_and_owner(connection, task_id)
        if task is None:
            raise not_found(task_id)
        return task

    async def get_task_list(self, user_id: str, asked: PageRequest) -> tuple[list[TaskRecord], Pagination]:
        """One page of a user's tasks, newest first; see `history.get_task_list`."""
        return await history.get_task_list(self._pool, user_id, asked, self._long)

    async def count_tasks(self, user_id: str) -> TaskStats:
        """How many of a user's tasks are in each status."""
        ended = self._long.ended(user_id)
        async with self._pool.acquire() as connection:
            counted = await store.count_tasks_by_status(connection, user_id, only=UNFINISHED if ended else None)
        if ended:
            counted |= ended
        else:
            self._long.note_counts(user_id, counted)
        return TaskStats(**{status.value: counted.get(status, 0) for status in TaskStatus}, total=sum(counted.values()))

    async def cancel_task(self, user_id: str, task_id: str) -> TaskRecord:
        """Cancel at once and refund, whatever the task is in; a second cancel answers the same.

        Raises:
            Refused: TASK_NOT_FOUND; TASK_NOT_CANCELLABLE when the task is done or has failed.
        """
        if not is_id(task_id):
            raise not_found(task_id)
        task = await lifecycle.cancel_task(self._pool, user_id, task_id)
        if task is not None:
            await self._dispatcher.withdraw([task])
            await self._changes.tell(task)
            return task
        async with self._pool.acquire() as connection:
            task = await store.get_task_by_id(connection, user_id, task_id)
        task = task or await self._older_task(user_id, task_id)
        if task is None:
            raise not_found(task_id)
        if task.status is not TaskStatus.CANCELLED:
            raise _not_cancellable(task)
        return task

    async def delete_task(self, user_id: str, task_id: str) -> None:
        """Delete an ended task with its result files, but for those that another task has as its input.

        Raises:
            Refused: TASK_NOT_FOUND; TASK_NOT_FINISHED while it waits or runs.
        """
        if not is_id(task_id):
            raise not_found(task_id)
        if await retention.delete_task(self._pool, user_id, task_id):
            self._long.forget(user_id)
            return
        async with self._pool.acquire() as connection:
            task = await store.get_task_by_id(connection, user_id, task_id)
        older = None if task is not None else await self._older_task(user_id, task_id)
        if older is not None and self._older is not None and older.status.ended:
            await self._older.forget(task_id)
        elif task is None and older is None:
            raise not_found(task_id)
        else:
            raise Refused(
                ProblemCode.TASK_NOT_FINISHED, "The task has not ended yet. Cancel it first, or wait for its end."
            )


def _not_cancellable(task: TaskRecord) -> Refused:
    if task.elsewhere:
        detail = "The system before this one still works on the task; it can't be cancelled here."
    else:
        detail = f"The task is {task.status} already; there is nothing to cancel."
    return Refused(ProblemCode.TASK_NOT_CANCELLABLE, detail)


def not_found(task_id: str) -> Refused:
    """The same for tasks that don't exist and for other users' tasks."""
    return Refused(ProblemCode.TASK_NOT_FOUND, f"You have no task {task_id[:64]!r}.")
