"""The whole stack, as a user starts it: `darkroom up`, a photo over HTTP, a picture back; and its worst moments."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from msgspec import Struct
from PIL import Image

from tests.homes import forget_former_home
from tests.quick_matte import quick_matte, quick_salience

PATIENCE = 120.0
SAMPLES = Path(__file__).parents[2] / "samples"
LONG = "figure_arms_out.jpg"
"""Another pose of it takes seconds, whatever its matte is: enough to cancel it, or to kill its worker."""


def up(directory: Path, extra: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    command = [
        sys.executable,
        "-m",
        "service.cli.main",
        "up",
        "--port",
        "0",
        "--demo-user",
        "--data-dir",
        str(directory),
    ]
    # Other tests have the other cores.
    environment = {**inherited, "ENGINE_THREADS": "1", **(extra or {})}
    forget_former_home(directory)
    return subprocess.Popen(command, env=environment, cwd=directory.parent, stdin=subprocess.DEVNULL)


def is_running(pid: int) -> bool:
    """False for a zombie too: it has ended, whether or not anybody collects it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_ready(process: "subprocess.Popen[bytes]", directory: Path) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(FileNotFoundError):
            ready = json.loads((directory / "ready.json").read_text())
            # A killed run's file lies there until this one has begun.
            if is_running(ready["pids"]["api"]):
                return ready
        assert process.poll() is None, f"`up` ended with {process.returncode}"
        assert time.monotonic() < deadline, "`up` was not ready in time"
        time.sleep(0.02)


def everybody_of(ready: dict[str, Any]) -> list[int]:
    """Whoever runs for an `up`."""
    pids = ready["pids"]
    children = psutil.Process(psutil.Process(pids["api"]).ppid()).children(recursive=True)
    return [*(child.pid for child in children), *pids["workers"], pids["postgres"], pids["redis"]]


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while living := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"still running: {living}"
        time.sleep(0.02)


@contextmanager
def running_stack(
    directory: Path, ended_by: int = signal.SIGTERM, extra: Mapping[str, str] | None = None
) -> Generator[dict[str, Any]]:
    process = up(directory, extra)
    try:
        yield wait_for_ready(process, directory)
    finally:
        process.send_signal(ended_by)
        code = process.wait(PATIENCE)
    assert code == 0


def client_of(ready: dict[str, Any]) -> httpx.Client:
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    return httpx.Client(base_url=ready["base_url"], headers=headers, timeout=PATIENCE)


def upload(client: httpx.Client, name: str = "astronaut.jpg") -> str:
    with (SAMPLES / name).open("rb") as file:
        return client.post("/api/v1/uploads", files={"file": file}).raise_for_status().json()["file_id"]


def wait_for_end(client: httpx.Client, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        task = client.get(f"/api/v1/tasks/{task_id}", params={"wait": 10}).raise_for_status().json()
        if task["status"] in {"done", "failed", "cancelled"}:
            return task
        assert time.monotonic() < deadline, task


def test_a_photo_comes_back_edited(stack: dict[str, Any]) -> None:
    with client_of(stack) as client:
        body = {
            "mode": "BACKGROUND_CHANGE",
            "source_image": upload(client),
            "config": {"background_preset": "studio_grey"},
        }
        created = client.post("/api/v1/tasks", json=body)
        assert created.status_code == 201
        task = wait_for_end(client, created.json()["task_id"])
        assert task["status"] == "done", task
        assert task["progress"] == 100
        assert task["credits_refunded"] == 0
        for name in ("output_image", "thumbnail", "comparison_image"):
            # No token: this is what an <img> does.
            answer = httpx.get(stack["base_url"] + task["result"][name])
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "image/jpeg"
            Image.open(io.BytesIO(answer.content)).load()


def test_a_failed_task_refunds_its_credits_and_says_what_photo_would_do(stack: dict[str, Any]) -> None:
    nobody = io.BytesIO()
    Image.new("RGB", (512, 512), "black").save(nobody, "JPEG")
    with client_of(stack) as client:
        before = client.get("/api/v1/me").json()["current_credits"]
        file_id = client.post("/api/v1/uploads", files={"file": nobody.getvalue()}).raise_for_status().json()["file_id"]
        body = {"mode": "BACKGROUND_CHANGE", "source_image": file_id}
        task = wait_for_end(client, client.post("/api/v1/tasks", json=body).json()["task_id"])
        assert task["status"] == "failed"
        assert task["error"]["code"] == "NO_PERSON_DETECTED"
        assert task["error"]["message"]
        assert task["credits_refunded"] == task["credits_consumed"] > 0
        assert client.get("/api/v1/me").json()["current_credits"] == before


def test_a_running_task_is_cancelled_and_the_worker_takes_the_next(stack: dict[str, Any]) -> None:
    with client_of(stack) as client:
        body = {"mode": "POSE_CHANGE", "source_image": upload(client, LONG)}
        task_id = client.post("/api/v1/tasks", json=body).json()["task_id"]
        deadline = time.monotonic() + PATIENCE
        while client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "pending":
            assert time.monotonic() < deadline
        cancelled = client.post(f"/api/v1/tasks/{task_id}/cancel")
        assert cancelled.status_code == 200, cancelled.text
        assert cancelled.json()["credits_refunded"] == cancelled.json()["credits_consumed"]
        body = {"mode": "BACKGROUND_CHANGE", "source_image": upload(client)}
        following = client.post("/api/v1/tasks", json=body).json()["task_id"]
        assert wait_for_end(client, following)["status"] == "done"
        assert client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "cancelled"


def test_a_killed_worker_is_started_again_and_its_task_is_done(stack: dict[str, Any]) -> None:
    with client_of(stack) as client:
        body = {"mode": "POSE_CHANGE", "source_image": upload(client, LONG), "config": {"size": "small"}}
        task_id = client.post("/api/v1/tasks", json=body).json()["task_id"]
        deadline = time.monotonic() + PATIENCE
        while client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "pending":
            assert time.monotonic() < deadline
        os.kill(stack["pids"]["workers"][0], signal.SIGKILL)
        task = wait_for_end(client, task_id)
        assert task["status"] == "done"
        assert task["attempts"] == 2


class Whole(Struct, frozen=True):
    """What runs, where, and what it tells of itself."""

    process: "subprocess.Popen[bytes]"
    directory: Path
    ready: dict[str, Any]


@pytest.fixture(scope="module")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Whole]:
    """One that looks for people, but without U²-Net, at which tests of engines look.

    The last test kills it; without that one it ends when it is asked to.
    """
    place = tmp_path_factory.mktemp("whole")
    process = up(directory := place / "data", quick_salience(place))
    try:
        yield Whole(process, directory, wait_for_ready(process, directory))
    finally:
        if running := process.poll() is None:
            process.terminate()
        code = process.wait(PATIENCE)
    assert code == (0 if running else -signal.SIGKILL)


def test_what_the_documentation_prints_runs(whole_stack: Whole, tmp_path: Path) -> None:
    """The examples of /llms.txt, which stand in /docs as well, one after another; then README's."""
    stack = whole_stack.ready
    for name, sample in (("person.jpg", "man_standing.jpg"), ("portrait.jpg", "hopper.jpg")):
        shutil.copy(SAMPLES / sample, tmp_path / name)
    printed = httpx.get(f"{stack['base_url']}/llms.txt").text
    run_printed("\n".join(python_of(printed)), stack, tmp_path)
    assert {path.name for path in tmp_path.glob("*_*.*")} == {
        "another_background.jpg", "no_background.png", "a_head_on_a_figure.jpg", "another_pose.jpg",
    }  # fmt: skip
    english, chinese = (python_of((SAMPLES.parent / name).read_text())[0] for name in ("README.md", "README.zh-CN.md"))
    assert english.partition("  #")[0] == chinese.partition("  #")[0]
    (tmp_path / "samples").symlink_to(SAMPLES)
    (tmp_path / ".darkroom").mkdir()
    (tmp_path / ".darkroom/demo-user.json").write_text(json.dumps({"api_key": stack["api_key"]}))
    run_printed(english, stack, tmp_path)
    with Image.open(tmp_path / "result.jpg") as picture:
        picture.load()


def test_a_killed_up_takes_its_children_along_and_loses_nothing_and_ctrl_c_leaves_nothing(
    whole_stack: Whole, tmp_path: Path
) -> None:
    directory, process, ready = whole_stack.directory, whole_stack.process, whole_stack.ready
    with client_of(ready) as client:
        body = {"mode": "BACKGROUND_CHANGE", "source_image": upload(client), "config": {"size": "small"}}
        before = client.get("/api/v1/tasks/stats").json()["total"]
        done = wait_for_end(client, client.post("/api/v1/tasks", json=body).json()["task_id"])
        waiting = [client.post("/api/v1/tasks", json=body).json()["task_id"] for _ in range(2)]
    everybody = everybody_of(ready)
    process.kill()
    process.wait()
    wait_until_gone(everybody)
    with (
        running_stack(directory, ended_by=signal.SIGINT, extra=quick_matte(tmp_path)) as again,
        client_of(again) as client,
    ):
        everybody = everybody_of(again)
        assert again["api_key"] == ready["api_key"]
        assert client.get(f"/api/v1/tasks/{done['task_id']}").json()["status"] == "done"
        for task_id in waiting:
            assert wait_for_end(client, task_id)["status"] == "done"
        assert client.get("/api/v1/tasks/stats").json()["total"] == before + 3
        entries = client.get("/api/v1/me/credits", params={"page_size": 100}).json()["entries"]
        assert sum(entry["amount"] for entry in entries) == client.get("/api/v1/me").json()["current_credits"]
    wait_until_gone(everybody)
    assert not (directory / "ready.json").exists()


def python_of(text: str) -> list[str]:
    """The programs that a document prints."""
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run_printed(program: str, stack: dict[str, Any], directory: Path) -> None:
    """Run it as it is printed, on this stack."""
    program = program.replace("http://127.0.0.1:8000", stack["base_url"]).replace("dk_...", stack["api_key"])
    done = subprocess.run([sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
