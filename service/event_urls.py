"""Signed addresses of streams: a browser's EventSource can't send a token."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from service.signing import Signer, expiry

TASKS_PATH: Final = "/api/v1/tasks"


class EventUrls:
    """Makes and checks them: good for an hour or two, for one task's stream or for all of one user's."""

    def __init__(self, secret_keys: Sequence[str], public_url: str | None, *, hours: int = 1) -> None:
        """`hours` they are good for, and up to one more."""
        self._hours = hours
        self._task = Signer(secret_keys, "events of a task")
        self._user = Signer(secret_keys, "events of a user")
        self._start = (public_url or "").rstrip("/") + TASKS_PATH

    def of_task(self, task_id: str) -> str:
        """Root-relative, absolute with PUBLIC_URL; the same whenever it is asked for within an hour."""
        return f"{self._start}/{task_id}/events?{self._task.query(task_id, expiry(datetime.now(UTC), self._hours))}"

    def of_user(self, user_id: str) -> str:
        """Likewise, with whose it is."""
        query = self._user.query(user_id, expiry(datetime.now(UTC), self._hours))
        return f"{self._start}/events?user={quote(user_id, safe='')}&{query}"

    def verify_task(self, task_id: str, expires: str | None, signature: str | None) -> None:
        """Whether a query allows this task's stream. Raises BadSignature."""
        self._task.verify(task_id, expires, signature, now=datetime.now(UTC))

    def verify_user(self, user_id: str, expires: str | None, signature: str | None) -> None:
        """Whether a query allows all of this user's. Raises BadSignature."""
        self._user.verify(user_id, expires, signature, now=datetime.now(UTC))
