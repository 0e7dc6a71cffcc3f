"""Who is told in a storm: a stream for each customer, resumed whenever it breaks, and a receiver of webhooks."""

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from typing import Any, cast

import httpx
from msgspec import Struct

from tests.chaos.customers import Customer
from tests.lives import until
from tests.service.webhooks.receiver import OK, Receiver
from tests.service.webhooks.receiver import Came as Request

JSON = dict[str, Any]

FAILS_EVERY = 7
"""Of so many webhooks that come for the first time the receiver fails one."""

HEARD_WITHIN = 10.0
"""Seconds that a stream may be behind, after the storm."""

END_TYPES = {"task.done": "done", "task.failed": "failed", "task.cancelled": "cancelled"}


class Listener:
    """One customer's stream: which events it told, in their order for each task, whatever was killed meanwhile."""

    def __init__(self, base_url: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=httpx.Timeout(5.0, read=20.0))
        self._last: str | None = None
        self._resumed = False
        self.events: defaultdict[str, list[str]] = defaultdict(list)
        self.opened = asyncio.Event()
        self.resumable = asyncio.Event()
        """Set by the first event: until then a stream that breaks begins anew, and misses what ended meanwhile."""
        self._begun: set[str] = set()
        """Tasks first heard of in a stream that began anew, with how things were."""

    def heard(self, task_id: str, history: list[str]) -> bool:
        """Whether all of a task's events were told, each once and in their order."""
        told = self.events[task_id]
        return bool(told) and told == (history[-len(told) :] if task_id in self._begun else history)

    async def hears(self, task_id: str, history: list[str]) -> bool:
        """Likewise, after a moment."""

        async def heard() -> bool:
            return self.heard(task_id, history)

        with suppress(AssertionError):
            await until(heard, within=HEARD_WITHIN)
        return self.heard(task_id, history)

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            while True:
                with suppress(httpx.TransportError):
                    await self._listen()
                await asyncio.sleep(0.1)
        finally:
            await self._http.aclose()

    async def _listen(self) -> None:
        headers = {} if self._last is None else {"Last-Event-ID": self._last}
        self._resumed = self._last is not None
        async with self._http.stream("GET", "/api/v1/tasks/events", headers=headers) as answer:
            if not answer.is_success:
                return
            said: dict[str, str] = {}
            async for line in answer.aiter_lines():
                self.opened.set()
                name, _, value = line.partition(": ")
                said[name] = value
                if not line:
                    self._note(said)
                    said = {}

    def _note(self, said: dict[str, str]) -> None:
        if said.get("event") == "status":
            task_id = json.loads(said["data"])["task_id"]
            if self._last is None or not self._resumed:
                self._begun.add(task_id)
            self._last = said["id"]
            self.resumable.set()
            self.events[task_id].append(said["id"])


class Came(Struct, frozen=True):
    """A webhook that came and was answered with 200."""

    identity: str
    status: str


class Hooks:
    """The receiver: takes what comes, and fails now and then."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._known: set[str] = set()
        self.failures = 0
        self.came: defaultdict[str, set[Came]] = defaultdict(set)
        receiver.behave = self._behave

    @property
    def url(self) -> str:
        return self._receiver.url

    async def _behave(self, request: Request, writer: asyncio.StreamWriter) -> None:
        body, identity = cast("JSON", json.loads(request.body)), request.headers["webhook-id"]
        first = identity not in self._known
        self._known.add(identity)
        if first and len(self._known) % FAILS_EVERY == 0:
            self.failures += 1
            writer.write(b"HTTP/1.1 500 Not now\r\nContent-Length: 0\r\n\r\n")
            return
        self.came[body["data"]["task_id"]].add(Came(identity, END_TYPES[body["type"]]))
        writer.write(OK)
        await writer.drain()


async def judge_told(customer: Customer, tasks: dict[str, JSON], listener: Listener, hooks: Hooks) -> list[str]:
    """Each end was told by webhook, none that never was, and by the same name in stream, webhook and timeline."""
    wrong: list[str] = []
    for task_id, task in tasks.items():
        answer = await customer.ask("GET", f"/tasks/{task_id}/timeline")
        history = [event["id"] for event in answer.raise_for_status().json()["events"]]
        if not await listener.hears(task_id, history):
            wrong.append(f"{task_id}: the stream told {listener.events[task_id]}, its timeline has {history}")
        if hooks.came[task_id] != {Came(history[-1], task["status"])}:
            wrong.append(f"{task_id} is {task['status']} by {history[-1]}; webhooks told {hooks.came[task_id]}")
    return wrong
