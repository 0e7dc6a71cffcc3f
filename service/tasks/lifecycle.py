"""What happens to a task after its submit: claimed by a worker, and then exactly one of complete, fail and requeue.

Each demands the fencing token that the claim got. A token older than the row's changes nothing, so however often a
message is delivered, and however late a lost worker comes back, a task has one outcome. Its owner may cancel until
then.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from msgspec import Struct

from schema.models.edits import Mode
from schema.models.problems import FailureCode
from schema.models.tasks import UNFINISHED, RequeueReason, StoredResult, TaskFailure, TaskRecord, TaskStatus
from service.accounts import credits as ledger
from service.database import UNAVAILABLE, Connection, Pool
from service.database.transactions import transactional
from service.files.store import NewFile
from service.sparing import Sparing
from service.tasks import store
from service.tasks.claiming import LEASE, Turns
from service.tasks.outcomes import Outcomes
from service.tasks.store import Announcement, Claim, LostLease, Marked

RENEWAL = timedelta(seconds=3)

MARK_WITHIN = 3.0
"""Seconds that a claim waits for the row that its message named: meanwhile the lease of what it took runs down."""

CUT_OFF = "The edit was cut off; it is tried again at once."
SHUT_DOWN = "The worker was shut down; the edit goes on elsewhere, and the attempt doesn't count."
WORKER_LOST = "The worker was lost; the edit is tried again ahead of its user's line."
"""Why a task waits again, for its timeline."""

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 30.0

log = structlog.get_logger(__name__)


class Taken(Struct, frozen=True):
    """What a message led to: a claim, if anything waited; and the named task's next message, if it still waits.

    `unknown` when there is no task of the name that the message gave.
    """

    claim: Claim | None
    announce: Announcement | None
    unknown: bool = False


async def claim(
    pool: Pool,
    named_task_id: str,
    *,
    worker_id: str,
    modes: frozenset[Mode] | None,
    turns: Turns | None = None,
    again: bool = False,
    now: datetime | None = None,
) -> Taken:
    """Give a free slot to the waiting task whose turn it is, which may be another than the message named.

    The message is used up by this. So the task it names, unless it was claimed now, is marked to be dispatched again
    if it still waits. The caller announces it; should it die before that, a chore does, which also finds a message that
    was used up without a mark.
    `modes` are None for a worker that stops: nothing is claimed, and the message goes to somebody else.
    `worker_id` is one slot's, which holds nothing as far as its worker knows; all of a worker's ask the same `turns`.
    `again`: the database went away while it claimed; should that have been committed, it is what is claimed now.
    """
    turns = turns or Turns(pool)
    held = None
    if again and modes:
        async with pool.acquire() as connection:
            held = await store.unanswered_claim(connection, worker_id=worker_id, lease=LEASE, now=now)
    together = frozenset({held.task_id} if held else ())
    if held is None and modes:
        # Rows that somebody holds locked are passed over.
        turn = await turns.next(worker_id, modes, now=now)
        held, together = turn.claim, turn.together
    if named_task_id in together:
        return Taken(held, announce=None)
    try:
        async with asyncio.timeout(MARK_WITHIN), pool.acquire() as connection:
            named = await store.mark_undispatched(connection, named_task_id, now=now)
    except UNAVAILABLE as error:
        if held is None:
            raise
        # Not the caller's to know: who tries again would claim another task, and leave this one to its lease.
        log.warning("message not marked as used up", task_id=named_task_id, error=type(error).__name__)
        return Taken(held, announce=None)
    if held is None and named.marked is not None and named.marked.due and named.marked.mode in (modes or ()):
        # Passed over, because whoever sent its message was just noting that. By now that is done.
        held = (await turns.next(worker_id, modes or frozenset(), now=now)).claim
    return Taken(held, announce=_again(named.marked, held, modes), unknown=not named.is_a_task)


def _again(named: Marked | None, held: Claim | None, modes: frozenset[Mode] | None) -> Announcement | None:
    """The named task's next message, unless nobody could use it now: then it is left to a chore."""
    if named is None or not named.due or (held is not None and held.task_id == named.task_id):
        return None
    if held is None and modes is not None and named.mode not in modes:
        # Nobody's turn here: at once it would come back to us, over and over.
        return None
    return named.task_id, named.message_no


async def renew(pool: Pool, claim: Claim) -> bool:
    """Keep the lease; False when the claim is no longer ours."""
    async with pool.acquire() as connection:
        return await store.renew_lease(connection, claim.task_id, claim.lease_token, lease=LEASE)


async def is_held(pool: Pool, claim: Claim) -> bool:
    """Whether the claim is still ours: not cancelled, not passed on."""
    async with pool.acquire() as connection:
        return await store.holds_claim(connection, claim.task_id, claim.lease_token)


async def update_task_progress(pool: Pool, claim: Claim, progress: int, step: str) -> bool:
    """Tell how far the edit is (0 to 100) and what it does; False when the claim is no longer ours."""
    async with pool.acquire() as connection:
        return await store.update_progress(connection, claim.task_id, claim.lease_token, progress, step)


async def complete_task(
    pool: Pool,
    claim: Claim,
    result: StoredResult,
    made: list[NewFile],
    *,
    outcomes: Outcomes | None = None,
    now: datetime | None = None,
) -> TaskRecord | None:
    """Record what a claim achieved, and its files, whose blobs are stored already.

    Returns the finished task, or None when the claim is no longer ours (cancelled, or its lease passed on), or when the
    deadline is past, and whoever sees that next fails the task. Then nothing was written, and the caller throws away
    what it made. All of a worker's slots ask the same `outcomes`.
    """
    if outcomes is not None and (done := await outcomes.complete(claim, result, made)) is not None:
        return done
    async with pool.acquire() as connection:
        return await store.complete_task(connection, claim.task_id, claim.lease_token, result, made, now=now)


@transactional
async def cancel_tasks(
    connection: Connection, user_id: str, task_ids: Sequence[str], statuses: Iterable[TaskStatus] = UNFINISHED
) -> list[TaskRecord]:
    """End those of a user's tasks that have one of these statuses, at their wish, and give the credits back."""
    cancelled = await store.cancel_tasks(connection, user_id, task_ids, statuses=statuses)
    await ledger.refund(connection, cancelled, "the task was cancelled")
    return cancelled


async def cancel_task(pool: Pool, user_id: str, task_id: str) -> TaskRecord | None:
    """The same of one; None when none of theirs waits or runs by this id."""
    cancelled = await cancel_tasks(pool, user_id, [task_id])
    return cancelled[0] if cancelled else None


@transactional
async def fail_overdue(
    connection: Connection, user_id: str, task_ids: Sequence[str], *, now: datetime | None = None
) -> list[TaskRecord]:
    """End those of a user's tasks whose deadline is past, and give the credits back."""
    failed = await store.fail_overdue(connection, user_id, task_ids, OVERDUE, now=now)
    await ledger.refund(connection, failed, "the deadline was missed", now=now)
    return failed


async def fail_task(
    pool: Pool, claim: Claim, failure: TaskFailure, *, now: datetime | None = None
) -> TaskRecord | None:
    """Record why a claim failed for good, and give the credits back; None when the claim is no longer ours."""
    return await _fail(pool, claim.task_id, claim.lease_token, failure, now=now)


async def outcome_of(pool: Pool, claim: Claim) -> TaskRecord | None:
    """The task as this claim left it, unless it was claimed again: a write whose answer was lost may have been done."""
    async with pool.acquire() as connection:
        return await store.outcome_of(connection, claim.task_id, claim.lease_token)


@transactional
async def _fail(
    connection: Connection,
    task_id: str,
    lease_token: int,
    failure: TaskFailure,
    *,
    unrenewed_since: datetime | None = None,
    now: datetime | None,
) -> TaskRecord | None:
    task = await store.fail_task(connection, task_id, lease_token, failure, unrenewed_since=unrenewed_since, now=now)
    if task is not None:
        await ledger.refund(connection, [task], "the task failed", now=now)
    return task


def back_off(attempts: int) -> timedelta:
    """How long a transient failure waits before its next attempt: 1 to 30 s, doubling, with full jitter."""
    ceiling = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2**attempts)
    return timedelta(seconds=random.uniform(FIRST_BACK_OFF, max(FIRST_BACK_OFF, ceiling)))  # noqa: S311 - no secret


async def try_again_or_fail(
    pool: Pool,
    claim: Claim,
    failure: TaskFailure,
    *,
    max_attempts: int,
    at_once: bool,
    pause: float = 0,
    now: datetime | None = None,
) -> TaskRecord | None:
    """After a failure that may pass: back to the line while attempts are left, else failed and refunded.

    `at_once` is for an attempt that was cut off (its process died): a photo that does this every time ends as
    ATTEMPTS_EXHAUSTED. Others wait for a moment, for `pause` seconds at least. None when the claim is no longer ours.
    """
    if claim.task.attempts >= max_attempts:
        return await fail_task(pool, claim, EXHAUSTED if at_once else failure, now=now)
    async with pool.acquire() as connection:
        return await store.requeue_task(
            connection,
            claim.task_id,
            claim.lease_token,
            delay=timedelta(0) if at_once else max(back_off(claim.task.attempts), timedelta(seconds=pause)),
            to_the_head=at_once,
            attempts_returned=0,
            reason=RequeueReason(CUT_OFF, failure.code) if at_once else RequeueReason(failure.message, failure.code),
            now=now,
        )


async def give_back(pool: Pool, claim: Claim, *, now: datetime | None = None) -> TaskRecord | None:
    """A worker that shuts down returns its task to the head of the line; that costs no attempt."""
    return await _give_back(pool, claim, RequeueReason(SHUT_DOWN), now=now)


async def wait_for_place(
    pool: Pool, claim: Claim, failure: TaskFailure, *, seconds: float, now: datetime | None = None
) -> TaskRecord | None:
    """The engine has no place, or another takes over: back to the line for so many seconds. That costs no attempt."""
    return await _give_back(pool, claim, RequeueReason(failure.message, failure.code), seconds=seconds, now=now)


async def _give_back(
    pool: Pool, claim: Claim, reason: RequeueReason, *, seconds: float = 0, now: datetime | None
) -> TaskRecord | None:
    async with pool.acquire() as connection:
        return await store.requeue_task(
            connection,
            claim.task_id,
            claim.lease_token,
            delay=timedelta(seconds=seconds),
            to_the_head=seconds == 0,
            attempts_returned=1,
            reason=reason,
            now=now,
        )


OVERDUE = TaskFailure(
    code=FailureCode.DEADLINE_EXCEEDED,
    message="The edit wasn't done by the time it had to be. Its credits were given back; allow more time, or none.",
)
EXHAUSTED = TaskFailure(
    code=FailureCode.ATTEMPTS_EXHAUSTED,
    message="The edit was interrupted several times and was given up. Try another photo, or try again later.",
)


async def recover_lost(pool: Pool, *, max_attempts: int, limit: int, now: datetime | None = None) -> list[TaskRecord]:
    """Take tasks from workers that no longer renew their lease: page by page, each in a transaction of its own.

    A task with attempts left goes to the head of its user's line; the others have failed, and are refunded.
    """
    sparing = Sparing(pool, "lost leases")
    recovered: list[TaskRecord] = []
    last = None
    while True:
        async with pool.acquire() as connection:
            page = await store.lost_leases(connection, lease=LEASE, limit=limit, after=last, now=now)
        for lost in page:
            task = None
            async with sparing.alone(lost.task_id) as connection:
                task = await _recover(connection, lost, max_attempts, now)
            if task is not None:
                log.warning("lease lost", task_id=task.task_id, attempts=task.attempts, status=task.status)
                recovered.append(task)
        if len(page) < limit:
            return recovered
        last = page[-1]


async def _recover(
    connection: Connection, lost: LostLease, max_attempts: int, now: datetime | None
) -> TaskRecord | None:
    """Unless its holder has renewed the lease since the page was read."""
    if lost.attempts >= max_attempts:
        return await _fail(
            connection, lost.task_id, lost.lease_token, EXHAUSTED, unrenewed_since=lost.lease_expires_at, now=now
        )
    return await store.requeue_task(
        connection,
        lost.task_id,
        lost.lease_token,
        delay=timedelta(0),
        to_the_head=True,
        attempts_returned=0,
        reason=RequeueReason(WORKER_LOST),
        unrenewed_since=lost.lease_expires_at,
        now=now,
    )
