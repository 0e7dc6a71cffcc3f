"""Edits by RunningHub through the whole stack: API, worker, and a server that speaks its protocol."""

import asyncio
import json
import time
from collections.abc import Generator
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest
import redis
from msgspec import Struct

from schema.models.edits import Mode
from service.embedded.servers import EmbeddedServers
from service.settings import Settings
from tests.actors.engines.scenes import ASTRONAUT, CHINA
from tests.actors.engines.workflows.workflows import sample
from tests.conftest import SECRET_KEY
from tests.databases import create
from tests.fakes.runninghub import CREATE, KEY, FakeRunningHub, Fault, running_hub
from tests.running import NO_TLS, PATIENCE, run_command, running_api, running_worker

CREDITS = 10_000


class Stack(Struct, frozen=True):
    """What is started once; `photos` are uploaded."""

    client: httpx.Client
    hub: FakeRunningHub
    photos: list[str]
    log: Path

    def create(self) -> dict[str, Any]:
        body = {"mode": Mode.BACKGROUND_CHANGE, "source_image": self.photos[0], "reference_image": self.photos[1]}
        return self.client.post("/tasks", json=body).raise_for_status().json()

    def task(self, task_id: str, *, wait: int = 0) -> dict[str, Any]:
        return self.client.get(f"/tasks/{task_id}", params={"wait": wait}).raise_for_status().json()

    def credits(self) -> int:
        return self.client.get("/me").json()["current_credits"]


@pytest.fixture(scope="module")
def started(servers: EmbeddedServers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    directory = tmp_path_factory.mktemp("runninghub")
    database = asyncio.run(create(servers.database_url, f"hub_{token_hex(4)}", template))
    with redis.Redis.from_url(servers.redis_url) as emptied:
        emptied.flushall()
    settings = Settings(
        database_url=database,
        redis_url=servers.redis_url,
        storage_url=(directory / "files").as_uri(),
        secret_keys=(SECRET_KEY,),
    )
    with running_hub({"1": sample("background_change")}) as hub:
        workflows = {f"RUNNINGHUB_WORKFLOW_{mode}": "1" for mode in Mode}
        extra = {"ENGINE": "runninghub", "RUNNINGHUB_URL": hub.base_url, "RUNNINGHUB_API_KEY": KEY, **workflows}
        account = run_command("user", "create", "a@example.com", "--credits", str(CREDITS), settings=settings)
        headers = {"Authorization": f"Bearer {json.loads(account.stdout)['api_key']}"}
        log = directory / "worker.log"
        with (
            running_api(settings, extra) as url,
            running_worker(settings, extra, log=log),
            httpx.Client(base_url=f"{url}/api/v1", headers=headers, verify=NO_TLS, timeout=90) as client,
        ):
            sent = [client.post("/uploads", files={"file": photo.read_bytes()}) for photo in (ASTRONAUT, CHINA)]
            yield Stack(client, hub, [answer.json()["file_id"] for answer in sent], log)


@pytest.fixture
def stack(started: Stack) -> Generator[Stack]:
    """RunningHub is well, and answers at once."""
    hub = started.hub
    hub.at_once, hub.looks_running, hub.failing = 3, 0, None
    hub.release()
    hub.tasks.clear()
    hub.calls.clear()
    yield started
    assert KEY not in started.log.read_text()


def test_an_edit_is_made_there(stack: Stack) -> None:
    done = stack.task(stack.create()["task_id"], wait=60)
    assert (done["status"], done["attempts"], done["error"]) == ("done", 1, None)
    assert done["result"]["metadata"]["engine"] == "runninghub"
    picture = stack.client.get(str(stack.client.base_url.join(done["result"]["output_image"])))
    assert picture.status_code == 200


def test_where_no_place_is_free_the_task_waits_and_no_attempt_counts(stack: Stack) -> None:
    stack.hub.at_once = 0
    task_id = stack.create()["task_id"]
    stack.hub.wait_until(lambda: len(stack.hub.called(CREATE)) == 1)
    stack.hub.at_once = 3
    done = stack.task(task_id, wait=60)
    assert (done["status"], done["attempts"], len(stack.hub.called(CREATE))) == ("done", 1, 2)


def test_a_cancel_stops_the_task_there_and_no_other(stack: Stack) -> None:
    before = stack.credits()
    stack.hub.hold()
    task_id = stack.create()["task_id"]
    stack.hub.wait_until(lambda: len(stack.hub.running) == 1)
    assert stack.client.post(f"/tasks/{task_id}/cancel").json()["status"] == "cancelled"
    stack.hub.wait_until(lambda: all(task.cancelled for task in stack.hub.tasks.values()))
    assert stack.credits() == before


def test_a_node_that_fails_is_told_without_what_is_nobody_s_business(stack: Stack) -> None:
    before = stack.credits()
    stack.hub.failing = {"node_name": "KSampler", "exception_message": "too dark", "traceback": "/root/sampler.py"}
    failed = stack.task(stack.create()["task_id"], wait=60)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "PROCESSING_FAILED")
    assert "KSampler: too dark" in failed["error"]["message"]
    assert "/root" not in json.dumps(failed["error"])
    assert "/root/sampler.py" in stack.log.read_text()
    assert stack.credits() == before


def test_a_create_whose_answer_is_lost_counts_is_told_and_not_repeated_at_once(stack: Stack) -> None:
    stack.hub.plant(CREATE, Fault(lost=True))
    task_id = stack.create()["task_id"]
    deadline = time.monotonic() + PATIENCE
    while not (waiting := stack.task(task_id))["attempts"] or waiting["status"] != "pending":
        assert time.monotonic() < deadline
        stack.task(task_id, wait=1)
    assert waiting["attempts"] == 1
    timeline = stack.client.get(f"/tasks/{task_id}/timeline").json()["events"]
    assert any("lost" in (event["note"] or "") for event in timeline), timeline
    stack.client.post(f"/tasks/{task_id}/cancel").raise_for_status()
    assert len(stack.hub.called(CREATE)) == 1
