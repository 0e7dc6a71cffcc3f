"""What becomes of a task, event by event: as the table holds it, and as clients see it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from schema.models.tasks import TaskStatus


class EventRecord(Struct, frozen=True):
    """A row of the table `task_events`: a status that a task was given."""

    task_id: str
    seq: int
    user_id: str | None
    status: TaskStatus
    attempt: int
    code: str | None
    engine: str | None
    note: str | None
    at: datetime
    place: int | None
    """Where it stands among its user's events, once a stream asked for it."""

    @property
    def event_id(self) -> str:
        """The event's name, the same wherever it is told."""
        return event_id(self.task_id, self.seq)


def event_id(task_id: str, seq: int) -> str:
    """The name of a task's event: no id of a task holds a dot."""
    return f"{task_id}.{seq}"


def parse_event_id(text: str) -> tuple[str, int] | None:
    """The task and the number that a name says, whether or not there is such an event; None for what is no name."""
    task_id, _, seq = text.rpartition(".")
    if not task_id or not (seq.isascii() and seq.isdigit()) or len(seq) > LONGEST_SEQ:
        return None
    return task_id, int(seq)


LONGEST_SEQ = 9


class TimelineEvent(Struct, frozen=True):
    """One status of a task."""

    id: Annotated[str, Meta(description="The same in streams and webhooks.")]
    at: datetime
    status: TaskStatus
    attempt: Annotated[int, Meta(description="How many attempts had been counted.")]
    code: Annotated[str | None, Meta(description="Of the failure that ended the attempt, or the task.")]
    engine: Annotated[str | None, Meta(description="What made the edit.")]
    note: Annotated[str | None, Meta(description="Why, as a sentence for a person.")]


class Timeline(Struct, frozen=True):
    """Everything that became of a task, oldest first."""

    events: list[TimelineEvent]
