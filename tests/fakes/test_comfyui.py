"""That the fake is faithful: ComfyUI's own proxy gets along with it, and it answers as the real one (0.3.64) did."""

import json
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from aiohttp import web
from comfy_api_proxy.app import make_app

from tests.actors.engines.workflows.workflows import sample
from tests.fakes.comfyui import FakeComfyUI, comfy_ui
from tests.fakes.observing import Observer
from tests.lives import until

PHOTO = b"\xff\xd8 a photo"


@pytest.fixture
def comfy() -> Generator[FakeComfyUI]:
    with comfy_ui() as running:
        # The proxy cancels by the call of newer builds.
        running.faults.jobs_api = True
        yield running


@pytest.fixture
async def proxy(comfy: FakeComfyUI, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    runner = web.AppRunner(make_app(comfy.base_url, state_dir=tmp_path), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v2", trust_env=False) as client:
        yield client
    await runner.cleanup()


async def submitted(proxy: httpx.AsyncClient) -> str:
    """A job's id: its photo sent, its workflow taken."""
    await proxy.post("/assets", data={"file_path": "input/photo.jpg"}, files={"file": ("photo.jpg", PHOTO)})
    workflow = sample("background_change")
    for node in workflow.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = "photo.jpg"
    answer = await proxy.post("/jobs", json={"workflow": workflow})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def ended(proxy: httpx.AsyncClient, job_id: str, status: str) -> dict[str, Any]:
    job: dict[str, Any] = {}

    async def is_so() -> bool:
        job.update((await proxy.get(f"/jobs/{job_id}")).json())
        return job["status"] == status

    await until(is_so)
    return job


async def test_a_job_from_upload_to_picture(proxy: httpx.AsyncClient) -> None:
    job = await ended(proxy, await submitted(proxy), "succeeded")
    (output,) = job["outputs"]
    assert output["name"].endswith(".png")


async def test_jobs_that_wait_and_run_are_cancelled(comfy: FakeComfyUI, proxy: httpx.AsyncClient) -> None:
    comfy.hold()
    runs, waits = await submitted(proxy), await submitted(proxy)
    assert (await ended(proxy, runs, "running"))["id"] == runs
    assert (await ended(proxy, waits, "queued"))["queue_position"] == 1
    for job in (waits, runs):
        await proxy.post(f"/jobs/{job}/cancel")
    await ended(proxy, runs, "canceled")
    assert comfy.stopped == [waits, runs]


async def test_what_it_refuses(comfy: FakeComfyUI, proxy: httpx.AsyncClient) -> None:
    comfy.faults.missing = frozenset({"ImageScale"})
    answer = await proxy.post("/jobs", json={"workflow": sample("background_change")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_workflow")


async def test_it_answers_as_the_real_one_did(comfy: FakeComfyUI) -> None:
    real = json.loads(Path(__file__).with_name("comfyui.json").read_text())
    comfy.faults.jobs_api = False

    def fail() -> None:
        comfy.faults.error = {"exception_type": "PIL.UnidentifiedImageError", "exception_message": "no image"}

    seen = await Observer(comfy.base_url, comfy.hold, comfy.go_on, fail).seen()
    assert seen.keys() == real.keys()
    assert list(unlike(seen, real)) == []
    for name in ("missing node", "missing photo", "upload", "upload of other bytes", "interrupted", "failure", "queue"):
        assert seen[name] == real[name]


def unlike(seen: Any, real: Any, where: str = "") -> Generator[str]:
    """Where an answer has what the real one hasn't: other keys, types, lengths or numbers of a call."""
    if isinstance(seen, dict) and isinstance(real, dict):
        known = cast("dict[str, Any]", real)
        if where.endswith("nodes"):  # by ids; what was cached isn't there
            known = dict.fromkeys(cast("dict[str, Any]", seen), next(iter(known.values()), None))
        for key, value in cast("dict[str, Any]", seen).items():
            yield from unlike(value, known[key], f"{where}.{key}") if key in known else [f"{where}.{key}"]
    elif isinstance(seen, list) and isinstance(real, list):
        ours, theirs = cast("list[Any]", seen), cast("list[Any]", real)
        for number, pair in enumerate(zip(ours, theirs, strict=not where.endswith("nodes"))):
            yield from unlike(*pair, f"{where}[{number}]")
    elif seen != real and not alike(seen, real, told=where.startswith(".told")):
        yield f"{where}: {seen} is not {real}"


def alike(seen: Any, real: Any, *, told: bool) -> bool:
    """Texts are another every time; numbers only in what a socket tells."""
    kinds = (str, int, float) if told else (str,)
    return isinstance(seen, kinds) and isinstance(real, kinds)
