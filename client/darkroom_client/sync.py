"""Darkroom for programs that wait."""

import time
from collections.abc import Generator, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from darkroom_client import operations
from darkroom_client.bar import Bar
from darkroom_client.calls import Call, Operation, Pause, Reply
from darkroom_client.connecting import checked, client_options, replied, request_options
from darkroom_client.errors import unfinished
from darkroom_client.following import SILENCE, Following
from darkroom_client.models import (
    Account,
    BatchState,
    Cancelled,
    Event,
    Mode,
    Order,
    Photo,
    Task,
    TimelineEvent,
    Upload,
)
from darkroom_client.places import put, writable

T = TypeVar("T")


class Darkroom:
    """A Darkroom: `base_url` as of its page, `key` an API key or a token. Close it, or use it in a `with`."""

    def __init__(self, base_url: str, key: str, **options: Any) -> None:
        """`options` are httpx's: `verify`, `proxy`, `transport`, `timeout` of a request, which an edit may outlast.

        Raises:
            ValueError: The key can't be one.
        """
        self._key = checked(key)
        self._http = httpx.Client(**client_options(base_url, options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(self, mode: Mode, source: Photo, reference: Photo | None = None, **wishes: Any) -> "Edit":
        """Have a photo edited; `wishes` are the further fields of `Order`: `config`, `priority`, `webhook_url` ...

        Raises:
            ApiError: It is refused, and nothing is charged.
        """
        order = Order(mode=mode, source=source, reference=reference, **wishes)
        return Edit(self, self.run(operations.submit(order)))

    def submit_batch(self, orders: Sequence[Order], *, webhook_url: str | None = None) -> "Batch":
        """Up to a hundred edits: all of them, or none."""
        return Batch(self, self.run(operations.submit_batch(orders, webhook_url)))

    def edit(self, task_id: str) -> "Edit":
        """An edit that was asked for earlier."""
        return Edit(self, self.run(operations.task(task_id)))

    def edits(self, **filters: str) -> "Iterator[Edit]":
        """One's edits, the newest first; `status=`, `mode=`, `batch_id=`."""
        cursor = None
        while True:
            page = self.run(operations.page(filters, cursor))
            yield from (Edit(self, task) for task in page.tasks)
            if (cursor := page.pagination.next_cursor) is None:
                return

    def upload(self, photo: Photo, purpose: str | None = None) -> Upload:
        return self.run(operations.upload(photo, purpose))

    def account(self) -> Account:
        return self.run(operations.account())

    def modes(self) -> Any:
        """The edits with their prices, presets and the JSON Schema of their `config`, as JSON."""
        return self.run(operations.modes())

    def run(self, operation: Operation[T]) -> T:
        """Make an operation's requests."""
        try:
            step = next(operation)
            while True:
                try:
                    reply = self._do(step)
                except httpx.RequestError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(reply)
        except StopIteration as end:
            return end.value

    def _do(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        options = request_options(step, self._key, self._http.timeout)
        return replied(self._http.request(step.method, step.path, **options))

    def lines(self, following: Following) -> Generator[str]:
        """One stream's lines, to its end."""
        call = following.call()
        options = request_options(call, self._key, httpx.Timeout(SILENCE))
        try:
            with self._http.stream(call.method, call.path, **options) as response:
                body = b"" if response.is_success else response.read()
                if following.opened(response.status_code, body):
                    yield from response.iter_lines()
        except httpx.ReadTimeout:
            following.silent()
        except httpx.RequestError:
            return  # it is resumed


class Edit:
    """An edit that was asked for. `task` is what was last heard of it."""

    def __init__(self, darkroom: Darkroom, task: Task) -> None:
        self._darkroom = darkroom
        self.task = task

    @property
    def task_id(self) -> str:
        return self.task.task_id

    def status(self) -> Task:
        """How it stands now."""
        self.task = self._darkroom.run(operations.task(self.task_id))
        return self.task

    def events(self) -> Generator[Event]:
        """What becomes of it, until it has ended: from a stream, or by asking where streams don't come through."""
        following = Following(self.task_id)
        while not (following.over or following.hopeless):
            for line in self._darkroom.lines(following):
                if event := following.feed(line):
                    self.task = event.task
                    yield event
            if not following.over:
                time.sleep(following.pause())
        while not following.over:
            self.task = self._darkroom.run(operations.task(self.task_id, operations.LONGEST_WAIT))
            if event := following.asked(self.task):
                yield event

    def result(self, timeout: float | None = None, *, progress: bool = False) -> Task:
        """Wait until it is done; `progress` draws a bar in a terminal.

        Raises:
            EditFailed, EditCancelled: It has no result.
            StillRunning: It hasn't ended after `timeout` seconds, and goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        if not progress:
            self.task = self._darkroom.run(operations.result(self.task_id, until))
            return self.task
        bar = Bar()
        try:
            if until is not None:  # a stream may have nothing to tell for longer
                self.task = self._darkroom.run(operations.result(self.task_id, until, bar.show))
                return self.task
            for event in self.events():
                bar.show(event.task)
        finally:
            bar.close()
        if self.task.status != "done":
            raise unfinished(self.task)
        return self.task

    def picture(self, timeout: float | None = None, *, progress: bool = False) -> bytes:
        """Wait, and get the edited picture: a JPEG, or a PNG where it is transparent."""
        task = self.result(timeout, progress=progress)
        assert task.result is not None  # noqa: S101 - it is done
        return self._darkroom.run(operations.picture(task.result))

    def save(self, path: str | PathLike[str], timeout: float | None = None, *, progress: bool = True) -> Path:
        """Wait, and write the edited picture; until it is whole, what was there stays.

        Raises:
            OSError: It can't be written there, which is looked at before, too.
        """
        place = writable(path)
        put(place, self.picture(timeout, progress=progress))
        return place

    def cancel(self) -> Task:
        """Raises TaskNotCancellable if it has ended otherwise."""
        self.task = self._darkroom.run(operations.cancel(self.task_id))
        return self.task

    def retry(self) -> "Edit":
        """The same once more, at today's price."""
        return Edit(self._darkroom, self._darkroom.run(operations.retry(self.task_id)))

    def delete(self) -> None:
        self._darkroom.run(operations.delete(self.task_id))

    def timeline(self) -> list[TimelineEvent]:
        """Each status it had, and why."""
        return self._darkroom.run(operations.timeline(self.task_id))


class Batch:
    """Edits that were asked for together, in their order."""

    def __init__(self, darkroom: Darkroom, made: operations.Made) -> None:
        self._darkroom = darkroom
        self.batch_id = made.batch_id
        self.edits = [Edit(darkroom, task) for task in made.tasks]

    def status(self) -> BatchState:
        return self._darkroom.run(operations.batch(self.batch_id))

    def cancel(self) -> Cancelled:
        """Those that haven't ended."""
        return self._darkroom.run(operations.cancel_batch(self.batch_id))

    def results(self) -> Iterator[Edit]:
        """Each edit once it has ended, in their order: done, failed or cancelled."""
        for edit in self.edits:
            while not edit.task.ended:
                edit.task = self._darkroom.run(operations.task(edit.task_id, operations.LONGEST_WAIT))
            yield edit
