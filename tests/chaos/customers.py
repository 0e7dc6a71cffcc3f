"""Who uses the service while it is killed: they ask again until somebody answers, and note what they were told."""

import asyncio
import random
from collections import Counter
from typing import Any, cast

import httpx
from msgspec import Struct

from tests.chaos.darkroom import CRASHING, FLAKY, HEIGHT, NOBODY, PLAIN, SLOW, WIDTH
from tests.service.http.pictures import picture

JSON = dict[str, Any]

FATES = {PLAIN: 12, SLOW: 2, NOBODY: 2, FLAKY: 2, CRASHING: 2}
CANCELS = 0.2
RETRIES = 0.5
ENDS = {"done", "failed", "cancelled"}
AGAIN_AFTER = (0.05, 0.5)


class Told(Struct):
    """What a customer was told of a task: how it was asked for, and its end when it was first seen."""

    fate: int
    end: tuple[object, ...] | None = None
    cancelled: bool = False
    """Whether a cancel was answered with 200: then it is, from that moment on."""


class Customer:
    """Somebody with credits, a photo like nobody else's, and some tasks on their mind."""

    def __init__(self, number: int, user_id: str, api_key: str, base_url: str, seed: int, webhook_url: str) -> None:
        self.user_id = user_id
        self.api_key = api_key
        self._webhook_url = webhook_url
        self.photo = picture("JPEG", WIDTH, HEIGHT + number)
        self.told: dict[str, Told] = {}
        self.complaints: list[str] = []
        self.tally: Counter[str] = Counter()
        self._seed = f"{seed} {number}"
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.AsyncClient(base_url=f"{base_url}/api/v1", headers=headers, timeout=10.0)
        self._anybody = httpx.AsyncClient(base_url=base_url, timeout=10.0)
        self._source = ""

    async def close(self) -> None:
        await self._http.aclose()
        await self._anybody.aclose()

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The first answer that is one: no broken connection, no "come back later"."""
        while True:
            try:
                answer = await self._http.request(method, path, **request)
            except httpx.TransportError as error:
                self.tally[type(error).__name__] += 1
            else:
                self.tally[str(answer.status_code)] += 1
                if answer.status_code == 500:
                    self.complaints.append(f"{method} {path}: {answer.text}")
                if answer.status_code not in {500, 503}:
                    return answer
            await asyncio.sleep(random.uniform(*AGAIN_AFTER))  # noqa: S311 - no secret

    async def arrive(self) -> None:
        """Bring the photo."""
        answer = await self.ask("POST", "/uploads", files={"file": ("photo.jpg", self.photo)})
        self._source = str(answer.raise_for_status().json()["file_id"])

    async def live(self, number: int, wait: float) -> None:
        """One task and what comes of it, `wait` seconds from now."""
        chance = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        fate = chance.choices(list(FATES), list(FATES.values()))[0]
        cancel_after = chance.uniform(0, 4) if chance.random() < CANCELS else None
        retries = chance.random() < RETRIES
        await asyncio.sleep(wait)
        body = {
            "mode": "BACKGROUND_CHANGE",
            "source_image": self._source,
            "priority": chance.choice(["low", "normal", "high"]),
            "config": {"edge_blur": fate, "quality": chance.choice(["standard", "high"])},
            "webhook_url": self._webhook_url,
        }
        headers = {"Idempotency-Key": f"create-{number}"}
        task_id = await self._begin("/tasks", fate, headers, json=body)
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            await self._cancel(task_id)
        status = await self._wait_for_end(task_id)
        if chance.random() < 0.2 and (again := await self.ask("POST", "/tasks", headers=headers, json=body)):
            self._expect(again, 200, f"{task_id} asked for once more")
            if again.json().get("task_id") != task_id:
                self.complaints.append(f"the same key made {task_id} and {again.text}")
        if retries and status != "done":
            headers = {"Idempotency-Key": f"retry-{number}"}
            await self._wait_for_end(await self._begin(f"/tasks/{task_id}/retry", fate, headers))

    async def _begin(self, path: str, fate: int, headers: dict[str, str], **request: Any) -> str:
        answer = await self.ask("POST", path, headers=headers, **request)
        # 200: an earlier answer was lost on its way.
        self._expect(answer, 200 if "Idempotent-Replayed" in answer.headers else 201, path)
        task_id = str(answer.raise_for_status().json()["task_id"])
        self.told[task_id] = Told(fate)
        return task_id

    async def _cancel(self, task_id: str) -> None:
        answer = await self.ask("POST", f"/tasks/{task_id}/cancel")
        if answer.status_code == 200 and answer.json()["status"] == "cancelled":
            self.told[task_id].cancelled = True
            self.told[task_id].end = end_of(answer.json())
        else:
            self._expect(answer, 409, f"cancel of {task_id}")

    async def _wait_for_end(self, task_id: str) -> str:
        """Look until it has ended; an end that was seen stays as it is."""
        while True:
            answer = await self.ask("GET", f"/tasks/{task_id}", params={"wait": 5})
            self._expect(answer, 200, task_id)
            task = cast("JSON", answer.raise_for_status().json())
            told = self.told[task_id]
            if told.end is not None and told.end != end_of(task):
                self.complaints.append(f"{task_id} has ended twice: {told.end}, then {end_of(task)}")
            if task["status"] in ENDS:
                told.end = end_of(task)
                return str(task["status"])

    def _expect(self, answer: httpx.Response, status: int, what: str) -> None:
        if answer.status_code != status:
            self.complaints.append(f"{what}: {answer.status_code} {answer.text}")

    async def everything(self) -> dict[str, JSON]:
        """Every task they have, by its id."""
        tasks: dict[str, JSON] = {}
        cursor: str | None = None
        while True:
            params: dict[str, str | int] = {"page_size": 100} | ({"cursor": cursor} if cursor else {})
            page = (await self.ask("GET", "/tasks", params=params)).raise_for_status().json()
            tasks |= {task["task_id"]: task for task in page["tasks"]}
            cursor = page["pagination"]["next_cursor"]
            if cursor is None:
                return tasks

    async def me(self) -> JSON:
        return (await self.ask("GET", "/me")).raise_for_status().json()

    async def load(self, url: str) -> bytes:
        """A picture, as an <img> loads it: by its signed URL alone."""
        return (await self._anybody.get(url)).raise_for_status().content


def end_of(task: JSON) -> tuple[object, ...]:
    """What never changes once a task has ended."""
    times = (task["completed_at"], task["failed_at"], task["cancelled_at"])
    output = task["result"]["output_file_id"] if task["result"] else None
    code = task["error"]["code"] if task["error"] else None
    return (task["status"], *times, output, code, task["credits_refunded"], task["attempts"])
