"""A task's events: as it was when each happened, and all of them as its timeline."""

from datetime import datetime

from msgspec.structs import replace

from schema.models.events import EventRecord, Timeline, TimelineEvent, event_id
from schema.models.tasks import TaskRecord, TaskStatus


def as_of(task: TaskRecord, event: EventRecord) -> TaskRecord:
    """The task as it was when it was given the event's status: what came later isn't told before its turn."""
    if task.status is event.status and task.attempts == event.attempt:
        return task
    return replace(
        task,
        status=event.status,
        attempts=event.attempt,
        progress=0,
        current_step=None,
        result=None,
        error=None,
        credits_refunded=0,
        updated_at=event.at,
        started_at=event.at if event.status is TaskStatus.PROCESSING else None,
        completed_at=None,
        failed_at=None,
        cancelled_at=None,
        processing_time=None,
    )


def timeline(task: TaskRecord, events: list[EventRecord]) -> Timeline:
    """Everything that became of a task. What the system before this one had ended is told by its times."""
    if events:
        return Timeline([_entry(event) for event in events])
    ended_at = task.completed_at or task.failed_at or task.cancelled_at
    known = [(TaskStatus.PENDING, task.created_at), (TaskStatus.PROCESSING, task.started_at), (task.status, ended_at)]
    times = [(status, at) for status, at in known if at is not None]
    last = len(times) - 1
    return Timeline([_remembered(task, seq - last, status, at) for seq, (status, at) in enumerate(times)])


def _entry(event: EventRecord) -> TimelineEvent:
    return TimelineEvent(
        id=event.event_id,
        at=event.at,
        status=event.status,
        attempt=event.attempt,
        code=event.code,
        engine=event.engine,
        note=event.note,
    )


def _remembered(task: TaskRecord, seq: int, status: TaskStatus, at: datetime) -> TimelineEvent:
    error = task.error if status is TaskStatus.FAILED else None
    return TimelineEvent(
        id=event_id(task.task_id, seq),
        at=at,
        status=status,
        attempt=0 if status is TaskStatus.PENDING else task.attempts,
        code=error and error.code,
        engine=None,
        note=error and error.message,
    )
