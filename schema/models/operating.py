"""What operators look at: everybody's tasks in numbers, workers, one task's history. No photo, no name."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from schema.models.edits import Mode
from schema.models.events import TimelineEvent
from schema.models.tasks import Priority, TaskStatus


class WaitingMode(Struct, frozen=True):
    """Tasks of a mode that wait for a worker."""

    mode: Mode
    tasks: int
    oldest_seconds: Annotated[float, Meta(description="For how long the first of them has stood in the line.")]


class RunningTask(Struct, frozen=True):
    """A task that a worker has."""

    task_id: str
    mode: Mode
    worker_id: str | None
    progress: int
    current_step: str | None
    attempts: int
    started_at: datetime
    seconds: float


class SeenWorker(Struct, frozen=True):
    """A worker process that lives; `trouble` keeps it from taking messages."""

    worker_id: str
    slots: int
    modes: list[str]
    started_at: datetime
    trouble: str | None


class EndedTasks(Struct, frozen=True):
    """How many tasks ended alike within half an hour, which begins at `slot`."""

    slot: datetime
    mode: Mode
    status: TaskStatus
    code: str | None
    tasks: int


class EndedTask(Struct, frozen=True):
    """One of those that ended last."""

    task_id: str
    mode: Mode
    status: TaskStatus
    code: str | None
    ended_at: datetime


class Overview(Struct, frozen=True):
    """Everything at one moment."""

    at: datetime
    waiting: list[WaitingMode]
    running_tasks: int
    running: Annotated[list[RunningTask], Meta(description="Those that have run longest, 200 at most.")]
    workers: list[SeenWorker]
    ended: Annotated[list[EndedTasks], Meta(description="Of the last day.")]
    last_ended: list[EndedTask]


class OperatorsTask(Struct, frozen=True):
    """A task's row without what is its user's alone."""

    task_id: str
    user_id: str | None
    mode: Mode
    status: TaskStatus
    priority: Priority
    progress: int
    current_step: str | None
    attempts: int
    credits_consumed: int
    credits_refunded: int
    created_at: datetime


class TaskHistory(Struct, frozen=True):
    """A task, and each status it had, oldest first."""

    task: OperatorsTask
    events: list[TimelineEvent]
