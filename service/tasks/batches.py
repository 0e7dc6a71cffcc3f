"""Many tasks at once: created all or not at all, counted, cancelled a few at a time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from schema.identifiers import is_id, new_id
from schema.models.batches import Batch, Cancellation, Cancelled, NewBatch
from schema.models.problems import ProblemCode
from schema.models.tasks import UNFINISHED, TaskStatus
from service.database import Pool
from service.refusals import Refused, invalid
from service.tasks import lifecycle, store
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from service.tasks.store import IdempotencyKey, Order, Submission
from service.tasks.submission import Rules, Submitted, new_submission, submit
from service.tasks.watching import Changes
from service.webhooks.urls import judge_webhook_url

AT_ONCE = 100
"""Tasks that are cancelled in one transaction: as long as that takes, their user's other requests wait."""

MOST_TOLD = 100
"""How many tasks an answer names that couldn't be cancelled."""


class Batches:
    """What the HTTP face may do with many tasks at once."""

    def __init__(self, pool: Pool, dispatcher: Dispatcher, rules: Rules, deadlines: Deadlines) -> None:
        self._pool = pool
        self._dispatcher = dispatcher
        self._changes = Changes(dispatcher)
        self._rules = rules
        self._deadlines = deadlines

    async def create(self, user_id: str, new: NewBatch, idempotency: IdempotencyKey | None) -> Submitted:
        """Charge and write all of them, then announce them.

        Raises:
            Refused: INVALID_REQUEST naming the task by its place, and as `submission.submit` tells.
        """
        order = new_order(user_id, new, rules=self._rules, idempotency=idempotency)
        submitted = await submit(self._pool, order, max_pending=self._rules.max_pending)
        if not submitted.replayed:
            for task in submitted.tasks:
                self._dispatcher.announce(task.task_id, task.message_no)
            self._deadlines.expect(submitted.tasks)
        return submitted

    async def get(self, user_id: str, batch_id: str) -> Batch:
        """How far a batch is.

        Raises:
            Refused: NOT_FOUND, another user's batch included.
        """
        batch = None
        if is_id(batch_id):
            async with self._pool.acquire() as connection:
                batch = await store.get_batch(connection, user_id, batch_id)
        if batch is None:
            raise Refused(ProblemCode.NOT_FOUND, f"You have no batch {batch_id[:64]!r}.")
        return batch

    async def cancel(self, user_id: str, wanted: Cancellation) -> Cancelled:
        """Cancel and refund those that wait or run, some at a time; cancelled ones stay as they are.

        Raises:
            Refused: INVALID_REQUEST unless exactly one choice is made; NOT_FOUND for a batch that isn't theirs.
        """
        chosen = await self._chosen(user_id, wanted)
        statuses = UNFINISHED if wanted.status is None else (wanted.status,)
        cancelled, refunded = 0, 0
        left: list[str] = []
        for some in _some_at_a_time(chosen):
            known = [task_id for task_id in some if is_id(task_id)]
            ended = await lifecycle.cancel_tasks(self._pool, user_id, known, statuses)
            await self._dispatcher.withdraw(ended)
            await self._changes.tell_all(ended)
            cancelled += len(ended)
            refunded += sum(task.credits_refunded for task in ended)
            left += set(some) - {task.task_id for task in ended}
        return Cancelled(cancelled, refunded, await self._not_cancelled(user_id, sorted(left)))

    async def _chosen(self, user_id: str, wanted: Cancellation) -> list[str]:
        choices = [name for name in ("ids", "batch_id", "status") if getattr(wanted, name) is not None]
        if len(choices) != 1:
            raise invalid(choices[1] if choices else "ids", "takes exactly one of ids, batch_id and status")
        if wanted.status is None and (wanted.mode, wanted.created_before) != (None, None):
            raise invalid("mode" if wanted.mode else "created_before", "goes with status only")
        if wanted.ids is not None:
            return sorted(set(wanted.ids))
        if wanted.batch_id is not None:
            batch = await self.get(user_id, wanted.batch_id)
            async with self._pool.acquire() as connection:
                return [task.task_id for task in await store.made_by(connection, user_id, batch.batch_id)]
        async with self._pool.acquire() as connection:
            return await store.unfinished_ids(
                connection,
                user_id,
                status=_unfinished(wanted.status),
                mode=wanted.mode,
                created_before=wanted.created_before and _in_utc(wanted.created_before),
            )

    async def _not_cancelled(self, user_id: str, task_ids: Sequence[str]) -> list[str]:
        """The first of these that aren't cancelled by now: whoever cancels twice is told the same."""
        told: list[str] = []
        async with self._pool.acquire() as connection:
            for some in _some_at_a_time(task_ids):
                before = await store.get_named_tasks(
                    connection, user_id, task_ids=some, statuses=[TaskStatus.CANCELLED]
                )
                told += sorted(set(some) - {task.task_id for task in before})
                if len(told) >= MOST_TOLD:
                    break
        return told[:MOST_TOLD]


def _in_utc(moment: datetime) -> datetime:
    """The same time. What is in a year that there is may lie in none without its offset."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise invalid("created_before", "takes a time of the years 1 to 9999 in UTC") from None


def new_order(user_id: str, new: NewBatch, *, rules: Rules, idempotency: IdempotencyKey | None) -> Order:
    """Judge what a client asks, without looking anything up; what is at fault in a task is named by that one's place.

    Raises:
        Refused: INVALID_REQUEST naming the field.
    """
    if new.webhook_url is not None:
        judge_webhook_url(new.webhook_url, allow_private=rules.allow_private_webhooks)
    ids = sorted(new_id("task") for _ in new.tasks)
    tasks: list[Submission] = []
    for place, (task_id, task) in enumerate(zip(ids, new.tasks, strict=True)):
        try:
            tasks.append(new_submission(task, rules=rules, task_id=task_id))
        except Refused as refused:
            raise refused.within(f"tasks[{place}]") from None
    return Order(
        user_id=user_id,
        tasks=tasks,
        idempotency=idempotency,
        batch_id=new_id("batch"),
        batch_webhook_url=new.webhook_url,
    )


def _unfinished(status: TaskStatus | None) -> TaskStatus:
    if status is None or status.ended:
        raise invalid("status", f"takes {' or '.join(UNFINISHED)}")
    return status


def _some_at_a_time(task_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(task_ids), AT_ONCE):
        yield task_ids[start : start + AT_ONCE]
