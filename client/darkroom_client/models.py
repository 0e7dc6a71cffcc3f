"""What Darkroom answers. Fields that a later version adds are passed over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, BinaryIO, Literal

from msgspec import Struct

Mode = Literal["HEAD_SWAP", "BACKGROUND_CHANGE", "POSE_CHANGE"]
"""What may be asked for. What is answered may be a later version's."""
Status = Literal["pending", "processing", "done", "failed", "cancelled"]
Priority = Literal["low", "normal", "high"]

Photo = str | PathLike[str] | bytes | BinaryIO
"""A path, a photo's bytes or an open file; the id of an upload (`file_...`); or an address that Darkroom fetches it
from (`https://...`)."""


class Upload(Struct, frozen=True):
    """A photo that was uploaded; its size in pixels as it is displayed."""

    file_id: str
    filename: str
    size: int
    content_type: str
    width: int
    height: int
    url: str
    uploaded_at: datetime


class Result(Struct, frozen=True):
    """What came of an edit. The addresses are signed, and good for an hour or two."""

    output_image: str | None
    thumbnail: str | None
    comparison_image: str | None
    output_file_id: str | None = None
    metadata: dict[str, Any] = {}


class Failure(Struct, frozen=True):
    """Why an edit failed: a code for programs, a sentence for the person."""

    code: str
    message: str
    details: dict[str, Any] | None = None


class Place(Struct, frozen=True):
    """Where a waiting task stands in line, and about how many seconds it will be until it begins."""

    position: int | None
    seconds: float | None


class Task(Struct, frozen=True, kw_only=True):
    """A task, as Darkroom tells it."""

    task_id: str
    user_id: str | None = None
    status: Status
    mode: Mode | str
    progress: int = 0
    current_step: str | None = None
    source_image: str
    reference_image: str | None = None
    config: dict[str, Any] = {}
    result: Result | None = None
    error: Failure | None = None
    credits_consumed: int = 0
    credits_refunded: int = 0
    attempts: int = 0
    priority: Priority | str = "normal"
    retry_of: str | None = None
    batch_id: str | None = None
    deadline_at: datetime | None = None
    queue: Place | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    processing_time: float | None = None
    events_url: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in {"done", "failed", "cancelled"}


class Event(Struct, frozen=True):
    """Something that happened to a task. `id` is None where the stream couldn't be had and the task was asked for."""

    kind: Literal["status", "progress"]
    task: Task
    id: str | None = None


class TimelineEvent(Struct, frozen=True):
    """A status that a task had, and what of it is to be known."""

    id: str
    at: datetime
    status: Status
    attempt: int | None = None
    code: str | None = None
    engine: str | None = None
    note: str | None = None


class Account(Struct, frozen=True):
    """Whose key it is."""

    user_id: str
    current_credits: int
    total_credits_used: int
    email: str | None = None
    username: str | None = None


class BatchState(Struct, frozen=True):
    """How many of a batch's tasks are where."""

    batch_id: str
    total: int
    pending: int
    processing: int
    done: int
    failed: int
    cancelled: int
    created_at: datetime
    ended_at: datetime | None = None


class Cancelled(Struct, frozen=True):
    """What a cancel of many did: how many, the credits given back, and up to a hundred that had ended."""

    cancelled: int
    refunded: int
    not_cancellable: list[str] = []


class Order(Struct, frozen=True, kw_only=True):
    """An edit that is wanted. `deadline_seconds`: what hasn't ended by then fails, and is given back."""

    mode: Mode
    source: Photo
    reference: Photo | None = None
    config: Mapping[str, Any] = {}
    priority: Priority = "normal"
    webhook_url: str | None = None
    webhook_events: Sequence[str] | None = None
    deadline_seconds: int | None = None
