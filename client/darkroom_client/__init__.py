"""Edits photos of people with Darkroom.

    from darkroom_client import Darkroom

    with Darkroom("http://127.0.0.1:8000", "dk_...") as darkroom:
        edit = darkroom.submit("BACKGROUND_CHANGE", "portrait.jpg", config={"background_preset": "sunset"})
        edit.save("portrait-at-sunset.jpg")

`AsyncDarkroom` has the same methods to be awaited.
"""

from darkroom_client.aio import AsyncBatch, AsyncDarkroom, AsyncEdit
from darkroom_client.errors import ApiError, DarkroomError, EditCancelled, EditFailed, StillRunning, Unreachable
from darkroom_client.models import (
    Account,
    BatchState,
    Cancelled,
    Event,
    Failure,
    Mode,
    Order,
    Place,
    Result,
    Task,
    TimelineEvent,
    Upload,
)
from darkroom_client.sync import Batch, Darkroom, Edit
from darkroom_client.webhooks import InvalidWebhook, WebhookEvent, verify_webhook

__all__ = [
    "Account",
    "ApiError",
    "AsyncBatch",
    "AsyncDarkroom",
    "AsyncEdit",
    "Batch",
    "BatchState",
    "Cancelled",
    "Darkroom",
    "DarkroomError",
    "Edit",
    "EditCancelled",
    "EditFailed",
    "Event",
    "Failure",
    "InvalidWebhook",
    "Mode",
    "Order",
    "Place",
    "Result",
    "StillRunning",
    "Task",
    "TimelineEvent",
    "Unreachable",
    "Upload",
    "WebhookEvent",
    "verify_webhook",
]
