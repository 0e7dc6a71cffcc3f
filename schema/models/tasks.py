"""A task: as the table holds it, and as clients see it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from schema.models.edits import FileId, Mode
from schema.models.problems import FailureCode


class TaskStatus(StrEnum):
    """Where a task is in its life. Done, failed and cancelled are ends."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to the task any more."""
        return self is not TaskStatus.PENDING and self is not TaskStatus.PROCESSING


UNFINISHED: Final = tuple(status for status in TaskStatus if not status.ended)


class Priority(StrEnum):
    """The order among one user's own tasks; between users priority means nothing."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


LINE = {Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 3}
"""Where a priority stands in its user's line. In front of all, at 0, are tasks that lost their worker."""


class TaskEnd(StrEnum):
    """A task's end, as webhooks name it."""

    DONE = "task.done"
    FAILED = "task.failed"
    CANCELLED = "task.cancelled"


WebhookUrl = Annotated[str, Meta(max_length=2000)]

SHORTEST_DEADLINE: Final = 10
LONGEST_DEADLINE: Final = 604_800

DeadlineSeconds = Annotated[
    int,
    Meta(
        ge=SHORTEST_DEADLINE,
        le=LONGEST_DEADLINE,
        description="Not ended by then, the task fails with DEADLINE_EXCEEDED and its credits are given back.",
    ),
]


class NewTask(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends to have a photo edited."""

    mode: Mode
    source_image: FileId
    reference_image: FileId | None = None
    config: Annotated[dict[str, Any], Meta(description="By mode; GET /api/v1/modes has each one's JSON Schema.")] = {}
    webhook_url: Annotated[WebhookUrl, Meta(description="Told when the task has ended.")] | None = None
    webhook_events: (
        Annotated[list[TaskEnd], Meta(min_length=1, max_length=10, description="The ends to be told; absent: all.")]
        | None
    ) = None
    priority: Priority = Priority.NORMAL
    deadline_seconds: DeadlineSeconds | None = None


class NewRetry(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client may send to have an edit made once more."""

    deadline_seconds: DeadlineSeconds | None = None


class TaskFailure(Struct, frozen=True):
    """Why a task failed: the code for programs, the message for the person, who learns what to do about it."""

    code: Annotated[
        str, Meta(description=f"One of {', '.join(FailureCode)}. Tasks of the system before this one keep theirs.")
    ]
    message: str
    details: dict[str, Any] | None = None


class RequeueReason(Struct, frozen=True):
    """Why a task went back to the line: a sentence for its owner, and the code of what failed, if something did."""

    note: str
    code: str | None = None


class LegacyPictures(Struct, frozen=True):
    """Where the system before this one serves a result's pictures: paths or URLs, as it wrote them."""

    output_image: str | None
    thumbnail: str | None
    comparison_image: str | None


class StoredResult(Struct, frozen=True, omit_defaults=True):
    """What the table keeps of an edit's outcome: ids of files, from which each answer makes fresh signed URLs."""

    output_file_id: str | None
    thumbnail_file_id: str | None
    comparison_file_id: str | None
    metadata: dict[str, Any]
    legacy: LegacyPictures | None = None
    """Only of imported tasks. It is shown where there is no file."""


class TaskRecord(Struct, frozen=True):
    """A row of the table `tasks`."""

    task_id: str
    user_id: str | None
    status: TaskStatus
    mode: Mode
    priority: Priority
    progress: int
    current_step: str | None
    source_image: str
    reference_image: str | None
    config: dict[str, Any]
    result: StoredResult | None
    error: TaskFailure | None
    webhook_url: str | None
    webhook_events: list[TaskEnd] | None
    credits_consumed: int
    credits_refunded: int
    attempts: int
    retry_of: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    processing_time: float | None
    line: int
    not_before: datetime | None
    dispatched_at: datetime | None
    message_no: int
    lease_token: int
    lease_expires_at: datetime | None
    worker_id: str | None
    legacy_fingerprint: bytes | None
    legacy_expires_at: datetime | None
    elsewhere: bool
    taken_over_at: datetime | None
    queued_at: datetime
    requeued_for: RequeueReason | None
    batch_id: str | None
    deadline_at: datetime | None


class TaskResult(Struct, frozen=True):
    """The pictures an edit made, as signed URLs, and what is to be known about them."""

    output_image: str
    thumbnail: str | None
    comparison_image: str | None
    output_file_id: Annotated[str | None, Meta(description="Null while the system before this one has the file.")]
    metadata: dict[str, Any]


class PlaceInLine(Struct, frozen=True):
    """Where a waiting task stands, and when it may begin: an estimate."""

    position: Annotated[int, Meta(ge=1, description="1: it is the next to be begun.")]
    seconds: Annotated[int, Meta(ge=0, description="Until it begins, about.")]


class Task(Struct, frozen=True, kw_only=True):
    """A task as its owner sees it."""

    task_id: str
    user_id: str | None
    status: TaskStatus
    mode: Mode
    progress: Annotated[int, Meta(ge=0, le=100)]
    current_step: str | None
    source_image: str
    reference_image: str | None
    config: dict[str, Any]
    result: TaskResult | None
    error: TaskFailure | None
    credits_consumed: int
    credits_refunded: int
    attempts: int
    priority: Priority
    retry_of: str | None
    created_at: datetime
    updated_at: datetime
    started_at: Annotated[datetime | None, Meta(description="The latest claim.")]
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    processing_time: Annotated[float | None, Meta(description="Seconds from the latest claim to the end.")]
    batch_id: Annotated[str | None, Meta(description="The batch it was created with.")]
    deadline_at: Annotated[datetime | None, Meta(description="Not ended by then, it fails.")]
    queue: Annotated[
        PlaceInLine | None, Meta(description="While it waits; null in lists, and where it isn't known.")
    ] = None
    events_url: Annotated[
        str, Meta(description="Its stream of events, signed: for an EventSource, for an hour or two.")
    ]


class HistoricTask(Task, frozen=True, kw_only=True):
    """A task with what a front end needs to fill its form again; null once the file is deleted."""

    face_image_url: str | None
    target_image_url: str | None


class Pagination(Struct, frozen=True):
    """Where a page stands. With a cursor, `page`, `total` and `total_pages` are null."""

    page: int | None
    page_size: int
    total: int | None
    total_capped: bool
    total_pages: int | None
    next_cursor: str | None


class TaskList(Struct, frozen=True):
    """One page of a user's tasks, newest first."""

    tasks: list[Task]
    pagination: Pagination


class History(Struct, frozen=True):
    """One page of a user's tasks with their inputs' URLs."""

    tasks: list[HistoricTask]
    pagination: Pagination


class TaskStats(Struct, frozen=True):
    """How many of a user's tasks are in each status."""

    pending: int
    processing: int
    done: int
    failed: int
    cancelled: int
    total: int
