"""From what a client asks to tasks in the table: judge the request, then charge and write in one statement."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
import structlog
from msgspec import Struct

from schema.fitting import fitting
from schema.identifiers import new_id
from schema.models.edits import CONFIG_TYPES, PRESET_FIELDS, PRESETS, REFERENCE_FIELDS, AnyConfig, Mode, price
from schema.models.problems import ProblemCode
from schema.models.tasks import NewRetry, NewTask, TaskRecord
from service.database import UNAVAILABLE, Connection, Pool
from service.database.away import is_lost
from service.refusals import Refused, invalid
from service.tasks import store
from service.tasks.store import EarlierUse, IdempotencyKey, Order, Submission, SubmitAnswer
from service.telling.wording import explain_validation
from service.webhooks.urls import judge_webhook_url

TRIES = 3
MODE_RETRY_AFTER = 3600
PENDING_RETRY_AFTER = 30

FIND_OUT_WITHIN = 4.0
"""Seconds in which it is looked for what became of tasks whose writing was cut off."""

ASK_AGAIN_AFTER = 0.2
LOOK_AFTER = 5
NOBODY_KNOWS = (
    "The database went away before it told whether the task was made and charged. Send the same again if it has an "
    "Idempotency-Key; otherwise see first whether GET /api/v1/tasks has it."
)

log = structlog.get_logger(__name__)

CREATED = "task created, credits deducted"


class Rules(Struct, frozen=True):
    """What new tasks are judged by: modes that an engine makes, how many may wait per user, where webhooks may go."""

    available: frozenset[Mode]
    max_pending: int
    allow_private_webhooks: bool = False


class Submitted(Struct, frozen=True):
    """The tasks, and whether an earlier request with the same key had written them already."""

    tasks: Sequence[TaskRecord]
    replayed: bool

    @property
    def task(self) -> TaskRecord:
        """The only one of a request for one."""
        return self.tasks[0]


def fingerprint(body: object) -> bytes:
    """A digest of JSON values that doesn't depend on the order of keys or on white space."""
    return hashlib.sha256(msgspec.json.encode(body, order="deterministic")).digest()


def parse_config(mode: Mode, config: dict[str, Any], *, strict: bool = True) -> AnyConfig:
    """A mode's configuration, typed; unless `strict`, numbers and truths may be text.

    Raises:
        Refused: INVALID_REQUEST naming the field.
    """
    try:
        return msgspec.convert(config, CONFIG_TYPES[mode], strict=strict)
    except msgspec.ValidationError as error:
        path, words = explain_validation(str(error), CONFIG_TYPES[mode])
        raise invalid(f"config.{path}" if path else "config", words) from None


def stored_config(mode: Mode, config: dict[str, Any]) -> AnyConfig:
    """The configuration of a task that is in the table already; keys that no mode knows are ignored.

    The system before this one took numbers as text, and others than are taken here (`fitting`), and its tasks run here.
    """
    known = CONFIG_TYPES[mode].__struct_fields__
    fits = config | fitting(mode, config)
    return parse_config(mode, {name: fits[name] for name in known if name in fits}, strict=False)


def the_reference(new: NewTask, config: AnyConfig) -> str | None:
    """The reference image, sent beside `config` or inside it under one of its older names.

    Raises:
        Refused: INVALID_REQUEST when the names disagree.
    """
    reference = new.reference_image
    for name in REFERENCE_FIELDS[new.mode]:
        other: str | None = getattr(config, name)
        if other is None:
            continue
        if reference is not None and other != reference:
            raise invalid(f"config.{name}", "names another reference image than the rest of the request; send one")
        reference = other
    return reference


def new_submission(new: NewTask, *, rules: Rules, task_id: str | None = None) -> Submission:
    """Judge what a client asks, without looking anything up.

    Raises:
        Refused: INVALID_REQUEST naming the field.
    """
    config = parse_config(new.mode, new.config)
    reference = the_reference(new, config)
    demand_preset(new.mode, config)
    demand_reference(new.mode, config, reference)
    if new.webhook_url is not None:
        judge_webhook_url(new.webhook_url, allow_private=rules.allow_private_webhooks)
    return Submission(
        task_id=task_id or new_id("task"),
        mode=new.mode,
        priority=new.priority,
        source_image=new.source_image,
        reference_image=reference,
        config=new.config,
        webhook_url=new.webhook_url,
        webhook_events=new.webhook_events,
        price=price(new.mode, config.quality, config.size),
        available=new.mode in rules.available,
        deadline_seconds=new.deadline_seconds,
    )


def retry_submission(task: TaskRecord, again: NewRetry, *, rules: Rules) -> Submission:
    """The same edit once more, at today's price.

    Raises:
        Refused: TASK_NOT_RETRYABLE unless the task has failed or was cancelled.
    """
    if task.failed_at is None and task.cancelled_at is None:
        raise Refused(
            ProblemCode.TASK_NOT_RETRYABLE, f"The task is {task.status}; only failed or cancelled tasks can be retried."
        )
    config = stored_config(task.mode, task.config)
    return Submission(
        task_id=new_id("task"),
        mode=task.mode,
        priority=task.priority,
        source_image=task.source_image,
        reference_image=task.reference_image,
        config=task.config,
        webhook_url=task.webhook_url,
        webhook_events=task.webhook_events,
        price=price(task.mode, config.quality, config.size),
        available=task.mode in rules.available,
        retry_of=task.task_id,
        deadline_seconds=again.deadline_seconds,
    )


def demand_preset(mode: Mode, config: AnyConfig) -> None:
    """A preset is one of those there are. A mode that has none yet isn't available either, and is refused as that.

    Raises:
        Refused: INVALID_REQUEST.
    """
    field = PRESET_FIELDS[mode]
    name: str | None = getattr(config, field)
    if name is not None and PRESETS[mode] and name not in PRESETS[mode]:
        raise invalid(f"config.{field}", f"takes one of {', '.join(PRESETS[mode])}")


def demand_reference(mode: Mode, config: AnyConfig, reference: str | None) -> None:
    """A custom background is somebody's picture; everything else has a default.

    Raises:
        Refused: INVALID_REQUEST.
    """
    if mode is Mode.BACKGROUND_CHANGE and getattr(config, "background_type", None) == "custom" and reference is None:
        raise invalid("reference_image", "a custom background needs one; upload it, or ask for a preset")


async def submit(pool: Pool, order: Order, *, max_pending: int) -> Submitted:
    """Charge and write tasks, with their key and the marks that they are to be dispatched: all of it or nothing.

    Raises:
        Refused: IDEMPOTENCY_KEY_REUSED, FILE_NOT_FOUND, TASK_NOT_FOUND, TOO_MANY_PENDING_TASKS,
            INSUFFICIENT_CREDITS or MODE_NOT_AVAILABLE, in this order; nothing was written or charged then.
            SERVICE_UNAVAILABLE when the database went away, for longer, before it told whether anything was.
    """
    sent = False
    try:
        async with pool.acquire() as connection:
            sent = True
            return await _submit(connection, order, max_pending)
    except UNAVAILABLE as error:
        if not sent or not is_lost(error):
            raise
        log.warning("lost the database while tasks were written", task_id=order.made_id, error=type(error).__name__)
    return await _find_out(pool, order, max_pending)


async def _find_out(pool: Pool, order: Order, max_pending: int) -> Submitted:
    """The same again, whose answer was lost with its connection: its ids tell whether it had been written."""
    clock = asyncio.get_running_loop().time
    until = clock() + FIND_OUT_WITHIN
    while True:
        try:
            async with pool.acquire() as connection:
                return await _submit_again(connection, order, max_pending)
        except UNAVAILABLE as error:
            if clock() >= until:
                raise Refused(ProblemCode.SERVICE_UNAVAILABLE, NOBODY_KNOWS, retry_after=LOOK_AFTER) from error
        await asyncio.sleep(ASK_AGAIN_AFTER)


async def _submit_again(connection: Connection, order: Order, max_pending: int) -> Submitted:
    made = await store.made_by(connection, order.user_id, order.made_id)
    if not made:
        try:
            return await _submit(connection, order, max_pending)
        except (Refused, asyncpg.UniqueViolationError):
            # The server was still at it, and has done it meanwhile.
            made = await store.made_by(connection, order.user_id, order.made_id)
            if not made:
                raise
    _log_created(order, None)
    return Submitted(made, replayed=False)


async def _submit(connection: Connection, order: Order, max_pending: int) -> Submitted:
    for _ in range(TRIES):
        try:
            answer = await store.submit_tasks(connection, order, max_pending=max_pending)
        except asyncpg.UniqueViolationError:
            if order.idempotency is None:
                raise
            # The key is there: a twin's, which the next try sees, or one from more than a day ago, which goes.
            await store.forget_expired_key(connection, order.user_id, order.idempotency)
            continue
        if answer.tasks:
            _log_created(order, answer.credits_left)
            return Submitted(answer.tasks, replayed=False)
        # A twin that was faster may have taken the credits or the place that this request lacked: look again.
        kept = answer.kept
        if kept is None and order.idempotency is not None:
            kept = await store.kept_key(connection, order.user_id, order.idempotency)
        if kept is not None and order.idempotency is not None:
            return await replay(connection, order.user_id, order.idempotency, kept)
        refusal = await _refusal(connection, order, answer, max_pending)
        if refusal is not None:
            raise refusal
        # What stood in the way is gone already (a refund, a claim): try again.
    raise Refused(ProblemCode.SERVICE_UNAVAILABLE, "The account is very busy. Try again in a moment.", retry_after=1)


def _log_created(order: Order, credits_left: int | None) -> None:
    """A line a task of a batch, with what is left after all of them. One by itself is told in its request's line."""
    for task in order.tasks:
        about = {"task_id": task.task_id, "mode": task.mode, "credits": task.price, "credits_left": credits_left}
        if order.batch_id is None:
            structlog.contextvars.bind_contextvars(done=CREATED, **about)
        else:
            log.info(CREATED, user_id=order.user_id, batch_id=order.batch_id, **about)


def tell_created() -> None:
    """Tell of what this request created at once: its own line comes too late where it waits for the task's end."""
    if structlog.contextvars.get_contextvars().get("done") == CREATED:
        structlog.contextvars.unbind_contextvars("done")
        log.info(CREATED)


async def find_replay(pool: Pool, user_id: str, idempotency: IdempotencyKey) -> Submitted | None:
    """What an earlier request with this key led to, if there was one.

    Raises:
        Refused: IDEMPOTENCY_KEY_REUSED or TASK_NOT_FOUND.
    """
    async with pool.acquire() as connection:
        kept = await store.kept_key(connection, user_id, idempotency)
        return None if kept is None else await replay(connection, user_id, idempotency, kept)


async def replay(connection: Connection, user_id: str, idempotency: IdempotencyKey, kept: EarlierUse) -> Submitted:
    """The task that a key's first request made, or those of its batch that are still there."""
    if kept.kept_fingerprint != idempotency.fingerprint:
        raise Refused(
            ProblemCode.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used with another body within the last 24 hours. Use a new key.",
        )
    tasks = await store.made_by(connection, user_id, kept.kept_id)
    if not tasks:
        raise Refused(ProblemCode.TASK_NOT_FOUND, "What this Idempotency-Key made has been deleted.")
    return Submitted(tasks, replayed=True)


async def _refusal(connection: Connection, order: Order, answer: SubmitAnswer, max_pending: int) -> Refused | None:
    seen = await store.refusal_of_submit(connection, order, max_pending)
    if seen is None:
        return Refused(ProblemCode.UNAUTHORIZED, "This account has been deleted.")
    if (missing := _missing_file(order, answer)) is not None:
        return missing
    if seen.too_many_pending:
        return Refused(
            ProblemCode.TOO_MANY_PENDING_TASKS,
            f"At most {max_pending} of your tasks may wait. Wait until some are done, or cancel some.",
            retry_after=PENDING_RETRY_AFTER,
        )
    if seen.current_credits < order.price:
        deficit = order.price - seen.current_credits
        what = "This edit costs" if order.batch_id is None else "These edits cost"
        return Refused(
            ProblemCode.INSUFFICIENT_CREDITS,
            f"{what} {order.price} credits and you have {seen.current_credits}.",
            extra={"required": order.price, "current": seen.current_credits, "deficit": deficit},
        )
    for task in order.tasks:
        if not task.available:
            return Refused(
                ProblemCode.MODE_NOT_AVAILABLE,
                f"{task.mode} isn't available on this server at the moment. GET /api/v1/modes tells what is.",
                retry_after=MODE_RETRY_AFTER,
            )
    return None


def _missing_file(order: Order, answer: SubmitAnswer) -> Refused | None:
    for place, task in enumerate(order.tasks):
        inputs = {"source_image": task.source_image, "reference_image": task.reference_image}
        for field, file_id in inputs.items():
            if file_id is not None and file_id not in answer.found_files:
                message = f"there is no file {file_id}. Upload it first."
                refused = Refused(ProblemCode.FILE_NOT_FOUND, message, field=field)
                return refused if order.batch_id is None else refused.within(f"tasks[{place}]")
    return None
