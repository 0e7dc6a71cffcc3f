"""A task's stream of events, line by line: where it is resumed, and when it is given up for asking. Does no I/O."""

from typing import Any

from darkroom_client.calls import Call, Reply, decoded, pause_before, problem_of
from darkroom_client.errors import refusal
from darkroom_client.models import Event, Task
from darkroom_client.operations import one

OK = 200
OVER = 204
REFUSED = 400
LATER = frozenset({429, 502, 503, 504})

SILENCE = 45.0
"""Seconds without a line, after which the connection counts as lost: there is a sign of life each 15."""

IN_VAIN = 3
"""Streams without an event, after which the task is asked for: a proxy holds them back, or nobody is there."""


class Following:
    """What is known of a task by its events."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.over = False
        """It has ended, and was told so."""
        self._last_id: str | None = None
        self._in_vain = 0
        self._fields: dict[str, str] = {}
        self._told: Task | None = None

    @property
    def hopeless(self) -> bool:
        """Streams don't come through."""
        return self._in_vain >= IN_VAIN

    def call(self) -> Call:
        """What to ask for, in vain until an event comes."""
        self._in_vain += 1
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        return Call("GET", one("tasks", self.task_id, "/events"), headers=headers)

    def silent(self) -> None:
        """Nothing came for `SILENCE`. Where no event had, of which the first comes at once, streams are held back."""
        if self._in_vain:
            self._in_vain = IN_VAIN

    def opened(self, status: int, body: bytes = b"") -> bool:
        """Whether lines will come.

        Raises:
            ApiError: Darkroom refuses it.
        """
        self._fields = {}
        if status == OVER:
            self.over = True
        elif status >= REFUSED and status not in LATER:
            problem = problem_of(Reply(status, {}, body))
            if "code" in problem:
                raise refusal(status, problem)
        return status == OK

    def feed(self, line: str) -> Event | None:
        """The event that a line completes (https://html.spec.whatwg.org/multipage/server-sent-events.html).

        Raises:
            Unreachable: What tells it isn't Darkroom.
        """
        line = line.rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            before = self._fields.get(name)
            self._fields[name] = f"{before}\n{value}" if name == "data" and before is not None else value
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        self._last_id = fields.get("id", self._last_id)
        self._in_vain = 0
        found = decoded(Reply(OK, {}, fields["data"].encode()), Task)
        return self._event("progress" if fields.get("event") == "progress" else "status", found, fields.get("id"))

    def asked(self, found: Task) -> Event | None:
        """What is new in a task that was asked for."""
        before = self._told
        if before is not None and before.status == found.status:
            same = (before.progress, before.current_step) == (found.progress, found.current_step)
            return None if same else self._event("progress", found, None)
        return self._event("status", found, None)

    def _event(self, kind: Any, found: Task, event_id: str | None) -> Event:
        self._told = found
        self.over = found.ended
        return Event(kind, found, event_id)

    def pause(self) -> float:
        """Seconds before the stream is asked for again."""
        return pause_before(max(self._in_vain, 1))
