"""Webhooks: deliveries as the table holds them, and as their owner and the receiver see them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from schema.models.tasks import Pagination


class WebhookType(StrEnum):
    """What a webhook tells."""

    TASK_DONE = "task.done"
    TASK_FAILED = "task.failed"
    TASK_CANCELLED = "task.cancelled"
    BATCH_DONE = "batch.done"
    PING = "ping"


class DeliveryStatus(StrEnum):
    """Whether the receiver was told. Gone: it answered 410, and isn't asked again."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"


class DeliveryRecord(Struct, frozen=True):
    """A row of the table `webhook_deliveries`."""

    delivery_id: str
    user_id: str
    event_id: str
    type: WebhookType
    task_id: str | None
    batch_id: str | None
    url: str
    host: str
    data: dict[str, Any] | None
    status: DeliveryStatus
    tries: int
    attempts: int
    due_at: datetime
    next_attempt_at: datetime | None
    claim: str | None
    last_status: int | None
    last_error: str | None
    last_response: str | None
    created_at: datetime
    ended_at: datetime | None


class Delivery(Struct, frozen=True):
    """A delivery as its owner sees it."""

    delivery_id: str
    event_id: Annotated[str, Meta(description="The webhook-id; the same in streams and timelines.")]
    task_id: str | None
    url: str
    type: WebhookType
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime | None
    last_status: Annotated[int | None, Meta(description="The HTTP status of the last answer.")]
    last_error: Annotated[str | None, Meta(description="Why the last attempt failed, and where a redirect led.")]
    last_response: Annotated[str | None, Meta(description="How the last answer began: up to 1 kB.")]
    created_at: datetime


class DeliveryList(Struct, frozen=True):
    """A page of one's deliveries, newest first."""

    deliveries: list[Delivery]
    pagination: Pagination


class WebhookSecret(Struct, frozen=True):
    """What one's webhooks are signed with."""

    secret: Annotated[str, Meta(description="As Standard Webhooks libraries take it: whsec_...")]


class NewPing(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a ping is to be sent."""

    url: Annotated[str, Meta(max_length=2000)]


class Webhook(Struct, frozen=True):
    """The body of a webhook: `timestamp` is when it happened, `data` a task or a batch."""

    type: WebhookType
    timestamp: datetime
    data: Any


def delivery_of(ended_id: str) -> str:
    """The id of the delivery that tells of the end of a task or a batch; as `tell_webhook_v1` makes it."""
    return f"dlv_{ended_id}"


SCHEDULE: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long to wait after each failed attempt, as Standard Webhooks suggests; after the last one it is given up."""
