"""What goes through Redis: the keys, the messages, and how a message is named."""

from enum import StrEnum

import msgspec
from msgspec import Struct

from schema.identifiers import is_id
from schema.models.tasks import TaskStatus

EDITS = "edits"
"""The Dramatiq queue in which waiting tasks are announced, and the actor that takes them."""

EDIT_ACTOR = "edit"

DELIVERIES = "deliveries"
"""The queue in which due webhooks are announced, and the actor that delivers them: edits never hold them up."""

DELIVER_ACTOR = "deliver"

ACTORS = {EDITS: EDIT_ACTOR, DELIVERIES: DELIVER_ACTOR}

PROGRESS = "progress"
STATUSES = frozenset(TaskStatus)

LONGEST_MESSAGE = 4096
"""Bytes; ours are a tenth of it. What is longer isn't even fetched."""

REFUSED_FOR_SECONDS = 3600
"""How long after the last one Redis remembers how many messages were thrown away, and why."""


class QueueKeys(Struct, frozen=True):
    """Where Redis keeps one queue."""

    waiting: str
    """A list of messages' ids, the next one first."""
    messages: str
    """A hash of id to message, of those that wait and of those that workers have."""
    workers: str
    """A sorted set: each worker by the millisecond from which it counts as dead."""
    held_by: str
    """What the name of the set of ids that a worker has begins with; the worker's own follows."""
    refused: str
    """A hash of reason to number of messages that were thrown away."""


class Keys(Struct, frozen=True):
    """The names of everything in Redis that belongs to one installation, and nothing else in there does."""

    prefix: str
    installation: str
    """Says whose a message is, also where two installations were given the same prefix."""

    def queue(self, name: str = EDITS) -> QueueKeys:
        """The keys of a queue."""
        key = f"{self.prefix}:{name}"
        return QueueKeys(key, f"{key}.msgs", f"{key}.workers", f"{key}.held.", f"{key}.refused")

    @property
    def wake(self) -> str:
        """Published when messages arrive in a queue: idle workers look at once. The body is the queue."""
        return f"{self.prefix}:wake"

    @property
    def changed(self) -> str:
        """Published when a task has another status, or is a step further, for those who watch it: see `Change`."""
        return f"{self.prefix}:changed"

    def rate(self, kind: str, who: str) -> str:
        """Where somebody's requests are counted."""
        return f"{self.prefix}:rate:{kind}:{who}"


Announcement = tuple[str, int]
"""A task's (or a delivery's) id and the number of the message that announces it."""


class Change(Struct, frozen=True):
    """What is told of a task to those who watch it."""

    task_id: str
    status: TaskStatus | None
    """None: it has come a step further, in the status it had."""
    user_id: str | None


def encode_change(change: Change) -> str:
    """A change as it is published: the task's id, its status or `progress`, and its user's id where it has one."""
    return f"{change.task_id} {change.status or PROGRESS} {change.user_id or ''}".rstrip()


def decode_change(body: str) -> Change | None:
    """What was published; None for what isn't ours, or is said by another version."""
    task_id, _, rest = body.partition(" ")
    status, _, user_id = rest.partition(" ")
    if status != PROGRESS and status not in STATUSES:
        return None
    return Change(task_id, None if status == PROGRESS else TaskStatus(status), user_id or None)


def message_id(task_id: str, message_no: int) -> str:
    """The id of a task's current message.

    Derived, not stored: whoever cancels a task can take its message out of the queue even when the message is still on
    its way.
    """
    return f"{task_id}.{message_no}"


class _Options(Struct, frozen=True):
    redis_message_id: str
    installation: str = ""


class _Message(Struct, frozen=True):
    """As Dramatiq writes them. Fields that a later version adds are left alone."""

    queue_name: str
    actor_name: str
    args: tuple[str]
    options: _Options
    message_id: str
    message_timestamp: int = 0
    kwargs: dict[str, str] = {}


class Reason(StrEnum):
    """Why a message was thrown away."""

    UNREADABLE = "unreadable"
    TOO_LONG = "too long"
    MISSING = "missing"
    """Its id waited, and there was no message of that name."""
    ANOTHER_SHAPE = "of another shape"
    ANOTHER_ACTOR = "for another actor"
    ANOTHER_INSTALLATION = "of another installation"
    NO_TASK = "naming no task"


class MessageRefused(Exception):  # noqa: N818 - what became of it, not what failed
    """A message that can't be of use to us, and why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def encode_message(keys: Keys, task_id: str, message_no: int, queue: str = EDITS) -> tuple[str, bytes]:
    """The id and the bytes of the message that announces a task, or in its own queue a delivery."""
    identity = message_id(task_id, message_no)
    message = _Message(queue, ACTORS[queue], (task_id,), _Options(identity, keys.installation), identity)
    return identity, msgspec.json.encode(message)


def decode_message(keys: Keys, body: bytes, queue: str = EDITS) -> str:
    """The task, or the delivery, that a message of this queue announces.

    Raises:
        MessageRefused: It isn't one of ours: damaged, of another program or version, or of another installation.
    """
    try:
        message = msgspec.json.decode(body, type=_Message)
    except msgspec.ValidationError:
        raise MessageRefused(Reason.ANOTHER_SHAPE) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MessageRefused(Reason.UNREADABLE) from None
    if (message.queue_name, message.actor_name) != (queue, ACTORS[queue]):
        raise MessageRefused(Reason.ANOTHER_ACTOR)
    if message.options.installation != keys.installation:
        raise MessageRefused(Reason.ANOTHER_INSTALLATION)
    if not is_id(message.args[0]) or message.kwargs:
        raise MessageRefused(Reason.ANOTHER_SHAPE)
    return message.args[0]
