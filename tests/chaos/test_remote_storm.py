"""Workers killed and tasks cancelled while edits are made elsewhere: none is paid for twice, none goes on unwanted."""

import asyncio
import random
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from schema.models.edits import Mode
from schema.models.tasks import TaskStatus
from service.database import Connection, Pool
from service.files.storage import Storage
from service.settings import Settings
from tests import lives
from tests.actors.engines.workflows.workflows import SAMPLES
from tests.chaos.crew import quick_worker
from tests.chaos.invariants import broken
from tests.chaos.remote import REMOTE
from tests.factories import add_file
from tests.fakes.comfyui import FakeComfyUI, comfy_ui
from tests.forking import Process

TASKS = 24
KILLS = 3
CANCELS = 6
PATIENCE = 90.0


@pytest.fixture
def comfy() -> Generator[FakeComfyUI]:
    with comfy_ui() as running:
        yield running


class Workers:
    """Two of them; one that is killed is followed by another."""

    def __init__(self, held: ExitStack, settings: Settings, log: Path, comfy: FakeComfyUI) -> None:
        flows = {f"COMFYUI_WORKFLOW_{mode}": str(SAMPLES / f"{mode.lower()}.json") for mode in Mode}
        self._environment = {"ENGINE": "comfyui", "COMFYUI_URL": comfy.base_url, "WORKER_REMOTE_SLOTS": "4", **flows}
        self._held, self._settings, self._log = held, settings, log
        self._running: list[Process] = [self._start(), self._start()]

    def kill(self) -> None:
        self._running.pop(0).kill()
        self._running.append(self._start())

    def _start(self) -> Process:
        worker = quick_worker(self._settings, self._log, self._environment, program=REMOTE)
        return self._held.enter_context(worker)


async def tasks_of(connection: Connection, settings: Settings, user_id: str) -> list[str]:
    record = await add_file(connection, user_id)
    await Storage.made(settings.storage_url).put_bytes(record.blob_key, b"\xff\xd8 a photo", "image/jpeg")
    photo = record.file_id
    made = [await lives.create(connection, user_id, source_image=photo, reference_image=photo) for _ in range(TASKS)]
    return [task.task_id for task in made]


async def test_workers_are_killed_and_tasks_cancelled(
    connection: Connection, pool: Pool, settings: Settings, comfy: FakeComfyUI, tmp_path: Path
) -> None:
    user_id = await lives.add_user(connection)
    tasks = await tasks_of(connection, settings, user_id)
    chance = random.Random()  # noqa: S311 - no secret

    async def busy() -> bool:
        return comfy.busy >= 2

    with ExitStack() as held:
        workers = await asyncio.to_thread(Workers, held, settings, tmp_path / "workers.log", comfy)
        for turn in range(KILLS):
            comfy.hold()
            await lives.until(busy, within=PATIENCE)
            doomed = chance.sample(tasks, CANCELS // KILLS)
            if turn == 1:
                comfy.faults.lost_answers = 2
            await asyncio.gather(
                asyncio.to_thread(workers.kill), *(lives.cancel(pool, user_id, task_id) for task_id in doomed)
            )
            comfy.go_on()

        async def ended() -> bool:
            waiting = "SELECT count(*) FROM tasks WHERE status IN ('pending', 'processing')"
            return await connection.fetchval(waiting) == 0

        await lives.until(ended, within=PATIENCE)

        async def nothing_runs() -> bool:
            # One that a killed worker noted and nobody saw start is looked for until it can't arrive any more.
            followed = "SELECT count(*) FROM remote_jobs WHERE over_at IS NULL AND started_at IS NOT NULL"
            return comfy.busy == 0 and await connection.fetchval(followed) == 0

        await lives.until(nothing_runs, within=PATIENCE)
    assert await broken(connection, Path(urlsplit(settings.storage_url).path)) == []
    assert max(Counter(comfy.prompts).values()) == 1
    jobs = await connection.fetch("SELECT task_id, lease_token, job_id FROM remote_jobs")
    assert {job["job_id"] for job in jobs} >= set(comfy.prompts), "one that nobody noted"
    assert max(Counter((job["task_id"], job["lease_token"]) for job in jobs).values()) == 1, "two in an attempt"
    started = Counter(job["task_id"] for job in jobs if job["job_id"] in comfy.prompts)
    done = await connection.fetch("SELECT task_id FROM tasks WHERE status = $1", TaskStatus.DONE)
    assert {started[row["task_id"]] for row in done} == {1}, "paid for twice"
    assert len(done) >= TASKS - CANCELS
