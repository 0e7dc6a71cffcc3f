"""Many tasks at once: created together, counted together, cancelled together."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from schema.models.edits import Mode
from schema.models.tasks import NewTask, Task, TaskStatus, WebhookUrl

MOST_AT_ONCE: Final = 100
MOST_CANCELLED: Final = 10_000

Id = Annotated[str, Meta(min_length=1, max_length=64)]


class NewBatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends to have many edits made: all of them are accepted, or none."""

    tasks: Annotated[list[NewTask], Meta(min_length=1, max_length=MOST_AT_ONCE)]
    webhook_url: Annotated[WebhookUrl, Meta(description="Told when all of them have ended.")] | None = None


class CreatedBatch(Struct, frozen=True):
    """A batch that was just created, with its tasks in the order in which they were sent."""

    batch_id: str
    tasks: list[Task]


class Batch(Struct, frozen=True):
    """How many tasks a batch has, in each status. `total` counts those that were deleted since as well."""

    batch_id: str
    total: int
    pending: int
    processing: int
    done: int
    failed: int
    cancelled: int
    created_at: datetime
    ended_at: Annotated[datetime | None, Meta(description="When the last of its tasks ended.")]


class Cancellation(Struct, frozen=True, forbid_unknown_fields=True):
    """Which tasks are to be cancelled: exactly one of `ids`, `batch_id` and `status`, the last with further filters."""

    ids: Annotated[list[Id], Meta(min_length=1, max_length=MOST_CANCELLED)] | None = None
    batch_id: Id | None = None
    status: Annotated[TaskStatus, Meta(description="`pending` or `processing`.")] | None = None
    mode: Mode | None = None
    created_before: Annotated[datetime, Meta(tz=True)] | None = None


class Cancelled(Struct, frozen=True):
    """What a cancellation of many led to."""

    cancelled: Annotated[int, Meta(description="How many tasks were cancelled by this.")]
    refunded: Annotated[int, Meta(description="How many credits were given back.")]
    not_cancellable: Annotated[
        list[str], Meta(description="Up to 100 of those that are done or failed, or that there are none of.")
    ]
