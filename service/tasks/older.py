"""Where tasks may still be that aren't in the table yet: the system before this one, while the switch goes on."""

from typing import Protocol

from schema.models.tasks import TaskRecord


class OlderAway(Exception):  # noqa: N818 - an answer to who asked
    """The older system can't be asked at the moment, so nobody knows whether it has the task."""


class OlderTasks(Protocol):
    """What the task service asks of the older system. Nothing is ever written to it."""

    async def get_task(self, user_id: str, task_id: str) -> TaskRecord | None:
        """The task, if it is this user's there and wasn't deleted here.

        Raises:
            OlderAway: It doesn't answer; told within a tenth of a second, or half of one where it is far away.
        """
        ...

    async def forget(self, task_id: str) -> None:
        """From now on the task isn't there any more, for those who ask here and for later imports."""
        ...
