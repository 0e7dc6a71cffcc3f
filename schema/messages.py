"""What goes through Redis: names, and the form of the messages' ids."""

EDITS = "edits"
"""The Dramatiq queue in which waiting tasks are announced, and the actor that takes them."""

EDIT_ACTOR = "edit"

WAKE_CHANNEL = "darkroom:wake"
"""Published when messages arrive in a queue: idle workers look at once instead of polling. The body is the queue."""

ENDED_CHANNEL = "darkroom:ended"
"""Published when a task has ended, for those who wait for it. The body is the task's id."""


def message_id(task_id: str, message_no: int) -> str:
    """The id of a task's current message.

    Derived, not stored: whoever cancels a task can take its message out of the queue even when the message is still on
    its way.
    """
    return f"{task_id}.{message_no}"
