"""Darkroom for asyncio: what `sync.py` has, to be awaited."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
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


class AsyncDarkroom:
    """A Darkroom: `base_url` as of its page, `key` an API key or a token. Close it, or use it in an `async with`."""

    def __init__(self, base_url: str, key: str, **options: Any) -> None:
        """`options` are httpx's: `verify`, `proxy`, `transport`, `timeout` of a request, which an edit may outlast.

        Raises:
            ValueError: The key can't be one.
        """
        self._key = checked(key)
        self._http = httpx.AsyncClient(**client_options(base_url, options))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def submit(self, mode: Mode, source: Photo, reference: Photo | None = None, **wishes: Any) -> "AsyncEdit":
        """Have a photo edited; `wishes` are the further fields of `Order`: `config`, `priority`, `webhook_url` ...

        Raises:
            ApiError: It is refused, and nothing is charged.
        """
        order = Order(mode=mode, source=source, reference=reference, **wishes)
        return AsyncEdit(self, await self.run(operations.submit(order)))

    async def submit_batch(self, orders: Sequence[Order], *, webhook_url: str | None = None) -> "AsyncBatch":
        """Up to a hundred edits: all of them, or none."""
        return AsyncBatch(self, await self.run(operations.submit_batch(orders, webhook_url)))

    async def edit(self, task_id: str) -> "AsyncEdit":
        """An edit that was asked for earlier."""
        return AsyncEdit(self, await self.run(operations.task(task_id)))

    async def edits(self, **filters: str) -> "AsyncGenerator[AsyncEdit]":
        """One's edits, the newest first; `status=`, `mode=`, `batch_id=`."""
        cursor = None
        while True:
            page = await self.run(operations.page(filters, cursor))
            for task in page.tasks:
                yield AsyncEdit(self, task)
            if (cursor := page.pagination.next_cursor) is None:
                return

    async def upload(self, photo: Photo, purpose: str | None = None) -> Upload:
        return await self.run(operations.upload(photo, purpose))

    async def account(self) -> Account:
        return await self.run(operations.account())

    async def modes(self) -> Any:
        """The edits with their prices, presets and the JSON Schema of their `config`, as JSON."""
        return await self.run(operations.modes())

    async def run(self, operation: Operation[T]) -> T:
        """Make an operation's requests."""
        try:
            step = next(operation)
            while True:
                try:
                    reply = await self._do(step)
                except httpx.RequestError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(reply)
        except StopIteration as end:
            return end.value

    async def _do(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        options = request_options(step, self._key, self._http.timeout)
        return replied(await self._http.request(step.method, step.path, **options))

    async def lines(self, following: Following) -> AsyncGenerator[str]:
        """One stream's lines, to its end."""
        call = following.call()
        options = request_options(call, self._key, httpx.Timeout(SILENCE))
        try:
            async with self._http.stream(call.method, call.path, **options) as response:
                body = b"" if response.is_success else await response.aread()
                if following.opened(response.status_code, body):
                    async for line in response.aiter_lines():
                        yield line
        except httpx.ReadTimeout:
            following.silent()
        except httpx.RequestError:
            return  # it is resumed


class AsyncEdit:
    """An edit that was asked for. `task` is what was last heard of it."""

    def __init__(self, darkroom: AsyncDarkroom, task: Task) -> None:
        self._darkroom = darkroom
        self.task = task

    @property
    def task_id(self) -> str:
        return self.task.task_id

    async def status(self) -> Task:
        """How it stands now."""
        self.task = await self._darkroom.run(operations.task(self.task_id))
        return self.task

    async def events(self) -> AsyncGenerator[Event]:
        """What becomes of it, until it has ended: from a stream, or by asking where streams don't come through."""
        following = Following(self.task_id)
        while not (following.over or following.hopeless):
            async for line in self._darkroom.lines(following):
                if event := following.feed(line):
                    self.task = event.task
                    yield event
            if not following.over:
                await asyncio.sleep(following.pause())
        while not following.over:
            self.task = await self._darkroom.run(operations.task(self.task_id, operations.LONGEST_WAIT))
            if event := following.asked(self.task):
                yield event

    async def result(self, timeout: float | None = None, *, progress: bool = False) -> Task:
        """Wait until it is done; `progress` draws a bar in a terminal.

        Raises:
            EditFailed, EditCancelled: It has no result.
            StillRunning: It hasn't ended after `timeout` seconds, and goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout
        if not progress:
            self.task = await self._darkroom.run(operations.result(self.task_id, until))
            return self.task
        bar = Bar()
        try:
            if until is not None:  # a stream may have nothing to tell for longer
                self.task = await self._darkroom.run(operations.result(self.task_id, until, bar.show))
                return self.task
            async for event in self.events():
                bar.show(event.task)
        finally:
            bar.close()
        if self.task.status != "done":
            raise unfinished(self.task)
        return self.task

    async def picture(self, timeout: float | None = None, *, progress: bool = False) -> bytes:
        """Wait, and get the edited picture: a JPEG, or a PNG where it is transparent."""
        task = await self.result(timeout, progress=progress)
        assert task.result is not None  # noqa: S101 - it is done
        return await self._darkroom.run(operations.picture(task.result))

    async def save(self, path: str | PathLike[str], timeout: float | None = None, *, progress: bool = True) -> Path:
        """Wait, and write the edited picture; until it is whole, what was there stays.

        Raises:
            OSError: It can't be written there, which is looked at before, too.
        """
        place = await asyncio.to_thread(writable, path)
        await asyncio.to_thread(put, place, await self.picture(timeout, progress=progress))
        return place

    async def cancel(self) -> Task:
        """Raises TaskNotCancellable if it has ended otherwise."""
        self.task = await self._darkroom.run(operations.cancel(self.task_id))
        return self.task

    async def retry(self) -> "AsyncEdit":
        """The same once more, at today's price."""
        return AsyncEdit(self._darkroom, await self._darkroom.run(operations.retry(self.task_id)))

    async def delete(self) -> None:
        await self._darkroom.run(operations.delete(self.task_id))

    async def timeline(self) -> list[TimelineEvent]:
        """Each status it had, and why."""
        return await self._darkroom.run(operations.timeline(self.task_id))


class AsyncBatch:
    """Edits that were asked for together, in their order."""

    def __init__(self, darkroom: AsyncDarkroom, made: operations.Made) -> None:
        self._darkroom = darkroom
        self.batch_id = made.batch_id
        self.edits = [AsyncEdit(darkroom, task) for task in made.tasks]

    async def status(self) -> BatchState:
        return await self._darkroom.run(operations.batch(self.batch_id))

    async def cancel(self) -> Cancelled:
        """Those that haven't ended."""
        return await self._darkroom.run(operations.cancel_batch(self.batch_id))

    async def results(self) -> AsyncGenerator[AsyncEdit]:
        """Each edit once it has ended, in their order: done, failed or cancelled."""
        for edit in self.edits:
            while not edit.task.ended:
                edit.task = await self._darkroom.run(operations.task(edit.task_id, operations.LONGEST_WAIT))
            yield edit
